"""The building blocks of a dock: sections that fold, and texts that never widen it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.gui.background import memory


def scrolling(content: QWidget) -> QScrollArea:
    """Room for more than a dock is high; never wider than the dock."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area


class Section(QWidget):
    """A title that folds its content away, and remembers whether it was open."""

    def __init__(self, title: str, key: str, open_at_first: bool = True) -> None:
        super().__init__()
        self._key = f"section/{key}"
        self.title = _title_button(title)
        self.body = QFrame()
        self.inside = QVBoxLayout(self.body)
        self.inside.setContentsMargins(4, 4, 2, 8)
        self.inside.setSpacing(6)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        outer.addWidget(self.title)
        outer.addWidget(self.body)
        self.title.toggled.connect(self._on_toggled)
        self.set_open(memory.recall_truth(self._key, open_at_first))

    def set_open(self, is_open: bool) -> None:
        """Open or fold the section."""
        blocked = self.title.blockSignals(True)
        self.title.setChecked(is_open)
        self.title.blockSignals(blocked)
        self._show(is_open)

    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.title.isChecked()

    def add(self, widget: QWidget) -> QWidget:
        """Append a widget to the content and return it."""
        self.inside.addWidget(widget)
        return widget

    def _on_toggled(self, is_open: bool) -> None:
        self._show(is_open)
        memory.remember(self._key, is_open)

    def _show(self, is_open: bool) -> None:
        self.body.setVisible(is_open)
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.title.setArrowType(arrow)


class More(QWidget):
    """A quiet link that shows a few more fields; it starts folded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.link = QToolButton()
        self.link.setObjectName("voxelmorph-more")
        self.link.setCheckable(True)
        self.link.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.link.setCursor(Qt.CursorShape.PointingHandCursor)
        self.link.setStyleSheet("QToolButton { border: none; background: transparent; }")
        self.body = QWidget()
        self.inside = QVBoxLayout(self.body)
        self.inside.setContentsMargins(0, 0, 0, 0)
        self.inside.setSpacing(6)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        outer.addWidget(self.link)
        outer.addWidget(self.body)
        self.link.toggled.connect(self.show_more)
        self.set_text(text)
        self.show_more(False)

    def set_text(self, text: str) -> None:
        """Say what is behind the link."""
        self.link.setText(text)

    def show_more(self, shown: bool) -> None:
        """Unfold or fold."""
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.link.setArrowType(arrow)
        self.body.setVisible(shown)

    def add(self, widget: QWidget) -> QWidget:
        """Append a widget and return it."""
        self.inside.addWidget(widget)
        return widget


class WrappingLabel(QLabel):
    """Text that wraps, breaks long words, and never asks for more width than it has."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show the text; a label without text takes no room."""
        # File names have no spaces to break at: allow a break after _ - . / inside long words.
        words = [_breakable(word) if len(word) > 24 else word for word in text.split(" ")]
        super().setText(" ".join(words))
        self.setVisible(bool(text))

    def minimumSizeHint(self) -> QSize:
        """Any width will do; the height follows from it."""
        return QSize(0, super().minimumSizeHint().height() if self.text() else 0)


def _breakable(word: str) -> str:
    for sign in "_-./\\":
        word = word.replace(sign, sign + "\u200b")
    return word


def _title_button(title: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("voxelmorph-section")
    button.setText(title)
    button.setCheckable(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.setStyleSheet(
        "QToolButton { border: none; border-radius: 3px; padding: 5px; font-weight: bold;"
        " background: rgba(128, 128, 128, 55); }"
        "QToolButton:hover { background: rgba(128, 128, 128, 90); }"
    )
    return button
