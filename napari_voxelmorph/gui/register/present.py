"""The result that a window shows now, for every dock that follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.curves import LambdaCurves
    from napari_voxelmorph.gui.register.jobs import Outcome
    from napari_voxelmorph.gui.register.landmark_use import PlacedPoints
    from napari_voxelmorph.gui.views.views import PairView


class Present(QObject):
    """One per window; the Register dock fills it, other docks read it.

    Attributes
    ----------
    outcome : Outcome or None
    view : PairView or None
        None while there is no Register dock.
    running : bool
        Whether a registration is under way.
    landmarks : PlacedPoints or None
        Pairs that the Landmarks dock gives to the registration.
    landmarks_used : bool
        Whether the next registration lets points pull.
    lambda_curves : callable or None
        The λ strip, where it is open: what it knows of other λ of the present result.
    """

    #: Any of the attributes changed.
    changed = Signal()
    #: Another dock made a better Outcome of the present one: the Register dock takes it over.
    tuned = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.outcome: Outcome | None = None
        self.view: PairView | None = None
        self.running = False
        self.landmarks: PlacedPoints | None = None
        self.landmarks_used = False
        self.lambda_curves: Callable[[], LambdaCurves | None] | None = None

    def set(self, **parts: Any) -> None:
        """Change attributes, and tell."""
        for name, value in parts.items():
            setattr(self, name, value)
        self.changed.emit()


def present_of(viewer: Any) -> Present:
    """The one of a napari window, made on first use and ended with it."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None:
        return Present()
    found = window.findChild(Present, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return found if found is not None else Present(window)
