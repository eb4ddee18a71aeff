"""What the other docks give to a session that is saved, and take from one that was opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.engine.files.session_window import Reviewed, Tuned
    from napari_voxelmorph.engine.result import Registration


class SessionParts(QObject):
    """One per window.

    Attributes
    ----------
    opened : Session or None
        From which the present result came, if it was opened.
    tuning, review : callable
        What a session keeps of the λ strip and of the QA dock; set by them while they are there.
    pins : callable
        The exact results that the λ strip has pinned, by name.
    """

    #: A session was opened; the present result is its result.
    came = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.opened: Session | None = None
        self.tuning: Callable[[], Tuned | None] = _nothing
        self.review: Callable[[], Reviewed | None] = _nothing
        self.pins: Callable[[], dict[str, Registration]] = dict


def session_parts_of(viewer: Any) -> SessionParts:
    """The one of a napari window, made on first use and ended with it."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None:
        return SessionParts()
    found = window.findChild(SessionParts, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return found if found is not None else SessionParts(window)


def _nothing() -> None:
    """Before there is a dock that knows better."""
