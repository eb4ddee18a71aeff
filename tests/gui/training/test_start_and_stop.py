"""Start, stop, resume, errors: a training as a user meets it."""

from __future__ import annotations

import threading

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.training.train_dock import TrainDock


def test_a_training_shows_its_curves_and_its_end(qtbot, ready, fake, user):
    user.run_to_end(ready)
    (task,) = fake.tasks
    assert task.config.steps == 6 and not task.resume
    x, y, _ = ready.runner.history.loss.arrays()
    np.testing.assert_allclose(y, 1 / x)
    assert x.tolist() == [1, 2, 3, 4, 5, 6]
    assert "Dice 0.460" in ready.progress.figures.text()
    assert ready.message.kind == "done" and "finished" in ready.message.text.text()
    assert ready.controls.button.text() == "Finished – to go on, raise “Steps”"
    qtbot.waitUntil(lambda: ready.progress.folder == task.folder)
    assert not ready.progress.loss.isHidden()
    assert not ready.data.is_open() and ready.progress.is_open()


def test_stop_ends_within_a_step_and_the_run_goes_on_later(ready, fake, user):
    user.stop_after_the_first_step(ready, fake)
    assert fake.closed == 1 and len(ready.runner.history.loss) == 1
    assert ready.controls.button.text() == "Resume after step 1"
    assert "Stopped after step 1 of 6" in ready.progress.state.text()
    assert not ready.recipe.form.isEnabled() and ready.recipe.steps.isEnabled()
    user.run_to_end(ready)
    assert [task.resume for task in fake.tasks] == [False, True]
    assert fake.tasks[0].folder == fake.tasks[1].folder
    assert ready.runner.history.loss.arrays()[0].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_finished_training_may_go_on_for_longer(qtbot, ready, fake, user):
    user.run_to_end(ready)
    ready.recipe.steps.fields["steps"].widget.setValue(8)
    qtbot.waitUntil(lambda: ready.controls.button.text() == "Resume after step 6")
    user.run_to_end(ready)
    assert fake.tasks[1].config.steps == 8 and fake.tasks[1].config.seed == 3


def test_another_dock_finds_the_run_and_a_new_training_starts_afresh(
    qtbot, in_window, fake, viewer, user
):
    user.stop_after_the_first_step(in_window, fake)
    other = TrainDock(viewer)
    viewer.window.add_dock_widget(other, name="Train again")
    qtbot.waitUntil(lambda: other.progress.run.count() == 2)
    assert "stopped at step 1 of 6" in other.progress.run.itemText(1)
    other.progress.run.setCurrentIndex(1)
    qtbot.waitUntil(lambda: other.controls.button.text() == "Resume after step 1")
    assert other.data.path.text() == in_window.data.path.text()
    other.progress.run.setCurrentIndex(0)
    assert other.controls.button.text() == "Start training" and other.data.source.isEnabled()
    assert other.progress.loss.isHidden()


def test_a_second_training_is_impossible_and_says_so(qtbot, in_window, fake, viewer, user):
    fake.gate.clear()
    user.click(in_window.controls.button)
    qtbot.waitUntil(fake.entered.is_set)
    in_window.runner.start(False)
    assert "A training is running in this window" in in_window.message.text.text()
    other = TrainDock(viewer)
    viewer.window.add_dock_widget(other, name="Train again")
    other.runner.start(False)
    assert "A training is running in this window" in other.message.text.text()
    fake.gate.set()
    qtbot.waitUntil(lambda: not in_window.runner.running)
    assert len(fake.tasks) == 1


def test_an_error_is_one_sentence_with_details_and_the_dock_is_ready_again(
    qtbot, ready, fake, user
):
    fake.error = InputError("The loss is not finite since step 3: “scan_7” is empty.")
    user.click(ready.controls.button)
    qtbot.waitUntil(lambda: ready.message.kind == "error")
    assert ready.message.text.text() == "The loss is not finite since step 3: “scan_7” is empty."
    assert "Traceback" in ready.message.details
    assert ready.controls.button.text() == "Start training" and ready.controls.button.isEnabled()
    assert ready.progress.loss.isHidden()


def test_closing_the_window_ends_the_training_cleanly(qtbot, fake, in_window, viewer, user):
    fake.gate.clear()
    user.click(in_window.controls.button)
    qtbot.waitUntil(fake.entered.is_set)
    worker, folder = in_window.engine._worker, fake.tasks[0].folder
    threading.Timer(0.2, fake.gate.set).start()
    assert worker.close(0.01)  # what the end of the window does; the training is waited for
    assert fake.closed == 1 and (folder / "last" / "state.json").is_file()


def test_what_a_training_has_to_say_is_shown(qtbot, ready, fake, user):
    fake.notes, fake.error = ("The memory does not suffice.",), None
    ready.recipe.steps.fields["steps"].widget.setValue(100_000)
    user.click(ready.controls.button)
    qtbot.waitUntil(lambda: ready.message.kind == "warning")
    assert ready.message.text.text() == "The memory does not suffice."
    ready.message.clear()  # put away, it stays away
    count = len(ready.runner.history.loss)
    qtbot.waitUntil(lambda: len(ready.runner.history.loss) > count)
    assert ready.message.isHidden()
    user.click(ready.controls.button)
    qtbot.waitUntil(lambda: user.has_ended(ready))
