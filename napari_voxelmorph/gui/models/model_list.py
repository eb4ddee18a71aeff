"""The models on the shelf: name and score, what each is, its grid and size, licence and hash."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from napari_voxelmorph.gui.models.model_lines import ModelLine

_LINE = Qt.ItemDataRole.UserRole
_MARGIN, _MOST_SHOWN = 6, 4
_DAMAGED = "#e0556a"


class ModelList(QListWidget):
    """Emits `chosen(ModelLine or None)`; grows with its content, up to a few models."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setItemDelegate(_Painter(self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAccessibleName("Models on the shelf")
        self.currentItemChanged.connect(lambda *_: self.chosen.emit(self.line))

    @property
    def line(self) -> ModelLine | None:
        """The chosen model."""
        item = self.currentItem()
        return None if item is None else item.data(_LINE)

    def show_lines(self, lines: list[ModelLine], chosen: str = "") -> None:
        """Show these models; the one of that name, or the one chosen before, is chosen."""
        wanted = chosen or ("" if self.line is None else self.line.name)
        blocked = self.blockSignals(True)
        self.clear()
        for line in lines:
            item = QListWidgetItem(line.name)
            item.setData(_LINE, line)
            # Words for those who hear the list instead of seeing it.
            words = ". ".join(text for text in (line.name, line.score, *_lines(line)) if text)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, words)
            self.addItem(item)
        names = [line.name for line in lines]
        if names:
            self.setCurrentRow(names.index(wanted) if wanted in names else 0)
        self.blockSignals(blocked)
        self.setVisible(bool(lines))
        shown = max(1, min(len(lines), _MOST_SHOWN))
        self.setFixedHeight(shown * self.sizeHintForRow(0) + 4 if lines else 0)
        self.chosen.emit(self.line)


def _lines(line: ModelLine) -> tuple[str, ...]:
    if line.problem:
        return "damaged", line.problem, line.size
    rest = ((line.space, line.size), (line.licence, line.hash))
    return line.about, *(" · ".join(part for part in parts if part) for parts in rest)


class _Painter(QStyledItemDelegate):
    """A bold name, the score beside it, over dimmed lines, each shortened to the room there is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(100, 4 * option.fontMetrics.lineSpacing() + 2 * _MARGIN)

    def paint(self, painter: Any, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        line: ModelLine = index.data(_LINE)
        # The style paints the background, the focus and the choice; the words are ours.
        style_option = QStyleOptionViewItem(option)
        self.initStyleOption(style_option, index)
        style_option.text = ""
        style = option.widget.style()
        style.drawControl(
            QStyle.ControlElement.CE_ItemViewItem, style_option, painter, option.widget
        )
        painter.save()
        color = option.palette.color(QPalette.ColorRole.Text)
        height = option.fontMetrics.lineSpacing()
        inside = option.rect.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        bold = QFont(option.font)
        bold.setBold(True)
        score = option.fontMetrics.horizontalAdvance(line.score)
        painter.setPen(color)
        right = int(Qt.AlignmentFlag.AlignRight)
        painter.drawText(inside, right | int(Qt.AlignmentFlag.AlignTop), line.score)
        for number, text in enumerate((line.name, *_lines(line))):
            painter.setFont(bold if number == 0 else option.font)
            painter.setPen(QColor(_DAMAGED) if line.problem and number == 1 else color)
            painter.setOpacity(1.0 if number == 0 or line.problem else 0.75)
            place = QRect(inside.left(), inside.top() + number * height, inside.width(), height)
            room = place.width() - (score + 2 * _MARGIN if number == 0 and score else 0)
            short = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), short)
        painter.restore()
