"""Tell napari that a job runs, so that closing the window asks first and cancels it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ClosingTask:
    """An entry in the task list of a napari window (napari 0.6.5 and later; else nothing).

    napari offers the list only through its own thread workers; without it the engine thread
    still ends with the window, only nobody asks before.
    """

    def __init__(
        self,
        viewer: Any,
        cancel: Callable[[], None],
        what: str = "a registration is running",
    ) -> None:
        self._window = getattr(viewer, "window", None)
        self._id: Any = None
        enter = getattr(self._window, "_register_task_status", None)
        if enter is None:
            return
        from napari.utils.task_status import Status

        self._id = enter("VoxelMorph", Status.BUSY, what, cancel)

    def end(self) -> None:
        """Strike the entry out."""
        update = getattr(self._window, "_update_task_status", None)
        if self._id is None or update is None:
            return
        from napari.utils.task_status import Status

        update(self._id, Status.COMPLETED)
        self._id = None
