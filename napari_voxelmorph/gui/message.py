"""Errors and good news, in the dock itself: one sentence, details only for the clipboard."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout

from napari_voxelmorph.gui.section import WrappingLabel

_COLORS = {"error": "#e0556a", "warning": "#e3b617", "done": "#4cae5f"}
_SIGNS = {"error": "✕", "warning": "⚠", "done": "✓"}


class Message(QFrame):
    """A framed sentence with a sign; hidden while there is nothing to say."""

    def __init__(self, closable: bool = True) -> None:
        super().__init__()
        self.setObjectName("voxelmorph-message")
        self.details = ""
        self.kind = ""
        self.sign = QLabel()
        self.sign.setFixedWidth(20)
        self.sign.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self.text = WrappingLabel()
        self.dismiss = QToolButton()
        self.dismiss.setText("×")
        self.dismiss.setToolTip("Hide this message")
        self.dismiss.clicked.connect(self.clear)
        self.dismiss.setVisible(closable)
        self.copy = QPushButton("Copy details")
        self.copy.setToolTip("Copy the full report, to send it with a question")
        self.copy.clicked.connect(self._copy)
        top = QHBoxLayout()
        top.setSpacing(2)
        top.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.text, 1)
        top.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addLayout(top)
        column.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignLeft)
        self.clear()

    def show_text(self, kind: str, text: str, details: str = "") -> None:
        """Show a sentence of kind ``"error"``, ``"warning"`` or ``"done"``."""
        self.kind, self.details = kind, details
        color = _COLORS[kind]
        self.sign.setText(_SIGNS[kind])
        self.sign.setStyleSheet(f"color: {color}; font-weight: bold; background: transparent;")
        self.text.setStyleSheet("background: transparent;")
        self.setStyleSheet(
            f"QFrame#voxelmorph-message {{ border: 1px solid {color}; border-radius: 3px; }}"
        )
        self.text.setText(text)
        self.copy.setText("Copy details")
        self.copy.setVisible(bool(details))
        self.show()

    def clear(self) -> None:
        """Say nothing."""
        self.kind = self.details = ""
        self.text.setText("")
        self.hide()

    def _copy(self) -> None:
        sentence = self.text.text().replace("\u200b", "")
        QGuiApplication.clipboard().setText(f"{sentence}\n\n{self.details}")
        self.copy.setText("Copied")
