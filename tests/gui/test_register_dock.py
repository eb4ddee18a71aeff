"""The Register dock as a user meets it: what the button says, run, cancel, undo, errors."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QPoint, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QLabel

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.views.display import layer_from_volume


def button(window):
    return window.dock.controls.button


def click(qtbot, window):
    qtbot.mouseClick(button(window), Qt.MouseButton.LeftButton)


def run_to_end(qtbot, window):
    click(qtbot, window)
    qtbot.waitUntil(lambda: not window.dock.engine.busy, timeout=10000)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_an_empty_window_offers_the_sample_pair_and_two_files(empty_window):
    dock = empty_window.dock
    assert dock.pages.currentIndex() == 0
    assert not dock.welcome.sample.isHidden() and not dock.welcome.session.isHidden()
    assert dock.controls.isHidden()


def test_two_scans_opened_in_napari_are_proposed_as_the_pair(qtbot, empty_window):
    inputs = empty_window.dock.inputs
    rng = np.random.default_rng(0)
    first = empty_window.viewer.add_image(rng.random((16, 16)), name="first")
    assert inputs.layer("moving") is None
    second = empty_window.viewer.add_image(rng.random((16, 16)), name="second")
    qtbot.waitUntil(lambda: inputs.layer("fixed") is second, timeout=2000)
    assert inputs.layer("moving") is first
    inputs.choose("moving", None)
    inputs.choose("fixed", None)
    empty_window.viewer.add_image(rng.random((16, 16)), name="third")
    qtbot.wait(50)
    assert inputs.layer("moving") is None  # three scans: the user must say which


def test_the_button_says_what_is_missing(window):
    inputs = window.dock.inputs
    inputs.choose("moving", None)
    inputs.choose("fixed", None)
    assert button(window).text() == "Choose two images"
    inputs.choose("fixed", window.fixed)
    assert button(window).text() == "Choose a moving image"
    inputs.choose("moving", window.fixed)
    assert button(window).text() == "Choose two different images"
    assert not button(window).isEnabled()
    inputs.choose("moving", window.moving)
    assert button(window).text() == "Register"
    assert button(window).isEnabled()


def test_colour_and_five_dimensional_images_are_refused_on_the_button(window):
    rgb = window.viewer.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True, name="photo")
    window.dock.inputs.choose("moving", rgb)
    assert "colour" in button(window).text()
    series = window.viewer.add_image(np.zeros((2, 2, 4, 8, 8)), name="echoes")
    window.dock.inputs.choose("moving", series)
    assert "5-D" in button(window).text()
    volume = window.viewer.add_image(np.random.default_rng(0).random((8, 8, 8)), name="head")
    window.dock.inputs.choose("moving", volume)
    assert button(window).text() == "Moving is 3-D, fixed is 2-D"


def test_a_run_shows_the_result_in_words_and_numbers(qtbot, window):
    run_to_end(qtbot, window)
    dock = window.dock
    assert "better" in dock.result.verdict.text()
    assert dock.pair_view.registration is not None
    assert dock.controls.bar.isHidden()
    assert button(window).text() == "Register"
    assert dock.result.save.isEnabled()


def test_cancel_stops_within_one_step_and_restores_everything(qtbot, window):
    viewer, jobs = window.viewer, window.jobs
    window.moving.visible = False
    viewer.layers.selection = {window.fixed}
    before = (names(viewer), [la.visible for la in viewer.layers], viewer.scene.camera.zoom)
    jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(jobs.entered.is_set)
    assert button(window).text() == "Cancel"
    click(qtbot, window)
    assert button(window).text() == "Cancelling…" and not button(window).isEnabled()
    jobs.gate.set()
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert jobs.steps_done <= 1 and jobs.closed == 1
    assert (names(viewer), [la.visible for la in viewer.layers], viewer.scene.camera.zoom) == before
    assert viewer.layers.selection == {window.fixed}
    assert button(window).text() == "Register"
    assert window.dock.result.verdict.text().startswith("Nothing yet")


def test_cancel_keeps_the_earlier_result(qtbot, window):
    run_to_end(qtbot, window)
    earlier = window.dock.pair_view.registration
    window.jobs.gate.clear()
    click(qtbot, window)
    click(qtbot, window)
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert window.dock.pair_view.registration is earlier


def test_a_double_click_does_not_start_two_runs(qtbot, window):
    window.jobs.gate.clear()
    window.dock.runner.register()
    window.dock.runner.register()
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert len(window.jobs.asked) == 1


def test_an_error_is_one_sentence_with_details_to_copy(qtbot, window):
    window.jobs.error = InputError("“scan” is constant: there is nothing to align.")
    run_to_end(qtbot, window)
    message = window.dock.message
    assert message.kind == "error" and not message.isHidden()
    assert message.text.text() == "“scan” is constant: there is nothing to align."
    assert "Traceback" not in message.text.text() and "Traceback" in message.details
    qtbot.mouseClick(message.copy, Qt.MouseButton.LeftButton)
    assert message.copy.text() == "Copied"
    assert button(window).text() == "Register"


def test_an_unexpected_error_does_not_show_a_traceback(qtbot, window):
    window.jobs.error = ZeroDivisionError("division by zero")
    run_to_end(qtbot, window)
    text = window.dock.message.text.text()
    assert text.startswith("Something unexpected") and "\n" not in text


@pytest.mark.parametrize("what", ["moving", "fixed", "both", "overlay"])
def test_layers_may_be_deleted_during_a_run(qtbot, window, what):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(window.jobs.entered.is_set)
    layers = window.viewer.layers
    qtbot.waitUntil(lambda: any(la.name.startswith("moved") for la in layers))
    if what == "overlay":
        layers.remove(next(la for la in layers if la.name.startswith("moved")))
    else:
        for layer in {"moving": [window.moving], "fixed": [window.fixed]}.get(
            what, [window.moving, window.fixed]
        ):
            layers.remove(layer)
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert window.dock.pair_view.registration is not None
    assert window.dock.message.kind != "error"


def test_renaming_and_editing_during_a_run_is_harmless(qtbot, window):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(window.jobs.entered.is_set)
    window.moving.name = "something else"
    window.moving.data = np.zeros((4, 4), np.float32)
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert window.dock.pair_view.registration is not None
    assert window.dock.inputs.choices["moving"].combo.currentText() == "something else"


def test_undo_and_redo(qtbot, window):
    run_to_end(qtbot, window)
    first = window.dock.pair_view.registration
    run_to_end(qtbot, window)
    window.dock.result.undo.click()
    assert window.dock.pair_view.registration is first
    window.dock.result.undo.click()
    assert window.dock.pair_view.registration is None
    assert not window.dock.result.undo.isEnabled()
    window.dock.result.redo.click()
    assert window.dock.pair_view.registration is first


def test_closing_the_dock_during_a_run_stops_it(qtbot, window):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(window.jobs.entered.is_set)
    window.viewer.window.remove_dock_widget(window.dock)
    window.dock.deleteLater()
    qtbot.wait(20)
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: window.jobs.closed == 1)


def test_closing_the_window_during_a_run_ends_the_thread(qtbot, window):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(window.jobs.entered.is_set)
    job = window.dock.engine.running
    waits = threading.Thread(target=lambda: job.cancelled.wait(20) and window.jobs.gate.set())
    waits.start()
    window.viewer.close()
    waits.join()
    qtbot.waitUntil(lambda: window.jobs.closed == 1)
    qtbot.waitUntil(lambda: "voxelmorph" not in [t.name for t in threading.enumerate()])


def test_sync_mode_runs_inside_the_click(qtbot, window, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    click(qtbot, window)
    assert window.dock.pair_view.registration is not None
    assert not window.dock.engine.busy


def test_swap_exchanges_the_roles(window):
    window.dock.inputs.swap.click()
    assert window.dock.inputs.layer("moving") is window.fixed
    assert window.dock.inputs.layer("fixed") is window.moving


def test_overlays_are_not_offered_as_inputs(qtbot, window):
    run_to_end(qtbot, window)
    offered = window.dock.inputs.choices["moving"].layers
    assert set(offered) == {window.moving, window.fixed}


def test_start_as_placed_in_the_window(qtbot, window):
    window.moving.affine = np.array([[1, 0, 3.0], [0, 1, -2.0], [0, 0, 1]])
    window.dock.method.start.choice.set("window")
    run_to_end(qtbot, window)
    _, config, start = window.jobs.asked[0]
    assert config.start == "header"
    assert start is not None and not np.allclose(start, np.eye(3))


def test_an_edited_matrix_is_passed_on(qtbot, window):
    qtbot.waitUntil(lambda: window.dock.method.start.table.rowCount() == 2)
    window.dock.method.start.table.item(0, 2).setText("12.5")
    run_to_end(qtbot, window)
    assert window.jobs.asked[0][2][0, 2] == 12.5
    window.dock.method.start.table.item(0, 0).setText("wide")
    click(qtbot, window)
    assert "wide" in window.dock.message.text.text()


def test_nothing_widens_the_dock(qtbot, window):
    window.moving.name = "a_very_long_name_of_a_scan_that_somebody_exported_from_the_scanner_" * 3
    run_to_end(qtbot, window)
    window.dock.resize(360, 700)
    inner = window.dock.scroll_area.widget()
    assert inner.minimumSizeHint().width() <= 360
    assert window.dock.minimumSizeHint().width() <= 380


def test_segmentations_chosen_later_judge_the_result(qtbot, window, pair_2d):
    run_to_end(qtbot, window)
    assert "Dice" not in table(window)
    for role in ("moving_labels", "fixed_labels"):
        data = layer_from_volume(getattr(pair_2d, role))
        window.dock.inputs.choose(role, window.viewer.add_layer(Layer.create(*data)))
    qtbot.waitUntil(lambda: "Dice" in table(window))


def test_landmarks_of_different_number_are_explained(qtbot, window):
    inputs = window.dock.inputs
    inputs.choose("moving_landmarks", window.viewer.add_points(np.zeros((3, 2)), name="a"))
    inputs.choose("fixed_landmarks", window.viewer.add_points(np.zeros((2, 2)), name="b"))
    qtbot.waitUntil(lambda: inputs.message.kind == "error")
    assert "3 moving and 2 fixed" in inputs.message.text.text()
    assert button(window).text() == "Mend the inputs first (see above)"
    inputs.choose("fixed_landmarks", None)
    qtbot.waitUntil(lambda: button(window).text() == "Register")


def table(window):
    labels = window.dock.result.table.findChildren(QLabel)
    return " ".join(label.text() for label in labels)


def test_a_result_stays_in_sight_when_another_dock_takes_room(qtbot, window):
    dock = window.dock
    run_to_end(qtbot, window)
    area, buttons = dock.scroll_area, dock.result.buttons
    qtbot.waitUntil(lambda: not dock._laid_out.isActive())
    area.verticalScrollBar().setValue(0)
    QApplication.sendEvent(dock, QResizeEvent(QSize(380, 500), QSize(380, 700)))
    assert dock._laid_out.isActive()
    qtbot.waitUntil(lambda: not dock._laid_out.isActive())
    assert area.viewport().rect().contains(buttons.mapTo(area.viewport(), QPoint(0, 0)))
    # Later the scroll bar is the user's.
    dock._in_sight_until = 0.0
    QApplication.sendEvent(dock, QResizeEvent(QSize(380, 500), QSize(380, 700)))
    assert not dock._laid_out.isActive()
