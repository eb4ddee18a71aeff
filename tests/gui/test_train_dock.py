"""The Train dock as a user meets it: what the button says, start, stop, resume, save, errors."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.training.config import RECIPES
from napari_voxelmorph.engine.training.events import TrainingStep, Validation
from napari_voxelmorph.gui.models.shelf_events import shelf_events
from napari_voxelmorph.gui.training import train_runner, train_shelving
from napari_voxelmorph.gui.training.train_dock import TrainDock
from napari_voxelmorph.gui.training.training_choice import Found, write_choice
from napari_voxelmorph.gui.training.training_jobs import ModelName, Progress
from napari_voxelmorph.gui.training.training_preview import Picture, PreviewPair

FOUND = Found("8 scans, all with segmentations", ["3-D, 9 × 9 × 9 voxels of 1 mm"], [],
              [("bad", "It is damaged.")], "", 2, (16, 16, 16))  # fmt: skip


def step_of(n, steps, dice=None):
    found = None
    if dice is not None:
        found = Validation(n, 0.5, dice, 0.4, 0.0, 0.3, 0.2, True)
    return TrainingStep(n, steps, 1, 1.0 / n, 0.1, 2.0, "Training", lambda: None,
                        {"similarity": 1.0 / n}, found)  # fmt: skip


class FakeTrainingJobs:
    """Stands in for `TrainingJobs`: steps that can be made to wait, and a real run folder."""

    def __init__(self, preview=None):
        self.preview = preview
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.found, self.error, self.tasks, self.closed = FOUND, None, [], 0
        image = Volume(np.random.default_rng(0).random((9, 9, 9), np.float32), name="a")
        labels = Volume((image.data > 0.5).astype(np.int16), kind="labels", name="a labels")
        self.pair = PreviewPair(image, image, labels, labels)

    def begin(self):
        return ["cpu"], [ModelName("brain", "brain", "A model.")]

    def models(self):
        return [ModelName("brain", "brain", "A model."), ModelName("mine", "mine", "Mine.")]

    def look(self, choice):
        yield Progress("Reading the scans: 1 of 8", 0.1, None)
        return self.found

    def measure(self, found, config):
        yield
        return "CPU: about 1 GB, 10 min"

    def picture(self, n):
        if not self.preview.is_set():
            return None
        return Picture(self.pair, Registration(self.pair.fixed, self.pair.moving, np.eye(4)), n)

    def train(self, task, history):
        self.tasks.append(task)
        first = task.folder / "last" / "state.json"
        done = json.loads(first.read_text())["step"] if task.resume else 0
        try:
            for n in range(done + 1, task.config.steps + 1):
                self.entered.set()
                assert self.gate.wait(60), "the test never opened the gate"
                if self.error is not None:
                    raise self.error
                step = step_of(n, task.config.steps, 0.4 + n / 100 if n % 2 == 0 else None)
                done = n
                history.add(step)
                yield Progress("Training", n / task.config.steps, 2.0, step,
                               lambda n=n: self.picture(n))  # fmt: skip
        except GeneratorExit:
            self.closed += 1
            self._write(task, history, done)
            raise
        self._write(task, history, done)
        return SimpleNamespace(folder=task.folder)

    def _write(self, task, history, done):
        for name in ("last", "best"):
            (task.folder / name).mkdir(parents=True, exist_ok=True)
        (task.folder / "best" / "model.json").write_text("{}")
        (task.folder / "last" / "state.json").write_text(json.dumps({"step": done}))
        config = {"steps": task.config.steps, "seed": 3}
        (task.folder / "training.json").write_text(json.dumps({"config": config}))
        x, y, _ = history.loss.arrays()
        lines = [{"step": int(a), "loss": float(b)} for a, b in zip(x, y, strict=True)]
        if history.latest:
            lines.append({"step": history.latest["step"], "validation": history.latest})
        (task.folder / "history.jsonl").write_text("\n".join(map(json.dumps, lines)))
        write_choice(task.folder, task.choice)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "home" / "models"))
    fake = FakeTrainingJobs()

    def make(preview):
        fake.preview = preview
        return fake

    monkeypatch.setattr(train_runner, "TrainingJobs", make)
    yield fake
    fake.gate.set()


@pytest.fixture
def dock(fake, qtbot):
    """A dock without a window around it: quicker."""
    dock = TrainDock(ViewerModel())
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: dock.recipe.start_from.count() == 2)
    yield dock
    fake.gate.set()
    assert dock.engine.close(60)


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def in_window(fake, viewer, qtbot, tmp_path):
    """A dock in a napari window, with data chosen and found."""
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train", area="right")
    yield with_data(dock, qtbot, tmp_path)
    fake.gate.set()
    assert dock.engine.close(60)


@pytest.fixture
def ready(dock, qtbot, tmp_path):
    """A dock with data chosen and found."""
    return with_data(dock, qtbot, tmp_path)


def with_data(dock, qtbot, folder):
    dock.data.choose_path(str(folder))
    qtbot.waitUntil(lambda: dock.controls.button.isEnabled())
    dock.recipe.steps.fields["steps"].widget.setValue(6)
    return dock


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run_to_end(qtbot, dock):
    qtbot.waitUntil(lambda: dock.controls.button.isEnabled())
    click(qtbot, dock.controls.button)
    qtbot.waitUntil(lambda: has_ended(dock), timeout=10000)


def has_ended(dock):
    """Nothing runs, and what the run left has been read."""
    said = dock.controls.button.text()
    return dock.runner.loaded is not None and not said.startswith(("Stop", "Reading"))


def stop_after_the_first_step(qtbot, dock, fake):
    fake.gate.clear()
    click(qtbot, dock.controls.button)
    qtbot.waitUntil(fake.entered.is_set)
    click(qtbot, dock.controls.button)
    assert dock.controls.button.text() == "Stopping…" and not dock.controls.button.isEnabled()
    fake.gate.set()
    qtbot.waitUntil(lambda: has_ended(dock) and dock.controls.button.isEnabled())


def test_an_empty_dock_says_what_is_expected(dock):
    assert dock.controls.button.text() == "Choose a folder"
    assert not dock.controls.button.isEnabled()
    assert "_seg.nii.gz" in dock.data.about.text().replace("\u200b", "")
    assert dock.progress.loss.isHidden() and not dock.progress.hint.isHidden()
    assert not dock.save.button.isEnabled()
    dock.data.source.setCurrentIndex(1)
    assert dock.controls.button.text() == "Choose a table" and "“image”" in dock.data.about.text()
    dock.data.source.setCurrentIndex(3)
    assert dock.controls.button.text() == "Open the scans first"
    assert dock.data._path_row.isHidden() and "layers" in dock.data.about.text().lower()


def test_what_was_found_is_told_and_the_rest_is_measured(qtbot, ready):
    assert ready.data.headline.text() == FOUND.headline
    assert "9 × 9 × 9" in ready.data.found.text()
    assert ready.data.skipped.link.text().startswith("1 file left out")
    assert ready.data.reasons.text() == "bad: It is damaged."
    assert ready.controls.button.text() == "Start training"
    qtbot.waitUntil(lambda: "10 min" in ready.recipe.needs.text())


def test_data_that_cannot_be_used_stop_the_button(qtbot, dock, fake, tmp_path):
    fake.found = Found(problem="“x” holds only 1 scan.")
    dock.data.choose_path(str(tmp_path))
    qtbot.waitUntil(lambda: dock.data.message.kind == "error")
    assert dock.data.message.text.text() == "“x” holds only 1 scan."
    assert dock.controls.button.text() == "Mend the data first (see above)"
    assert not dock.controls.button.isEnabled()


def test_a_recipe_with_segmentations_needs_some(qtbot, dock, fake, tmp_path):
    fake.found = replace(FOUND, structures=0)
    dock.recipe.recipe.setCurrentText("With segmentations")
    dock.data.choose_path(str(tmp_path))
    wanted = "The recipe needs segmentations: choose another"
    qtbot.waitUntil(lambda: dock.controls.button.text() == wanted)
    dock.recipe.recipe.setCurrentText("Same contrast")
    assert dock.controls.button.text() == "Start training"


def test_an_atlas_is_asked_for(qtbot, ready):
    assert ready.data.preparation.atlas_row.isHidden()
    ready.data.preparation.target.setCurrentIndex(1)
    assert not ready.data.preparation.atlas_row.isHidden()
    assert ready.controls.button.text() == "Choose an atlas"
    ready.data.preparation.target.setCurrentIndex(0)
    assert ready.controls.button.text() == "Start training"
    assert ready.data.headline.text() == FOUND.headline


def test_the_recipe_is_named_after_its_settings(ready):
    recipe = ready.recipe
    recipe.recipe.setCurrentText("With segmentations")
    config = RECIPES["With segmentations"][0]
    assert recipe.config() == config
    assert recipe.steps.fields["steps"].widget.value() == config.steps
    recipe.form.fields["smoothness"].widget.setValue(3.0)
    assert recipe.recipe.currentText() == "Own settings"
    recipe.form.fields["smoothness"].widget.setValue(config.smoothness)
    assert recipe.recipe.currentText() == "With segmentations"
    recipe.start_from.setCurrentIndex(1)
    assert recipe.config() == replace(config, start_from="brain")


def test_a_training_shows_its_curves_and_its_end(qtbot, ready, fake):
    run_to_end(qtbot, ready)
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


def test_stop_ends_within_a_step_and_the_run_goes_on_later(qtbot, ready, fake):
    stop_after_the_first_step(qtbot, ready, fake)
    assert fake.closed == 1 and len(ready.runner.history.loss) == 1
    assert ready.controls.button.text() == "Resume after step 1"
    assert "Stopped after step 1 of 6" in ready.progress.state.text()
    assert not ready.recipe.form.isEnabled() and ready.recipe.steps.isEnabled()
    run_to_end(qtbot, ready)
    assert [task.resume for task in fake.tasks] == [False, True]
    assert fake.tasks[0].folder == fake.tasks[1].folder
    assert ready.runner.history.loss.arrays()[0].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_finished_training_may_go_on_for_longer(qtbot, ready, fake):
    run_to_end(qtbot, ready)
    ready.recipe.steps.fields["steps"].widget.setValue(8)
    qtbot.waitUntil(lambda: ready.controls.button.text() == "Resume after step 6")
    run_to_end(qtbot, ready)
    assert fake.tasks[1].config.steps == 8 and fake.tasks[1].config.seed == 3


def test_another_dock_finds_the_run_and_a_new_training_starts_afresh(
    qtbot, in_window, fake, viewer
):
    stop_after_the_first_step(qtbot, in_window, fake)
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


def test_a_second_training_is_impossible_and_says_so(qtbot, in_window, fake, viewer):
    fake.gate.clear()
    click(qtbot, in_window.controls.button)
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


def test_an_error_is_one_sentence_with_details_and_the_dock_is_ready_again(qtbot, ready, fake):
    fake.error = InputError("The loss is not finite since step 3: “scan_7” is empty.")
    click(qtbot, ready.controls.button)
    qtbot.waitUntil(lambda: ready.message.kind == "error")
    assert ready.message.text.text() == "The loss is not finite since step 3: “scan_7” is empty."
    assert "Traceback" in ready.message.details
    assert ready.controls.button.text() == "Start training" and ready.controls.button.isEnabled()
    assert ready.progress.loss.isHidden()


def test_closing_the_window_ends_the_training_cleanly(qtbot, fake, in_window, viewer):
    fake.gate.clear()
    click(qtbot, in_window.controls.button)
    qtbot.waitUntil(fake.entered.is_set)
    worker, folder = in_window.engine._worker, fake.tasks[0].folder
    threading.Timer(0.2, fake.gate.set).start()
    assert worker.close(0.01)  # what the end of the window does; the training is waited for
    assert fake.closed == 1 and (folder / "last" / "state.json").is_file()


def test_the_held_out_pair_is_shown_in_place_and_can_be_switched_off(
    qtbot, in_window, fake, viewer
):
    own = viewer.add_image(np.random.default_rng(0).random((9, 9, 9)), name="mine")
    in_window.recipe.steps.fields["steps"].widget.setValue(4)
    run_to_end(qtbot, in_window)
    qtbot.waitUntil(lambda: len(viewer.layers) == 5)
    names = [layer.name for layer in viewer.layers]
    assert {"fixed: a", "moved: a", "fixed labels", "moved labels"} < set(names)
    assert not own.visible
    before = list(viewer.layers)
    in_window.recipe.steps.fields["steps"].widget.setValue(6)
    run_to_end(qtbot, in_window)
    assert list(viewer.layers) == before
    in_window.progress.preview.setChecked(False)
    assert list(viewer.layers) == [own] and own.visible
    in_window.recipe.steps.fields["steps"].widget.setValue(8)
    run_to_end(qtbot, in_window)
    assert list(viewer.layers) == [own]


def test_a_layer_that_is_taken_away_does_not_end_the_training(qtbot, in_window, fake, viewer):
    fake.gate.clear()
    click(qtbot, in_window.controls.button)
    qtbot.waitUntil(fake.entered.is_set)
    fake.gate.set()
    qtbot.waitUntil(lambda: has_ended(in_window))
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    viewer.layers.clear()
    in_window.recipe.steps.fields["steps"].widget.setValue(9)
    run_to_end(qtbot, in_window)
    assert in_window.message.kind == "done" and len(in_window.runner.history.loss) == 9


def test_the_model_goes_to_the_shelf_with_what_was_said_of_it(qtbot, ready, fake, monkeypatch):
    asked, heard = [], []

    def save(folder, *words):
        asked.append((folder, *words))
        return lambda: words[0]

    monkeypatch.setattr(train_shelving, "save_to_shelf", save)
    shelf_events.changed.connect(heard.append)
    run_to_end(qtbot, ready)
    assert not ready.save.button.isEnabled()
    assert ready.save.button.text() == "Give it a name first"
    ready.save.name.setText("mine")
    ready.save.domain.setText("T1")
    ready.save.licence.setCurrentText("CC0-1.0")
    click(qtbot, ready.save.button)
    qtbot.waitUntil(lambda: heard == ["mine"])
    shelf_events.changed.disconnect(heard.append)
    assert asked == [(fake.tasks[0].folder, "mine", "CC0-1.0", "", "T1")]
    assert "“mine” is on the shelf" in ready.message.text.text()
    qtbot.waitUntil(lambda: ready.recipe.start_from.findText("mine") > 0)
