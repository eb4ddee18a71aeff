"""What a hasty user may do while a run begins, goes on and ends."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.errors import InputError


def click(qtbot, window):
    qtbot.mouseClick(window.dock.controls.button, Qt.MouseButton.LeftButton)


def ended(window):
    return not window.dock.engine.busy


def roles(window):
    return dict(window.dock.pair_view.stack)


def test_cancel_before_anything_is_drawn(qtbot, window):
    before = list(window.viewer.layers)
    window.jobs.gate.clear()
    click(qtbot, window)
    click(qtbot, window)  # in the same turn: no layer has been made yet
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    qtbot.wait(50)
    assert list(window.viewer.layers) == before
    assert window.dock.controls.button.text() == "Register"
    assert window.dock.message.kind == ""


def test_the_button_pressed_many_times_is_one_run(qtbot, window):
    window.jobs.gate.clear()
    click(qtbot, window)
    for _ in range(4):
        click(qtbot, window)  # the first of these cancels; then the button waits
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    qtbot.wait(50)
    assert len(window.jobs.asked) <= 1
    assert window.dock.pair_view.registration is None
    click(qtbot, window)
    qtbot.waitUntil(lambda: ended(window) and window.dock.pair_view.registration is not None)


def test_a_cancelled_run_goes_back_in_place(qtbot, window):
    window.dock.runner.show_together()
    qtbot.waitUntil(lambda: "moved" in roles(window))
    qtbot.wait(50)
    layers = roles(window)
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(window.jobs.entered.is_set)
    click(qtbot, window)
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    assert roles(window) == layers  # the same layers, not new ones in their place
    assert window.dock.pair_view.registration is None


def test_an_error_goes_back_in_place_too(qtbot, window):
    window.dock.runner.show_together()
    qtbot.waitUntil(lambda: "moved" in roles(window))
    qtbot.wait(50)
    layers = roles(window)
    window.jobs.error = InputError("Too dark.")
    click(qtbot, window)
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    assert roles(window) == layers
    assert window.dock.message.text.text() == "Too dark."


def test_a_result_that_is_there_before_the_first_picture(qtbot, window):
    turns = window.dock.runner._turns
    click(qtbot, window)
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    assert not turns.waiting
    assert set(roles(window)) == {"fixed", "moved"}
    assert window.dock.pair_view.registration is not None


def test_undo_and_show_together_in_one_breath(qtbot, window):
    click(qtbot, window)
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    window.dock.runner.show_together()
    window.dock.runner.undo()
    window.dock.runner.redo()
    qtbot.wait(50)
    assert set(roles(window)) == {"fixed", "moved"}
    assert window.dock.pair_view.registration is not None


@pytest.mark.parametrize("what", ["removed", "renamed", "edited"])
def test_an_overlay_meddled_with_while_the_pair_is_being_drawn(qtbot, window, what):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(lambda: "fixed" in roles(window))
    layer = roles(window)["fixed"]
    if what == "removed":
        window.viewer.layers.remove(layer)
    elif what == "renamed":
        layer.name = "my own name"
    else:
        layer.opacity = 0.3
        layer.colormap = "red"
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    assert window.dock.message.kind != "error"
    assert window.dock.pair_view.registration is not None
    if what == "renamed":
        assert layer.name == "my own name"


def test_all_layers_removed_during_a_run(qtbot, window):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(lambda: "moved" in roles(window))
    window.viewer.layers.clear()
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    assert window.dock.message.kind != "error"
    window.dock.result.undo.click()
    assert window.dock.pair_view.registration is None


def test_other_images_of_other_size_added_and_chosen_during_a_run(qtbot, window):
    window.jobs.gate.clear()
    click(qtbot, window)
    qtbot.waitUntil(window.jobs.entered.is_set)
    other = window.viewer.add_image(np.random.default_rng(0).random((9, 11)), name="other")
    window.dock.inputs.choose("moving", other)
    window.jobs.gate.set()
    qtbot.waitUntil(lambda: ended(window), timeout=20000)
    assert window.dock.message.kind != "error"
    assert window.dock.pair_view.registration.moving.name != "other"
    assert window.dock.inputs.layer("moving") is other


@pytest.mark.parametrize("wait", [0, 1, 30])
def test_the_window_closed_while_the_pair_is_being_drawn(qtbot, window, wait):
    window.jobs.gate.clear()
    click(qtbot, window)
    if wait:
        qtbot.wait(wait)
    job = window.dock.engine.running
    opens = threading.Thread(target=lambda: job.cancelled.wait(60) and window.jobs.gate.set())
    opens.start()
    window.viewer.close()
    opens.join()
    qtbot.waitUntil(lambda: "voxelmorph" not in [t.name for t in threading.enumerate()])
