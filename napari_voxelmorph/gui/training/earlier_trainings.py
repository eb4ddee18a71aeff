"""The trainings of before in the Train dock: listed, read and shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_voxelmorph.gui.training.training_runs import LoadedRun, Run, list_runs, load_run

if TYPE_CHECKING:
    from napari_voxelmorph.gui.training.train_dock import TrainDock

LANES = ("runs", "load run")


class EarlierTrainings:
    """Asks the engine thread for them, and shows the one that is chosen.

    Parameters
    ----------
    dock : TrainDock
    on_read : callable
        Called when a training was read, or could not be.
    on_error : callable
        Called with a sentence and details.
    """

    def __init__(
        self, dock: TrainDock, on_read: Callable[[], None], on_error: Callable[[str, str], None]
    ) -> None:
        self._dock, self._engine = dock, dock.engine
        self._on_read, self._on_error = on_read, on_error
        #: The one that is shown, and whether one is being read.
        self.loaded: LoadedRun | None = None
        self.reading = False

    def list_all(self) -> None:
        """Look for trainings in the usual place."""
        self._engine.submit(
            list_runs, lane="runs", on_done=self._show_list, on_error=self._on_error
        )

    def _show_list(self, runs: list[Run]) -> None:
        chosen = None if self.loaded is None else self.loaded.run.folder
        self._dock.progress.set_runs(runs, chosen)

    def leave(self) -> None:
        """Show none."""
        self.loaded = None
        self._dock.progress.show_history(None)
        self._dock.progress.state.setText("")

    def read(self, folder: Path) -> None:
        """Read one, and show its recipe, data and curves."""
        self.reading = True
        self._dock.runner.show_readiness()
        self._engine.submit(
            lambda: load_run(folder),
            lane="load run",
            on_done=self._show,
            on_error=self._on_unreadable,
        )

    def _on_unreadable(self, sentence: str, details: str) -> None:
        self.reading, self.loaded = False, None
        self.list_all()
        self._on_read()
        self._on_error(sentence, details)

    def _show(self, loaded: LoadedRun) -> None:
        self.reading, self.loaded = False, loaded
        dock = self._dock
        dock.recipe.show_config(loaded.config)
        if loaded.choice is not None:
            dock.data.show_choice(loaded.choice)
        dock.progress.show_history(loaded.history)
        dock.progress.state.setText(loaded.words)
        self.list_all()
        self._on_read()
