"""Python's garbage collector, kept in the main thread while the engine thread works.

The collector runs in whatever thread happens to make the next object.  In the engine thread it
would also find widgets that are no longer used, and destroy them there, which crashes Qt.  So
it is switched off while there are jobs, and a timer of the main thread does its work.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

_EVERY_MS = 250
#: Seconds between two collections of everything, which can take a third of a second.
_FULL_AFTER = 30.0


class Collector:
    """Main thread only.

    Parameters
    ----------
    needed : callable
        Whether another thread may make objects now.
    """

    def __init__(self, needed: Callable[[], bool]) -> None:
        self._needed = needed
        self._off = False
        self._timer: QTimer | None = None
        self._last_full = 0.0

    def begin(self) -> None:
        """Take over, unless nobody collects automatically anyway."""
        if self._off or not gc.isenabled() or QApplication.instance() is None:
            return
        gc.disable()
        self._off, self._last_full = True, time.monotonic()
        self._timer = QTimer(QApplication.instance())
        self._timer.timeout.connect(self._on_turn)
        self._timer.start(_EVERY_MS)

    def check(self) -> None:
        """Give back what was taken over, once it is no longer needed."""
        if not self._off or self._needed():
            return
        self._off = False
        gc.collect(0)  # so that the next automatic one is not due at once
        gc.enable()
        timer, self._timer = self._timer, None
        with suppress(RuntimeError):  # gone with the application
            if timer is not None:
                timer.stop()
                timer.deleteLater()

    def _on_turn(self) -> None:
        counts, limits = gc.get_count(), gc.get_threshold()
        now = time.monotonic()
        if counts[2] > limits[2] and now - self._last_full > _FULL_AFTER:
            self._last_full = now
            gc.collect()
        elif counts[0] > limits[0]:
            gc.collect(1)
        self.check()
