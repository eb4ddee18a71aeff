"""The Register button, which also says what is missing and cancels, and the progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_voxelmorph.gui.register.readiness import CANCEL, CANCELLING, Readiness

_ACTIVITY_SECONDS = 0.5
_STOP = "Stop and keep"
#: Phases of the optimiser; the others have nothing to keep yet.
_CAN_STOP = ("Deforming", "Refining")


class RunControls(QWidget):
    """One button and one bar.  Emits `register_asked`, `cancel_asked` and `stop_asked`."""

    register_asked = Signal()
    cancel_asked = Signal()
    stop_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._ready = Readiness("Choose two images", False)
        self._running = False
        self.button = QPushButton()
        self.button.setObjectName("voxelmorph-register")
        self.button.setMinimumHeight(34)
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._on_clicked)
        self.stop = QPushButton(_STOP)
        self.stop.setMinimumHeight(34)
        self.stop.setToolTip("End the optimisation here, with the best deformation so far")
        self.stop.clicked.connect(self._on_stop)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.stop)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(True)
        self.phase = QElidingLabel()
        self.phase.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        column.addLayout(buttons)
        for widget in (self.bar, self.phase):
            column.addWidget(widget)
        self._show(self._ready)
        self.set_running(False)

    def set_ready(self, ready: Readiness) -> None:
        """Say what is missing; while a run is on, this waits until it has ended."""
        self._ready = ready
        if not self._running:
            self._show(ready)

    def set_running(self, running: bool) -> None:
        """Turn the button into Cancel, or back; show or hide the bar."""
        self._running = running
        self._show(CANCEL if running else self._ready)
        self.bar.setVisible(running)
        self.phase.setVisible(running)
        self.stop.setText(_STOP)
        self.stop.setEnabled(True)
        self.show_step("Starting…", 0.0, None)

    def show_step(self, phase: str, fraction: float, seconds_left: float | None) -> None:
        """Move the bar; show the phase and the time left in words."""
        percent = f"{100 * fraction:.0f} %"
        left = time_left(seconds_left)
        # QProgressBar paints at once, and with it the whole window: let it wait its turn.
        self.bar.setUpdatesEnabled(False)
        self.bar.setValue(round(1000 * fraction))
        self.bar.setFormat(f"{percent} · {left}" if left else percent)
        self.bar.setUpdatesEnabled(True)
        if self.phase.text() != phase:
            self.phase.setText(phase)
            self.stop.setVisible(self._running and phase.startswith(_CAN_STOP))

    def _on_clicked(self) -> None:
        if self._running:
            self._show(CANCELLING)
            self.phase.setText("Stopping after this step; everything stays as it was")
            self.cancel_asked.emit()
        else:
            self.register_asked.emit()

    def _on_stop(self) -> None:
        self.stop.setText("Stopping…")
        self.stop.setEnabled(False)
        self.stop_asked.emit()

    def show_cancelling(self) -> None:
        """Say so when the cancel came from elsewhere (the activity dock, the window)."""
        if self._running:
            self._show(CANCELLING)

    def _show(self, state: Readiness) -> None:
        self.button.setText(state.text)
        self.button.setEnabled(state.enabled)
        strong = state.enabled and state is not CANCEL
        self.button.setProperty("strong", strong)
        self.button.setStyleSheet(STRONG_BUTTON if strong else "")
        self.button.setToolTip(state.text)


STRONG_BUTTON = (
    "QPushButton { background-color: rgb(69, 96, 196); color: white; font-weight: bold; }"
    "QPushButton:hover { background-color: rgb(86, 114, 214); }"
)


def time_left(seconds: float | None) -> str:
    """Words for a rest of time: ``"8 s left"``, ``"2 min left"``; empty when unknown."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    return f"{round(seconds / 60)} min left"


class Activity(cancelable_progress):
    """The same progress in napari's activity dock, with its own Cancel button."""

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self._on_cancel = on_cancel
        self._moved = 0.0
        super().__init__(total=100, desc="Registering", leave=False)

    def cancel(self) -> None:
        """Called by the Cancel button of the activity dock."""
        super().cancel()
        self._on_cancel()

    def show_fraction(self, fraction: float) -> None:
        """Move the bar, rarely: each move makes napari paint and handle waiting events."""
        percent, now = min(100, int(100 * fraction)), time.monotonic()
        if percent > self.n and now - self._moved >= _ACTIVITY_SECONDS:
            self._moved = now
            self.update(percent - self.n)
