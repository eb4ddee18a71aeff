"""Between the Register dock and the engine thread: check, run, cancel, undo, save."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.chosen_pair import as_placed, chosen_pair
from napari_voxelmorph.gui.closing_task import ClosingTask
from napari_voxelmorph.gui.engine_thread import Busy
from napari_voxelmorph.gui.engine_worker import Job
from napari_voxelmorph.gui.file_jobs import save_as
from napari_voxelmorph.gui.history import History
from napari_voxelmorph.gui.jobs import Check, Outcome, Pair, RegistrationJobs, measured
from napari_voxelmorph.gui.pace import Pace, slow_the_wheel
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.run_controls import Activity
from napari_voxelmorph.gui.sessions import layer_of
from napari_voxelmorph.gui.shown_pair import ShownPair, same_images, same_pair

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Matrix
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.gui.register_dock import RegisterDock

_LANES = ("run", "check", "measure", "open", "save", "warm-up")


class Runner:
    """What the buttons of the dock do.  Asks and shows; the engine thread computes."""

    def __init__(self, dock: RegisterDock) -> None:
        self._dock = dock
        self._engine = dock.engine
        self._jobs = RegistrationJobs()
        self.history = History()
        self._activity: Activity | None = None
        self._task: ClosingTask | None = None
        self._pace = Pace()
        self._shown = ShownPair(dock.pair_view)

    # Before a run -----------------------------------------------------------------------

    def warm_up(self) -> None:
        """Load the libraries while the user still looks for the scans."""
        self._engine.submit(
            self._jobs.warm_up,
            lane="warm-up",
            gives_way=True,
            on_done=self._dock.method.set_devices,
            on_error=self._show_error,
        )

    def check(self) -> None:
        """Look closer at the pair: warnings, memory, time, start matrix."""
        moving, fixed = (self._dock.inputs.layer(role) for role in ("moving", "fixed"))
        if moving is None or fixed is None or moving is fixed or moving.ndim != fixed.ndim:
            self._show_check(Check())
            return
        try:
            pair = chosen_pair(self._dock.inputs)
            config = self._dock.method.config()
            self._dock.method.show_start(pair, as_placed(self._dock.inputs))
            self._dock.method.start_matrix(None)
        except VoxelMorphError as error:
            self._show_check(Check(problem=str(error)))
            return
        self._engine.submit(
            lambda: self._jobs.check(pair, config),
            lane="check",
            on_done=self._show_check,
            on_error=self._show_error,
        )
        self._measure_again(pair)

    def _measure_again(self, pair: Pair) -> None:
        """Judge the present result by segmentations or landmarks that were chosen later."""
        outcome = self.history.present
        if outcome is None or self._engine.busy or not same_images(pair, outcome.pair):
            return
        if not same_pair(pair, outcome.pair):
            self._engine.submit(
                lambda: measured(outcome.registration, pair, outcome.start),
                lane="measure",
                on_done=self._on_measured,
                on_error=self._show_error,
            )

    def _on_measured(self, outcome: Outcome) -> None:
        if not self._engine.busy and self.history.replace(outcome):
            self._show_present(outcome.pair)

    def _show_check(self, check: Check) -> None:
        message = self._dock.inputs.message
        if check.problem:
            message.show_text("error", check.problem)
        elif check.warnings:
            message.show_text("warning", _listed(check.warnings))
        else:
            message.clear()
        self._dock.method.show_needs(check.device, check.needs)
        self._dock.show_readiness()

    # The run ----------------------------------------------------------------------------

    def register(self) -> None:
        """Start a run, unless one is on."""
        dock = self._dock
        dock.message.clear()
        try:
            pair, config = chosen_pair(self._dock.inputs), dock.method.config()
            start = dock.method.start_matrix(as_placed(self._dock.inputs))
            self._engine.submit(
                lambda: self._jobs.register(pair, config, start),
                lane="run",
                on_step=self._on_step,
                on_done=self._on_done,
                on_error=self._on_run_error,
                on_cancelled=self._on_cancelled,
                on_start=lambda job: self._begin(job, pair, start),
            )
        except Busy:
            return
        except Exception as error:
            self._show_error(*sentence_and_details(error))

    def _begin(self, job: Job, pair: Pair, start: Matrix | None) -> None:
        self._shown.save()
        self._dock.controls.set_running(True)
        if self._engine.works_on("warm-up"):
            self._dock.controls.show_step("Loading the engine, once per window…", 0.0, None)
        self._pace = Pace()
        self._activity = Activity(self.cancel)
        slow_the_wheel(self._engine.parent())
        self._task = ClosingTask(self._dock.viewer, job.cancel)
        self._draw(lambda: self._shown.begin(pair, start))

    def cancel(self) -> None:
        """Stop after the present step; all goes back to how it was before the run."""
        self._dock.controls.show_cancelling()
        self._engine.cancel("run")

    def _on_step(self, step: Any, partial: Any) -> None:
        if not self._pace.due(lambda: self._show_activity(step.fraction)):
            return
        self._dock.controls.show_step(step.phase, step.fraction, step.seconds_left)
        if partial is not None:
            self._draw(lambda: self._shown.show_partial(partial))

    def _show_activity(self, fraction: float) -> None:
        if self._activity is not None:
            self._activity.show_fraction(fraction)

    def _on_done(self, outcome: Outcome) -> None:
        self._end()
        self.history.add(outcome)
        self._show_present(outcome.pair)
        self._dock.show_result()

    def _on_run_error(self, sentence: str, details: str) -> None:
        self._end()
        self._draw(self._shown.restore)
        self._show_error(sentence, details)

    def _on_cancelled(self) -> None:
        self._end()
        self._draw(self._shown.restore)

    def _end(self) -> None:
        if self._activity is not None:
            self._activity.close()
        if self._task is not None:
            self._task.end()
        self._activity = self._task = None
        self._dock.controls.set_running(False)

    # Results ----------------------------------------------------------------------------

    def show_together(self) -> None:
        """Show the chosen pair as it lies before a run."""
        try:
            pair = chosen_pair(self._dock.inputs)
            start = self._dock.method.start_matrix(as_placed(self._dock.inputs))
        except VoxelMorphError as error:
            self._show_error(*sentence_and_details(error))
            return
        if not self._engine.busy:
            self._draw(lambda: self._shown.show(pair, None, start))

    def undo(self) -> None:
        """Back to the result before this one, or to none."""
        undone = self.history.present
        if undone is not None and not self._engine.busy:
            self.history.undo()
            self._show_present(undone.pair)

    def redo(self) -> None:
        """Forward again."""
        if not self._engine.busy:
            outcome = self.history.redo()
            self._show_present(None if outcome is None else outcome.pair)

    def _show_present(self, pair: Pair | None) -> None:
        outcome, history = self.history.present, self.history
        self._dock.result.show_outcome(outcome, history.can_undo(), history.can_redo())
        affine = None if outcome is None else outcome.registration.affine
        self._dock.method.start.set_result(affine)
        shown = pair if outcome is None else outcome.pair
        self._draw(lambda: self._shown.show(shown, outcome))

    def adopt(self, registration: Registration) -> None:
        """Take over a saved result whose images have just been opened."""
        if self._engine.busy:
            return
        for role in ("moving", "fixed"):
            self._dock.inputs.choose(role, layer_of(registration, role, self._dock.viewer.layers))
        start = np.eye(registration.ndim + 1)
        outcome = Outcome(registration, Pair(registration.moving, registration.fixed), start)
        self.history.add(outcome)
        self._show_present(outcome.pair)
        self._dock.show_result()

    def save(self, kind: str, path: str) -> None:
        """Write the present result in the engine thread."""
        if self.history.present is None:
            return
        self._engine.submit(
            save_as(kind, self.history.present.registration, path),
            lane="save",
            on_done=lambda where: self._dock.message.show_text("done", f"Saved in {where}"),
            on_error=self._show_error,
        )

    # Helpers ----------------------------------------------------------------------------

    def _draw(self, draw: Callable[[], None]) -> None:
        """Draw; a drawing that fails (a layer was taken away) must not end the run."""
        try:
            draw()
        except Exception as error:
            self._show_error(*sentence_and_details(error))

    def _show_error(self, sentence: str, details: str) -> None:
        self._dock.message.show_text("error", sentence, details)

    def leave(self) -> None:
        """The dock is gone: stop everything it asked for, and answer nothing any more."""
        self._engine.forget(*_LANES)
        if self._activity is not None:
            self._activity.close()
        if self._task is not None:
            self._task.end()


def _listed(sentences: list[str]) -> str:
    return sentences[0] if len(sentences) == 1 else "\n".join(f"• {text}" for text in sentences)
