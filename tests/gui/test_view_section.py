"""The buttons say what the view shows, and the view does what the buttons say."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_voxelmorph.gui.register.view_section import ViewSection
from napari_voxelmorph.gui.views.anatomy import PLANES
from napari_voxelmorph.gui.views.modes import MODES
from napari_voxelmorph.gui.views.views import OVERLAYS, PairView


@pytest.fixture
def pair(make_deformed_pair):
    return make_deformed_pair(3, "LAS")


@pytest.fixture
def section(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    section = ViewSection(PairView(viewer))
    viewer.window.add_dock_widget(section, name="View", area="right")
    return section


@pytest.fixture
def shown(section, pair):
    """The section with a pair."""
    section.view.show_pair(pair.fixed, pair.moving, np.eye(4), pair.labels)
    return section


def test_without_a_pair_little_can_be_pressed(section):
    assert not section.keep.isEnabled()
    assert not section.before.isEnabled()
    assert not any(box.isEnabled() for box in section.overlays.boxes.values())


@pytest.mark.parametrize("i", range(len(MODES)))
def test_mode_buttons(shown, i):
    shown.mode_buttons.button(i).click()
    assert shown.view.mode == MODES[i]
    assert shown.mode_settings.currentIndex() == i
    shown.view.set_mode("overlay")
    assert shown.mode_buttons.checkedId() == 0


def test_a_mode_may_be_chosen_before_there_is_a_pair(section, pair):
    section.mode_buttons.button(1).click()
    section.view.show_pair(pair.fixed, pair.moving)
    assert section.view.stack.is_shown("checkerboard")


@pytest.mark.parametrize("overlay", ["grid", "arrows", "displacement", "moved labels"])
def test_overlay_boxes(shown, overlay):
    box = shown.overlays.boxes[overlay]
    box.click()
    assert shown.view.is_overlay_on(overlay)
    shown.view.stack.get(overlay).visible = False  # the user closes the eye in the layer list
    assert not box.isChecked()


def test_boxes_without_anything_to_show_are_off(shown):
    enabled = {o for o, box in shown.overlays.boxes.items() if box.isEnabled()}
    assert enabled == set(OVERLAYS) - {"fixed labels", "landmarks", "uncertainty", "label entropy"}


def test_a_deleted_layer_unchecks_its_box(shown):
    shown.overlays.boxes["grid"].click()
    shown.view.viewer.layers.remove(shown.view.stack.get("grid"))
    assert not shown.overlays.boxes["grid"].isChecked()


def test_planes_and_convention(shown):
    for i, plane in enumerate(PLANES):
        shown.plane_buttons.button(i).click()
        assert shown.view.anatomy.plane == plane
    shown.plane_buttons.button(3).click()
    assert shown.view.viewer.dims.ndisplay == 3
    shown.view.viewer.dims.ndisplay = 2
    assert shown.plane_buttons.checkedId() == 2
    shown.convention.click()
    assert shown.view.anatomy.convention == "neurological"
    assert shown.convention.text() == "L | R"


def test_spacings_reach_the_overlays(shown):
    shown.overlays.boxes["grid"].click()
    shown.overlays.grid_spacing.setValue(12)
    assert "12 mm" in shown.view.stack.get("grid").name
    shown.overlays.arrow_spacing.setValue(4)
    assert shown.view.layers.arrow_spacing == 4
    shown.view.configure(grid_spacing=3)
    assert shown.overlays.grid_spacing.value() == 3


def test_settings_of_the_modes(shown):
    shown.view.set_mode("swipe")
    shown.mode_settings.swipe.setValue(250)
    assert shown.view.layers.scene.swipe == 0.25
    shown.mode_settings.checker.setValue(9)
    assert shown.view.layers.scene.checker_size == 9
    shown.mode_settings.flicker.setValue(300)
    assert shown.view.modes.flicker.interval == 300
    shown.mode_settings.fade.setValue(1000)
    assert (shown.view.stack.get("fixed").opacity, shown.view.stack.get("moved").opacity) == (0, 1)


def test_hold_to_see_before(shown, pair, qtbot):
    shown.view.update(pair.result)
    assert shown.before.isEnabled()
    qtbot.mousePress(shown.before, Qt.MouseButton.LeftButton)
    assert shown.view.showing_before
    qtbot.mouseRelease(shown.before, Qt.MouseButton.LeftButton)
    assert not shown.view.showing_before


def test_flicker_ticks_by_itself_and_stops(shown, qtbot):
    shown.view.configure(flicker_interval=100)
    shown.view.set_mode("flicker")
    qtbot.waitUntil(lambda: shown.view.stack.is_shown("moved"), timeout=3000)
    shown.view.set_mode("overlay")
    assert shown.view.stack.is_shown("fixed")


def test_keep_as_layer_computes_in_the_background(shown, pair, qtbot):
    shown.view.update(pair.result)
    count = len(shown.view.viewer.layers)
    shown.keep.menu().actions()[0].trigger()
    qtbot.waitUntil(lambda: len(shown.view.viewer.layers) == count + 1, timeout=5000)
    assert type(shown.view.viewer.layers[-1].data) is np.ndarray


def test_it_fits_a_narrow_dock(shown):
    assert shown.minimumSizeHint().width() <= 340
    assert shown.sizeHint().height() <= 260


def test_a_closed_section_leaves_the_view_working(shown, pair, qtbot):
    view = shown.view
    view.viewer.window.remove_dock_widget("all")
    shown.deleteLater()
    qtbot.wait(20)
    view.update(pair.result)
    view.set_mode("swipe")
    view.set_plane("coronal")


def test_every_control_explains_itself(shown):
    controls = [*shown.mode_buttons.buttons(), *shown.overlays.boxes.values(), shown.keep,
                *shown.plane_buttons.buttons(), shown.convention, shown.before]  # fmt: skip
    assert all(control.toolTip() for control in controls)
