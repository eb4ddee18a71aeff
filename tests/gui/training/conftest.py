"""A Train dock whose engine can be held in the middle of a training, and a user who clicks."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.training.events import TrainingStep, Validation
from napari_voxelmorph.gui.training import train_runner
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
        self.looked, self.notes = [], ()
        image = Volume(np.random.default_rng(0).random((9, 9, 9), np.float32), name="a")
        labels = Volume((image.data > 0.5).astype(np.int16), kind="labels", name="a labels")
        self.pair = PreviewPair(image, image, labels, labels)

    def begin(self):
        return ["cpu"], [ModelName("brain", "brain", "A model.")]

    def models(self):
        return [ModelName("brain", "brain", "A model."), ModelName("mine", "mine", "Mine.")]

    def look(self, choice, model):
        self.looked.append(model)
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
                step, done = replace(step, notes=self.notes), n
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
def in_window(fake, viewer, user):
    """A dock in a napari window, with data chosen and found."""
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train", area="right")
    yield user.choose_data(dock)
    fake.gate.set()
    assert dock.engine.close(60)


@pytest.fixture
def ready(dock, user):
    """A dock with data chosen and found."""
    return user.choose_data(dock)


class User:
    """What somebody does in the dock."""

    def __init__(self, qtbot, folder):
        self.bot, self.folder = qtbot, folder

    def choose_data(self, dock):
        """Choose a folder; six steps are enough."""
        dock.data.choose_path(str(self.folder))
        self.bot.waitUntil(lambda: dock.controls.button.isEnabled())
        dock.recipe.steps.fields["steps"].widget.setValue(6)
        return dock

    def click(self, button):
        self.bot.mouseClick(button, Qt.MouseButton.LeftButton)

    def run_to_end(self, dock):
        self.bot.waitUntil(lambda: dock.controls.button.isEnabled())
        self.click(dock.controls.button)
        self.bot.waitUntil(lambda: self.has_ended(dock), timeout=10000)

    def has_ended(self, dock):
        """Nothing runs, and what the run left has been read."""
        said = dock.controls.button.text()
        return dock.runner.loaded is not None and not said.startswith(("Stop", "Reading"))

    def stop_after_the_first_step(self, dock, fake):
        fake.gate.clear()
        self.click(dock.controls.button)
        self.bot.waitUntil(fake.entered.is_set)
        self.click(dock.controls.button)
        said = dock.controls.button.text()
        assert said == "Stopping…" and not dock.controls.button.isEnabled()
        fake.gate.set()
        self.bot.waitUntil(lambda: self.has_ended(dock) and dock.controls.button.isEnabled())


@pytest.fixture
def user(qtbot, tmp_path):
    return User(qtbot, tmp_path)
