"""Between the Register dock and the engine thread: run, cancel, undo, save."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background.announcement import Announcement
from napari_voxelmorph.gui.background.engine_thread import Busy
from napari_voxelmorph.gui.background.engine_worker import Job
from napari_voxelmorph.gui.background.pace import Pace, canvas_of, unpainted
from napari_voxelmorph.gui.background.preloading import is_loaded
from napari_voxelmorph.gui.background.turns import Pieces, Turns
from napari_voxelmorph.gui.files.file_jobs import save_as
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.register.chosen_pair import as_placed, chosen_pair
from napari_voxelmorph.gui.register.history import History
from napari_voxelmorph.gui.register.jobs import Outcome, Pair, RegistrationJobs
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.register.reopening import choose_inputs, reopen, session_now
from napari_voxelmorph.gui.views.closer_look import CloserLook
from napari_voxelmorph.gui.views.shown_pair import ShownPair, same_images

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

#: Loaded with the engine, and needed for the first picture of a pair.
_DRAWS = "napari_voxelmorph.engine.result"
_LOOK_AGAIN = 50  # ms
_LANES = ("run", "check", "measure", "open", "save", "warm-up")


class Runner:
    """What the buttons of the dock do.  Asks and shows; the engine thread computes."""

    def __init__(self, dock: RegisterDock) -> None:
        self._dock = dock
        self._engine = dock.engine
        self._jobs = RegistrationJobs()
        self.history = History()
        self._announcement: Announcement | None = None
        self._stop = threading.Event()
        self._pace = Pace()
        self._shown = ShownPair(dock.pair_view)
        self._turns = Turns(dock, self._show_error)
        self._closer_look = CloserLook(dock, self._jobs, self.history, self._show_present)
        self.present = present_of(dock.viewer)
        self.present.set(view=dock.pair_view)
        self.present.tuned.connect(self.take_over)
        self.warm_up, self.check = self._closer_look.warm_up, self._closer_look.check
        self.measure = self._closer_look.measure

    # The run ----------------------------------------------------------------------------

    def register(self) -> None:
        """Start a run, unless one is on."""
        dock = self._dock
        dock.message.clear()
        try:
            pair, config = chosen_pair(self._dock.inputs), dock.method.config()
            start = dock.method.start_matrix(as_placed(self._dock.inputs))
            stop = threading.Event()
            self._engine.submit(
                lambda: self._jobs.register(pair, config, start, stop.is_set),
                lane="run",
                on_step=self._on_step,
                on_done=self._on_done,
                on_error=self._on_run_error,
                on_cancelled=self._on_cancelled,
                on_start=lambda job: self._begin(job, pair, start, stop),
            )
        except Busy:
            return
        except Exception as error:
            self._show_error(*sentence_and_details(error))

    def _begin(self, job: Job, pair: Pair, start: Matrix | None, stop: threading.Event) -> None:
        self._stop = stop
        self._turns.finish()
        # Whoever shows something of the last result puts it back before that is remembered.
        self.present.set(running=True)
        self._shown.save()
        self._dock.controls.set_running(True)
        if self._engine.works_on("warm-up"):
            self._dock.controls.show_step("Loading the engine, once per window…", 0.0, None)
        self._pace = Pace()
        self._announcement = Announcement(self._dock.viewer, self.cancel, job.cancel)
        self._turns.add(self._beginning(self._announcement, pair, start))

    def _beginning(self, announcement: Announcement, pair: Pair, start: Matrix | None) -> Pieces:
        yield from self._until_loaded()
        with unpainted(canvas_of(self._dock.viewer)):
            yield from self._shown.beginning(pair, start)
        yield None
        announcement.show_activity(self._engine.parent())

    def _until_loaded(self) -> Pieces:
        """The first picture needs the engine's libraries: wait while they are being loaded."""
        while self._engine.works_on("warm-up") and not is_loaded(_DRAWS):
            yield _LOOK_AGAIN

    def stop(self) -> None:
        """End after the present step with the best deformation so far."""
        self._stop.set()

    @property
    def drawing(self) -> bool:
        """Whether a pair is being drawn, piece by piece."""
        return self._turns.waiting

    def cancel(self) -> None:
        """Stop after the present step; all goes back to how it was before the run."""
        self._dock.controls.show_cancelling()
        self._engine.cancel("run")

    def _on_step(self, step: Any, partial: Any) -> None:
        announcement = self._announcement
        if self._turns.waiting or announcement is None:
            return
        if not self._pace.due(lambda: announcement.show_fraction(step.fraction)):
            return
        self._dock.controls.show_step(step.phase, step.fraction, step.seconds_left)
        if partial is not None:
            self._draw(lambda: self._shown.show_partial(partial))

    def _on_done(self, outcome: Outcome) -> None:
        if outcome.unrefined is not None:
            # Undo goes back to the network's own result.
            self.history.add(outcome.unrefined)
        self.history.add(outcome)
        self._end(lambda: self._show_present(outcome.pair))
        self._dock.show_result()

    def _on_run_error(self, sentence: str, details: str) -> None:
        self._on_cancelled()
        self._show_error(sentence, details)

    def _on_cancelled(self) -> None:
        self._end(lambda: self._draw(self._shown.restore))

    def _end(self, draw: Callable[[], None]) -> None:
        announcement, self._announcement = self._announcement, None
        self._turns.finish()
        if announcement is not None:
            announcement.end()
        self._dock.controls.set_running(False)
        draw()
        self.present.set(running=False, outcome=self.history.present)
        if announcement is not None:
            announcement.let_go()

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
            self._turns.add(self._together(pair, start))

    def _together(self, pair: Pair, start: Matrix | None) -> Pieces:
        yield from self._until_loaded()
        with unpainted(canvas_of(self._dock.viewer)):
            yield from self._shown.showing(pair, None, start)

    def masks(self) -> tuple[Volume | None, Volume | None]:
        """(moving, fixed) of the present result."""
        outcome = self.history.present
        return (
            (None, None) if outcome is None else (outcome.pair.moving_mask, outcome.pair.fixed_mask)
        )

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
        self._turns.finish()
        outcome, history = self.history.present, self.history
        self._dock.result.show_outcome(outcome, history.can_undo(), history.can_redo())
        affine = None if outcome is None else outcome.registration.affine
        self._dock.method.start.set_result(affine)
        shown = pair if outcome is None else outcome.pair
        self._draw(lambda: self._shown.show(shown, outcome))
        self.present.set(outcome=outcome)

    def take_over(self, outcome: Outcome) -> None:
        """Make a result with another λ the present one, unless that has changed meanwhile."""
        present = self.history.present
        if present is None or self._engine.busy or not same_images(present.pair, outcome.pair):
            return
        self.history.add_tuned(outcome)
        self._show_present(outcome.pair)

    def adopt(self, session: Session) -> None:
        """Take over a session whose layers have just come."""
        if not self._engine.busy:
            reopen(self._dock, session, choose_inputs(self._dock, session))
            self._dock.show_result()

    def take_up(self, outcome: Outcome) -> None:
        """Show a result that was made elsewhere as the present one; not while one is made here."""
        if not self._engine.busy:
            self.history.add(outcome)
            self._show_present(outcome.pair)

    def save(self, kind: str, path: str) -> None:
        """Write the present result in the engine thread."""
        outcome = self.history.present
        if outcome is None:
            return
        what = session_now(self._dock, outcome) if kind == "session" else outcome.registration
        self._engine.submit(
            save_as(kind, what, path),
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
        self._turns.drop()
        if self._announcement is not None:
            self._announcement.let_go()
        with suppress(RuntimeError):  # the window, and with it the others, is gone
            self.present.tuned.disconnect(self.take_over)
            self.present.set(view=None, outcome=None, running=False)
