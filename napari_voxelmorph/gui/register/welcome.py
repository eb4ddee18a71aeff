"""What the Register dock shows while there are no images: how to begin."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_voxelmorph.gui.section import WrappingLabel

_WELCOME = (
    "Choose two scans, press Register, and judge the result by eye.\n\n"
    "The moving image is brought onto the fixed one. Nothing is changed in your files, and the "
    "images may differ in size, spacing and orientation."
)
_SAMPLE = "Load sample pair"


class WelcomePage(QWidget):
    """Three buttons."""

    sample_asked = Signal()
    open_asked = Signal()
    session_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 24, 16, 16)
        column.setSpacing(10)
        self.sample = QPushButton(_SAMPLE)
        self.sample.setToolTip("Two brain scans that the plugin makes itself; no download")
        self.sample.clicked.connect(lambda: self.sample_asked.emit())
        self.open = QPushButton("Open two images…")
        self.open.setToolTip("First the moving one, then the fixed one")
        self.open.clicked.connect(lambda: self.open_asked.emit())
        self.session = QPushButton("Open a session…")
        self.session.setToolTip("The folder of a saved result, with all that was seen")
        self.session.clicked.connect(lambda: self.session_asked.emit())
        self._buttons = (self.sample, self.open, self.session)
        column.addWidget(WrappingLabel(_WELCOME))
        for button in self._buttons:
            button.setMinimumHeight(34)
            column.addWidget(button)
        hint = WrappingLabel("Or drop files into the window. For research use, not for diagnosis.")
        hint.setEnabled(False)
        column.addWidget(hint)
        column.addStretch(1)

    def show_work(self, words: str) -> None:
        """What is going on; "" when nothing is."""
        for button in self._buttons:
            button.setEnabled(not words)
        self.sample.setText(words or _SAMPLE)
