"""Paint often where that is cheap, and rarely where it is not.

Without a graphics card one new picture repaints the whole window on the CPU, which the engine
needs for itself.  So drawing is measured, and given a fifth of the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QLabel, QStatusBar, QWidget

_SHARE = 0.2
_LONGEST_WAIT = 3.0
#: Of napari's turning wheel while something runs, percent.
_WHEEL_SPEED = 10


class Pace:
    """Says when the next picture of an unfinished run is due."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self, afterwards: Callable[[], None]) -> bool:
        """Whether to draw now; if so, the time until all is painted is measured.

        `afterwards` is called when it is, for what need not be in the same picture.
        """
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _LONGEST_WAIT
        # What is drawn now is painted in the next turn of the event loop, or the one after.
        painted = partial(self._painted, now, afterwards)
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, painted))
        return True

    def _painted(self, began: float, afterwards: Callable[[], None]) -> None:
        cost = time.monotonic() - began
        self._next = time.monotonic() + min(cost * (1 / _SHARE - 1), _LONGEST_WAIT)
        afterwards()


@contextmanager
def unpainted(window: QWidget | None) -> Iterator[None]:
    """Paint a widget once at the end, however often somebody asks in between."""
    if window is None:
        yield
        return
    window.setUpdatesEnabled(False)
    try:
        yield
    finally:
        with suppress(RuntimeError):  # the window has been closed meanwhile
            window.setUpdatesEnabled(True)


def canvas_of(viewer: Any) -> Any:
    """The widget on which a napari window draws its layers."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    return None if window is None else window.findChild(QOpenGLWidget)


def draw_unseen(viewer: Any) -> None:
    """Draw the canvas where nobody sees it; nothing without a window or OpenGL."""
    canvas = canvas_of(viewer)
    if canvas is not None and canvas.isVisible() and canvas.isValid():
        canvas.grabFramebuffer()


def slow_the_wheel(window: QWidget | None) -> None:
    """Let napari's little turning wheel turn slowly: each of its turns repaints the window."""
    bar = window.findChild(QStatusBar) if window is not None else None
    for label in bar.findChildren(QLabel) if bar is not None else ():
        if label.movie() is not None:
            label.movie().setSpeed(_WHEEL_SPEED)
