"""A Qt timer where there is Qt; without it (tests on a bare model) nothing ticks by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication


class Ticker:
    """Calls `callback` after (or, when `repeat`, every) `interval` milliseconds.

    It dies with the viewer's window.  Without an application a single shot is called at
    once, and a repeating one never.
    """

    def __init__(
        self, viewer: ViewerModel, callback: Callable[[], Any], interval: int, repeat: bool = False
    ) -> None:
        self._viewer, self._callback = viewer, callback
        self._interval, self._repeat = interval, repeat
        self._timer: QTimer | None = None

    @property
    def interval(self) -> int:
        """Milliseconds."""
        return self._interval

    @interval.setter
    def interval(self, value: int) -> None:
        self._interval = value
        if self._timer is not None:
            self._timer.setInterval(value)

    def start(self) -> None:
        """Start, or start over."""
        if QApplication.instance() is None:
            if not self._repeat:
                self._callback()
            return
        if self._timer is None:
            window = getattr(self._viewer, "window", None)
            self._timer = QTimer(getattr(window, "_qt_window", None))
            self._timer.setSingleShot(not self._repeat)
            self._timer.setInterval(self._interval)
            self._timer.timeout.connect(self._callback)
        self._timer.start()

    def stop(self) -> None:
        """Stop; also when the window has taken the timer with it."""
        try:
            if self._timer is not None:
                self._timer.stop()
        except RuntimeError:  # the C++ object is gone
            self._timer = None
