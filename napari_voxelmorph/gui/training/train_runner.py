"""Between the Train dock and the engine thread: look, train, stop, resume, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background.closing_task import ClosingTask
from napari_voxelmorph.gui.background.engine_thread import Busy
from napari_voxelmorph.gui.background.engine_worker import Job
from napari_voxelmorph.gui.background.garbage import Hold
from napari_voxelmorph.gui.background.pace import Pace
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.register.readiness import Readiness
from napari_voxelmorph.gui.training.earlier_trainings import LANES as EARLIER_LANES
from napari_voxelmorph.gui.training.earlier_trainings import EarlierTrainings
from napari_voxelmorph.gui.training.train_look import LANES, DataLook
from napari_voxelmorph.gui.training.train_preview import TrainPreview
from napari_voxelmorph.gui.training.train_shelving import SAVE_LANE, Shelving
from napari_voxelmorph.gui.training.train_words import (
    best_in_words,
    phase_in_words,
    readiness,
    time_left,
)
from napari_voxelmorph.gui.training.training_history import TrainingHistory
from napari_voxelmorph.gui.training.training_jobs import Progress, Task, TrainingJobs
from napari_voxelmorph.gui.training.training_runs import LoadedRun, new_run_folder, short_path

if TYPE_CHECKING:
    from napari_voxelmorph.gui.training.train_dock import TrainDock
    from napari_voxelmorph.gui.training.training_preview import Picture

_LANES = (*LANES, *EARLIER_LANES, SAVE_LANE, "train", "shelf", "begin training")
#: A window that closes waits this long (s) for the step under way and the last checkpoint.
_PATIENCE = 60.0


class TrainRunner:
    """What the buttons of the dock do.  Asks and shows; the engine thread computes."""

    def __init__(self, dock: TrainDock) -> None:
        self._dock = dock
        self._engine = dock.engine
        self._preview = TrainPreview(dock.viewer, dock, self._show_error)
        self._jobs = TrainingJobs(self._preview.wanted)
        self.data = DataLook(
            self._engine, self._jobs, dock.data, dock.recipe, lambda: self.show_readiness()
        )
        self.earlier = EarlierTrainings(dock, self._on_read, self._show_error)
        self.history: TrainingHistory | None = None
        self.shelving = Shelving(self._engine, dock.save, dock.message)
        self._pace = Pace()
        self._picture: Picture | None = None
        self._task: ClosingTask | None = None
        self._hold: Hold | None = None
        self._folder: Path | None = None
        self._noted = 0

    @property
    def running(self) -> bool:
        """Whether a training runs in this window."""
        return self._engine.works_on("train")

    @property
    def loaded(self) -> LoadedRun | None:
        """The earlier training that is shown, if any."""
        return self.earlier.loaded

    # Before a training ------------------------------------------------------------------

    def begin(self) -> None:
        """Ask for devices, models and earlier runs while the user still looks for the scans."""
        self.switch_preview(self._dock.progress.preview.isChecked())
        self._ask("begin training", self._jobs.begin, self._on_begun)
        self.earlier.list_all()

    def _on_begun(self, found: Any) -> None:
        devices, models = found
        self._dock.recipe.set_devices(devices)
        self._dock.recipe.set_models(models)

    def refresh_models(self, name: str = "") -> None:
        """The shelf has changed."""
        self._ask("shelf", self._jobs.models, self._dock.recipe.set_models)

    def show_readiness(self) -> None:
        """Update the text of the button, and what can be changed now."""
        dock, loaded = self._dock, self.loaded
        try:
            config = dock.recipe.config()
        except VoxelMorphError as error:
            dock.controls.set_ready(str(error), False)
            return
        data, ready = self.data, Readiness("Reading the training…", False)
        if not self.earlier.reading:
            ready = readiness(dock.data.missing, data.looking, data.found, loaded, config)
        dock.controls.set_ready(ready.text, ready.enabled, loaded is not None)
        dock.data.set_fixed(self.running or (loaded is not None and loaded.choice is not None))
        # What is typed while a training is read would be overwritten by what is read.
        dock.recipe.set_fixed(self.running or self.earlier.reading, loaded is not None)
        dock.progress.set_running(self.running)
        self.shelving.show(self._shown_folder(), self.history, self.running)

    def choose_run(self, folder: Path | None) -> None:
        """Show an earlier training, or make ready for a new one."""
        self._dock.message.clear()
        if folder is not None:
            self.earlier.read(folder)
            return
        self.history = None
        self.earlier.leave()
        self._preview.clear()
        self.show_readiness()
        self.data.measure()

    def _on_read(self) -> None:
        """An earlier training was read, or could not be."""
        if self.loaded is not None:
            self.history = self.loaded.history
            self.data.look()
        self.show_readiness()

    # The training -----------------------------------------------------------------------

    def start(self, resume: bool) -> None:
        """Start a training, or go on with the one that is shown."""
        dock = self._dock
        dock.message.clear()
        try:
            choice, config = dock.data.choice(), dock.recipe.config()
            if resume and self.loaded is not None:
                folder, history = self.loaded.run.folder, self.loaded.history
            else:
                folder, history = new_run_folder(choice), TrainingHistory()
            task = Task(choice, config, folder, resume)
            self._engine.forget("measure step")
            self._engine.submit(
                lambda: self._jobs.train(task, history),
                lane="train",
                gives_way=2,
                patience=_PATIENCE,
                on_start=lambda job: self._begin(job, task, history),
                on_step=self._on_step,
                on_done=self._on_done,
                on_error=self._on_error,
                on_cancelled=self._on_stopped,
            )
        except (Busy, VoxelMorphError) as error:
            dock.message.show_text("error", str(error))

    def _begin(self, job: Job, task: Task, history: TrainingHistory) -> None:
        self._folder, self.history = task.folder, history
        self._picture, self._pace, self._noted = None, Pace(), 0
        self._task = ClosingTask(
            self._dock.viewer, job.cancel, "a training is running; it can be resumed later"
        )
        self._hold = Hold()
        dock = self._dock
        dock.controls.set_running(True)
        dock.progress.show_history(history)
        dock.progress.state.setText(f"Kept in {short_path(task.folder)}")
        dock.recipe.show_needs("")
        self.show_readiness()
        dock.show_progress()

    def stop(self) -> None:
        """Stop after the present step; the run can be resumed."""
        self._dock.controls.show_stopping()
        self._engine.cancel("train")

    def switch_preview(self, on: bool) -> None:
        """Show the held-out pair, or take it away."""
        self._picture = self._picture if on else None
        self._preview.switch(on)

    def _on_step(self, progress: Progress, picture: Picture | None) -> None:
        self._picture = picture or self._picture
        if not self._pace.due(lambda: None):
            return
        dock, step = self._dock, progress.step
        left = time_left(progress.seconds_left)
        dock.controls.show_step(phase_in_words(progress), progress.fraction, left)
        dock.progress.refresh()
        if step is not None and step.validation is not None:
            self.shelving.show(self._folder, self.history, True)
        if step is not None and len(step.notes) > self._noted:
            self._noted = len(step.notes)
            dock.message.show_text("warning", step.notes[-1])
        if self._picture is not None and self._preview.wanted.is_set():
            picture, self._picture = self._picture, None
            self._draw(picture)

    def _draw(self, picture: Picture) -> None:
        """A drawing that fails (a layer was taken away) must not end the training."""
        try:
            self._preview.show(picture)
        except Exception as error:
            self._show_error(*sentence_and_details(error))

    def _on_done(self, model: Any) -> None:
        self._end()
        best = best_in_words(self.history)
        words = f"The training is finished{f': {best}' if best else ''}. Save the model below."
        self._dock.message.show_text("done", words)
        self._dock.save.set_open(True)

    def _on_stopped(self) -> None:
        self._end()

    def _on_error(self, sentence: str, details: str) -> None:
        self._end()
        self._show_error(sentence, details)

    def _end(self) -> None:
        self._let_go()
        self._dock.controls.set_running(False)
        self._preview.settle()
        self._dock.progress.refresh()
        folder = self._folder
        self.show_readiness()
        if folder is not None and (folder / "training.json").is_file():
            self.earlier.read(folder)
        elif self.loaded is None:  # stopped before the first step
            self._dock.progress.show_history(None)
            self._dock.progress.state.setText("")

    # Helpers ----------------------------------------------------------------------------

    def save(self) -> None:
        """Put the best weights of the run that is shown onto the shelf."""
        self.shelving.save(self._shown_folder())

    def _shown_folder(self) -> Path | None:
        if self.running:
            return self._folder
        return None if self.loaded is None else self.loaded.run.folder

    def _ask(self, lane: str, work: Any, on_done: Any) -> None:
        self._engine.submit(work, lane=lane, on_done=on_done, on_error=self._show_error)

    def _show_error(self, sentence: str, details: str) -> None:
        self._dock.message.show_text("error", sentence, details)

    def leave(self) -> None:
        """The dock is gone: stop everything it asked for, and answer nothing any more."""
        self._engine.forget(*_LANES)
        self._preview.leave()
        self._let_go()

    def _let_go(self) -> None:
        if self._task is not None:
            self._task.end()
        if self._hold is not None:
            self._hold.release()
        self._task = self._hold = None
