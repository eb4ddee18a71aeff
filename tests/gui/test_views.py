"""A pair in a viewer model: modes, overlays, updates in place, and a user who meddles."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Vectors

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.views.commit import COMMITTABLE, keep
from napari_voxelmorph.gui.views.display import KEY, volume_from_layer
from napari_voxelmorph.gui.views.lazy import LazyArray
from napari_voxelmorph.gui.views.views import MODES, OVERLAYS, PLANES, PairView


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """As without Qt: what waits for the slice to rest happens at once."""
    monkeypatch.setattr("napari_voxelmorph.gui.ticker.QApplication.instance", lambda: None)


@pytest.fixture(params=["RAS", "LIA"])
def pair(request, make_deformed_pair):
    return make_deformed_pair(3, request.param)


@pytest.fixture
def view(pair):
    """The pair before registration, with everything that can go with it."""
    view = PairView(ViewerModel())
    fixed_labels = pair.fixed.with_data((pair.fixed.data > 0.5).astype(np.uint8), kind="labels")
    view.show_pair(
        pair.fixed, pair.moving, np.eye(4), pair.labels, fixed_labels,
        moving_landmarks=pair.moving.center[None], fixed_landmarks=pair.fixed.center[None],
    )  # fmt: skip
    return view


def visible(view):
    return {role for role, layer in view.stack if layer.visible}


def test_before_registration_the_pair_is_magenta_and_green(view, pair):
    fixed, moved = (view.stack.get(r) for r in ("fixed", "moved"))
    assert (fixed.colormap.name, moved.colormap.name) == ("magenta", "green")
    assert fixed.blending == moved.blending == "additive"
    assert isinstance(moved.data, LazyArray)
    np.testing.assert_allclose(fixed.scale, moved.scale)
    assert fixed.data.shape == moved.data.shape
    before = Registration(pair.fixed, pair.moving, np.eye(4)).warp(pair.moving)
    np.testing.assert_allclose(moved.data, view.layers.scene.grid.to_display(before), atol=1e-6)
    assert [str(u) for u in fixed.units] == ["millimeter"] * 3
    assert view.registration is None


def test_an_update_shows_the_result_in_place(view, pair):
    moved = view.stack.get("moved")
    view.update(pair.result)
    assert view.stack.get("moved") is moved
    expected = view.layers.scene.grid.to_display(pair.result.moved.data)
    step = view.viewer.dims.current_step[0]
    np.testing.assert_allclose(np.asarray(moved._data_view), expected[step], atol=1e-6)


def test_a_hundred_updates_pile_up_nothing(view, pair):
    for overlay in OVERLAYS:
        view.set_overlay(overlay, True)
    for mode in MODES:
        view.set_mode(mode)
    count = len(view.viewer.layers)
    for i in range(100):
        view.update(pair.result, live=i % 10 != 9)
    assert len(view.viewer.layers) == count == len(view.stack)


def test_hidden_layers_cost_nothing(view, pair, monkeypatch):
    view.set_overlay("grid", True)
    view.set_overlay("grid", False)
    asked = []
    grid = view.stack.get("grid")
    monkeypatch.setattr(type(grid.data), "__getitem__",
                        lambda self, key: asked.append(self) or np.zeros((1, 17, 14)))  # fmt: skip
    view.stack.show("moved", False)
    view.update(pair.result, live=True)
    assert asked == []


def test_showing_another_pair_replaces_the_layers(view, make_deformed_pair):
    other = make_deformed_pair(3, "PSR", seed=5)
    view.set_overlay("grid", True)
    view.set_mode("checkerboard")
    view.show_pair(other.fixed, other.moving)
    assert view.mode == "checkerboard"
    assert view.is_overlay_on("grid")
    assert len(view.viewer.layers) == len(view.stack)
    assert not view.can_show("fixed labels")


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("overlay", {"fixed", "moved"}),
        ("checkerboard", {"checkerboard"}),
        ("swipe", {"swipe"}),
        ("flicker", {"fixed"}),
        ("difference", {"difference"}),
        ("side by side", {"fixed", "moved"}),
    ],
)
def test_modes_open_and_close_the_right_layers(view, mode, shown):
    view.set_mode(mode)
    assert visible(view) == shown
    view.set_mode("overlay")
    assert visible(view) == {"fixed", "moved"}
    assert view.stack.get("fixed").colormap.name == "magenta"
    assert not view.viewer.canvas.grid.enabled


def test_an_unknown_mode_is_refused(view):
    with pytest.raises(InputError, match="side by side"):
        view.set_mode("upside down")


def test_flicker_alternates_in_grey(view):
    view.set_mode("flicker")
    assert view.stack.get("fixed").colormap.name == "gray"
    seen = []
    for _ in range(4):
        view.modes.flip()
        seen.append(visible(view))
    assert seen == [{"moved"}, {"fixed"}] * 2


def test_colours_that_the_user_chose_come_back(view):
    view.stack.get("fixed").colormap = "cyan"
    view.set_mode("flicker")
    view.set_mode("side by side")
    view.set_mode("overlay")
    assert view.stack.get("fixed").colormap.name == "cyan"


@pytest.mark.parametrize("others", [0, 1, 4])
def test_side_by_side_has_two_cells_whatever_else_there_is(view, others):
    for _ in range(others):
        view.viewer.add_layer(Image(np.zeros((5, 5, 5)), visible=False))
    for overlay in OVERLAYS:
        view.set_overlay(overlay, True)
    view.set_mode("side by side")
    layers, grid = list(view.viewer.layers), view.viewer.canvas.grid
    assert grid.actual_shape(layers) == (1, 2)
    cell = {r: grid.position(layers.index(la), layers) for r, la in view.stack if la.visible}
    fixed_cell = {r for r, c in cell.items() if c == cell["fixed"]}
    assert fixed_cell == {"fixed", "fixed labels", "fixed landmarks"}
    assert len({c for r, c in cell.items() if r not in fixed_cell}) == 1
    view.viewer.add_layer(Image(np.zeros((5, 5, 5)), visible=False))
    assert grid.actual_shape(view.viewer.layers) == (1, 2)


def test_the_grid_is_given_back(view):
    grid = view.viewer.canvas.grid
    grid.stride = 3
    before = (grid.enabled, grid.stride, grid.shape)
    view.set_mode("side by side")
    view.set_mode("overlay")
    assert (grid.enabled, grid.stride, grid.shape) == before


# Uncertainty is that of a result, and not of every result: test_uncertainty_view.
@pytest.mark.parametrize(
    "overlay", [name for name in OVERLAYS if name not in ("uncertainty", "label entropy")]
)
def test_each_overlay_goes_on_and_off(view, overlay):
    assert view.can_show(overlay)
    assert not view.is_overlay_on(overlay)
    view.set_overlay(overlay, True)
    assert view.is_overlay_on(overlay)
    view.set_overlay(overlay, False)
    assert not view.is_overlay_on(overlay)


def test_segmentations_are_outlines(view):
    for overlay in ("fixed labels", "moved labels"):
        view.set_overlay(overlay, True)
        layer = view.stack.get(overlay)
        assert isinstance(layer, Labels)
        assert layer.contour == 1
        assert not layer.editable


def test_the_names_carry_the_millimetres(view):
    view.set_overlay("grid", True)
    assert view.stack.get("grid").name == "sampling grid (fixed → moving), 8 mm"
    view.configure(grid_spacing=5.0)
    assert view.stack.get("grid").name == "sampling grid (fixed → moving), 5 mm"


def test_one_map_at_a_time_on_the_grey_fixed_image(view):
    view.set_overlay("displacement", True)
    assert visible(view) == {"fixed", "displacement"}
    assert view.stack.get("fixed").colormap.name == "gray"
    view.set_overlay("jacobian", True)
    assert visible(view) == {"fixed", "jacobian"}
    view.set_overlay("jacobian", False)
    assert visible(view) == {"fixed", "moved"}
    assert view.stack.get("fixed").colormap.name == "magenta"


def test_maps_have_a_legend_and_fixed_limits(view, pair):
    view.set_overlay("displacement", True)
    view.update(pair.result)
    displacement = view.stack.get("displacement")
    top = np.asarray(displacement.data).max()
    assert displacement.colorbar.visible
    assert displacement.contrast_limits[0] == 0
    assert 0.9 * top <= displacement.contrast_limits[1] <= 2 * top
    view.set_overlay("jacobian", True)
    low, high = view.stack.get("jacobian").contrast_limits
    assert (low + high) / 2 == pytest.approx(1, abs=1e-5)
    assert view.stack.get("jacobian").colormap.low_color is not None


def test_arrows_are_in_the_slice_true_and_follow_it(view, pair):
    view.configure(arrow_spacing=3.0)
    view.update(pair.result)
    view.set_overlay("arrows", True)
    layer = view.stack.get("arrows")
    assert isinstance(layer, Vectors)
    for plane in PLANES:
        view.set_plane(plane)
        axis = PLANES.index(plane)
        view.viewer.dims.set_current_step(axis, 4)
        starts, along = layer.data[:, 0], layer.data[:, 1]
        assert len(starts) > 3
        assert set(starts[:, axis]) == {4}
        assert not along[:, axis].any()
    grid = view.layers.scene.grid
    u = grid.to_display_field(pair.result.displacement)
    for start, arrow in zip(starts, along, strict=True):
        expected = u[(slice(None), *start.astype(int))]
        np.testing.assert_allclose(arrow[:2], expected[:2], atol=1e-5)


def test_arrows_wait_while_a_result_is_passing(view, pair):
    view.configure(arrow_spacing=3.0)
    view.set_overlay("arrows", True)
    assert len(view.stack.get("arrows").data) == 0  # before: no deformation
    view.update(pair.result, live=True)
    assert len(view.stack.get("arrows").data) == 0
    view.update(pair.result)
    assert len(view.stack.get("arrows").data) > 0


def test_overlays_do_not_stretch_the_canvas(view, pair):
    before = view.viewer.dims.range
    view.configure(arrow_spacing=2.0)
    view.update(pair.result)
    for overlay in ("arrows", "landmarks", "grid"):
        view.set_overlay(overlay, True)
    np.testing.assert_allclose(view.viewer.dims.range, before)


def test_landmarks_land_where_the_transform_says(view, pair):
    view.update(pair.result)
    view.set_overlay("landmarks", True)
    moved = view.stack.get("moved landmarks")
    view.viewer.dims.ndisplay = 3
    world = pair.result.moving_to_fixed(pair.moving.center[None])
    np.testing.assert_allclose(moved.data, view.layers.scene.grid.world_to_display(world))
    assert isinstance(view.stack.get("fixed landmarks"), Points)


def test_landmarks_far_from_the_slice_are_not_shown(view):
    view.set_overlay("landmarks", True)
    assert len(view.stack.get("fixed landmarks").data) == 1
    view.viewer.dims.set_current_step(0, 0)
    assert len(view.stack.get("fixed landmarks").data) == 0


def test_before_and_after(view, pair):
    view.show_before(True)  # no result yet: nothing to compare
    assert not view.showing_before
    view.update(pair.result)
    view.show_before(True)
    assert view.layers.scene.registration is not pair.result
    view.update(pair.result)  # a result that comes in does not end the comparison
    assert view.layers.scene.registration is not pair.result
    view.show_before(False)
    assert view.layers.scene.registration is pair.result


def test_the_3d_view_shows_whole_volumes(view, pair):
    for overlay in OVERLAYS:
        view.set_overlay(overlay, True)
    view.viewer.dims.ndisplay = 3
    view.update(pair.result, live=True)
    view.update(pair.result)
    assert np.asarray(view.stack.get("jacobian")._data_view).ndim == 3
    assert view.anatomy.plane in PLANES
    view.viewer.dims.ndisplay = 2
    assert view.stack.get("moved labels").contour == 1


@pytest.mark.parametrize("role", ["fixed", "moved", "grid", "arrows", "moved labels"])
def test_a_deleted_layer_is_left_out_and_made_again_on_demand(view, pair, role):
    view.set_overlay("grid", True)
    view.set_overlay("arrows", True)
    view.set_overlay("moved labels", True)
    heard = []
    view.changed.connect(lambda: heard.append(1))
    view.viewer.layers.remove(view.stack.get(role))
    assert heard
    assert view.stack.get(role) is None
    view.update(pair.result, live=True)
    view.update(pair.result)
    view.configure(grid_spacing=6)
    view.set_plane("coronal")
    for mode in MODES:
        view.set_mode(mode)
    view.set_mode("overlay")
    if role in OVERLAYS:
        assert view.stack.get(role) is None
        view.set_overlay(role, True)
    assert view.stack.get(role) in view.viewer.layers


def test_all_layers_deleted_at_once(view, pair):
    view.viewer.layers.clear()
    assert len(view.stack) == 0
    view.update(pair.result)
    view.set_mode("difference")
    assert visible(view) == {"difference"}
    view.clear()


def test_a_name_that_the_user_gave_stays(view, pair):
    view.set_overlay("grid", True)
    view.stack.get("grid").name = "my grid"
    view.configure(grid_spacing=4)
    view.update(pair.result)
    assert view.stack.get("grid").name == "my grid"


def test_layers_stay_in_their_order(view):
    for overlay in reversed(OVERLAYS):
        view.set_overlay(overlay, True)
    roles = ("fixed", "moved", "displacement", "fixed labels", "moved labels", "grid", "arrows")
    order = [view.viewer.layers.index(view.stack.get(role)) for role in roles]
    assert order == sorted(order)


def test_the_users_layers_are_hidden_and_come_back(pair):
    model = ViewerModel()
    shown, hidden = Image(np.zeros((5, 5, 5))), Image(np.zeros((5, 5, 5)), visible=False)
    points = Points(np.zeros((1, 3)))
    for layer in (shown, hidden, points):
        model.add_layer(layer)
    view = PairView(model)
    view.show_pair(pair.fixed, pair.moving)
    assert not shown.visible
    assert points.visible
    view.show_pair(pair.fixed, pair.moving)
    view.clear()
    assert list(model.layers) == [shown, hidden, points]
    assert (shown.visible, hidden.visible) == (True, False)
    assert not view.has_pair


@pytest.mark.parametrize("name", list(COMMITTABLE))
def test_what_is_kept_is_plain_and_remembers_its_place(view, pair, name):
    view.update(pair.result)
    count = len(view.viewer.layers)
    layer = keep(view, name)
    assert len(view.viewer.layers) == count + 1
    assert type(layer.data) is np.ndarray
    assert layer.metadata[KEY]["shows"] == name
    np.testing.assert_allclose(layer.scale, view.stack.get("fixed").scale)
    if name != "arrows":
        volume = volume_from_layer(layer)
        np.testing.assert_array_equal(volume.affine, pair.fixed.affine)
        assert volume.shape == pair.fixed.shape
    view.clear()
    assert layer in view.viewer.layers


def test_what_is_kept_is_the_engine_s_own(view, pair):
    view.update(pair.result)
    moved = volume_from_layer(keep(view, "moved"))
    np.testing.assert_allclose(moved.data, pair.result.moved.data, atol=1e-6)
    labels = volume_from_layer(keep(view, "moved labels"))
    np.testing.assert_array_equal(labels.data, pair.result.warp_labels(pair.labels))


def test_keeping_what_is_not_there_is_refused():
    view = PairView(ViewerModel())
    with pytest.raises(InputError, match="No pair"):
        keep(view, "moved")


def test_two_dimensions(make_deformed_pair):
    pair = make_deformed_pair(2)
    view = PairView(ViewerModel())
    view.show_pair(pair.fixed, pair.moving, moving_labels=pair.labels)
    view.update(pair.result)
    for mode in MODES:
        view.set_mode(mode)
    view.set_mode("overlay")
    for overlay in ("grid", "arrows", "displacement", "moved labels"):
        view.set_overlay(overlay, True)
    view.set_plane("coronal")
    assert view.viewer.dims.ndim == 2
    expected = pair.result.warp(pair.moving)
    np.testing.assert_allclose(np.asarray(view.stack.get("moved").data), expected, atol=1e-6)


def test_closing_lets_go_of_the_viewer(view, pair):
    view.close()
    view.viewer.dims.order = (1, 0, 2)
    view.viewer.layers.clear()
    assert view.has_pair


def test_swipe_follows_the_screen(view):
    view.set_mode("swipe")
    view.set_plane("sagittal")
    assert (view.layers.scene.swipe_axis, view.layers.scene.swipe_from) == (1, "end")
    view.set_convention("neurological")
    assert view.layers.scene.swipe_from == "start"
