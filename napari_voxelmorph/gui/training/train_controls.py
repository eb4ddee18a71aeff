"""The Train dock's button (Start, Stop, Resume, or what is missing) and its progress bar."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_voxelmorph.gui.register.run_controls import STRONG_BUTTON


class TrainControls(QWidget):
    """Emits `start_asked` (True: resume) and `stop_asked`."""

    start_asked = Signal(bool)
    stop_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._running = self._resumes = False
        self.button = QPushButton()
        self.button.setObjectName("voxelmorph-train")
        self.button.setMinimumHeight(34)
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._on_clicked)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.phase = QElidingLabel()
        self.phase.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout()
        row.addWidget(self.button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.phase)
        self.set_ready("Choose the data", False)
        self.set_running(False)

    def set_ready(self, text: str, enabled: bool, resumes: bool = False) -> None:
        """What the button says while nothing runs."""
        self._ready = (text, enabled)
        self._resumes = resumes
        if not self._running:
            self._show(text, enabled, strong=enabled)

    def set_running(self, running: bool) -> None:
        """Turn the button into Stop, or back; show or hide the bar."""
        self._running = running
        if running:
            self._show("Stop", True)
            self.bar.setValue(0)
            self.bar.setFormat("")
            self.phase.setText("Starting…")
        else:
            self._show(*self._ready, strong=self._ready[1])
        self.bar.setVisible(running)
        self.phase.setVisible(running)

    def show_step(self, phase: str, fraction: float, left: str) -> None:
        """Move the bar; say what is done now."""
        # QProgressBar paints at once, and with it the whole window: let it wait its turn.
        self.bar.setUpdatesEnabled(False)
        self.bar.setValue(round(1000 * fraction))
        percent = f"{100 * fraction:.0f} %"
        self.bar.setFormat(f"{percent} · {left}" if left else percent)
        self.bar.setUpdatesEnabled(True)
        if self.phase.text() != phase:
            self.phase.setText(phase)

    def show_stopping(self) -> None:
        """The stop is under way."""
        if self._running:
            self._show("Stopping…", False)
            self.phase.setText("Stopping after this step, and writing down where it stands")

    def _on_clicked(self) -> None:
        if self._running:
            self.show_stopping()
            self.stop_asked.emit()
        else:
            self.start_asked.emit(self._resumes)

    def _show(self, text: str, enabled: bool, strong: bool = False) -> None:
        self.button.setText(text)
        self.button.setToolTip(text)
        self.button.setEnabled(enabled)
        self.button.setStyleSheet(STRONG_BUTTON if strong else "")
