"""What tells napari and its user that a registration runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_voxelmorph.gui.background.closing_task import ClosingTask
from napari_voxelmorph.gui.background.garbage import Hold
from napari_voxelmorph.gui.background.pace import slow_the_wheel, unpainted
from napari_voxelmorph.gui.register.run_controls import Activity


class Announcement:
    """From a run's begin to its `end`: asks before closing, a bar in the activity dock.

    Parameters
    ----------
    viewer : napari.Viewer
    cancel : callable
        For the Cancel of the activity dock.
    stop : callable
        For a window that closes.
    """

    def __init__(self, viewer: Any, cancel: Callable[[], None], stop: Callable[[], None]) -> None:
        self._cancel = cancel
        self._task = ClosingTask(viewer, stop)
        self._garbage = Hold()
        self._activity: Activity | None = None
        self._over = False

    def show_activity(self, window: Any) -> None:
        """Add the bar; napari paints and handles waiting events, so the run may end in here."""
        if self._over:
            return
        slow_the_wheel(window)
        with unpainted(window):
            activity = Activity(self._cancel)
        if self._over:
            activity.close()
        else:
            self._activity = activity

    def show_fraction(self, fraction: float) -> None:
        """Move the bar."""
        if self._activity is not None:
            self._activity.show_fraction(fraction)

    def end(self) -> None:
        """The run is over; what it drew may still be taken back before `let_go`."""
        self._over = True
        if self._activity is not None:
            self._activity.close()
        self._activity = None
        self._task.end()

    def let_go(self) -> None:
        """All is drawn."""
        self.end()
        self._garbage.release()
