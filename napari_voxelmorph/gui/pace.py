"""Show progress often where drawing is cheap, and rarely where it is not.

Without a graphics card one new picture repaints the whole window on the CPU, which the engine
needs for itself.  So drawing is measured, and given a fifth of the time.
"""

from __future__ import annotations

import time

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QWidget

_SHARE = 0.2
_LONGEST_WAIT = 3.0
#: Of napari's turning wheel while something runs, percent.
_WHEEL_SPEED = 10


class Pace:
    """Says when the next picture of an unfinished run is due."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        """Whether to draw now; if so, the time until all is painted is measured."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _LONGEST_WAIT
        # What is drawn now is painted in the next turn of the event loop, or the one after.
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, lambda: self._painted(now)))
        return True

    def _painted(self, began: float) -> None:
        cost = time.monotonic() - began
        self._next = time.monotonic() + min(cost * (1 / _SHARE - 1), _LONGEST_WAIT)


def slow_the_wheel(window: QWidget | None) -> None:
    """Let napari's little turning wheel turn slowly: each of its turns repaints the window."""
    for label in window.findChildren(QLabel) if window is not None else ():
        if label.movie() is not None:
            label.movie().setSpeed(_WHEEL_SPEED)
