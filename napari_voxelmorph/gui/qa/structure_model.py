"""The structures as a Qt table: numbers, verdicts, notes; sorted by what is worst."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QBrush, QColor

from napari_voxelmorph.engine.review.rows import COLUMNS, Column, Row
from napari_voxelmorph.gui.qa.structure_colors import ColorScale

SORT, ROW = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
NAME, ANSWER, NOTE, FIRST, DELTA = 0, 1, 2, 3, 3 + len(COLUMNS)
COUNT = DELTA + 1
_SIGNS = {"accept": "✓", "review": "?", "reject": "✗", None: ""}
_SIGN_COLORS = {"accept": "#58c878", "review": "#e3b617", "reject": "#ff6b5e"}
_LATER = "#808080"


@dataclass(frozen=True)
class Judgement:
    """A reader's verdict and note on a structure."""

    answer: str | None = None
    note: str = ""


class StructureModel(QAbstractTableModel):
    """Rows of the review; a verdict and a note for each, and the difference to result A."""

    #: A note was typed: structure, text.
    noted = Signal(int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self._judged: dict[int, Judgement] = {}
        self._edited: dict[int, str] = {}
        self._reference: dict[int, float] = {}
        self._reference_name = ""
        self._scale: ColorScale | None = None

    # What is shown ------------------------------------------------------------------------

    def set_rows(self, rows: list[Row], edited: dict[int, str]) -> None:
        """Show other numbers; nothing jumps while the structures are the same."""
        same = {row.id for row in rows} == {row.id for row in self.rows}
        if same:
            found = {row.id: row for row in rows}
            self.rows = [found[row.id] for row in self.rows]
            self._edited = edited
            self._all_changed()
            return
        self.beginResetModel()
        self.rows, self._edited = list(rows), edited
        self.endResetModel()

    def set_judgements(self, judged: dict[int, Judgement]) -> None:
        """Show a reader's verdicts and notes."""
        self._judged = judged
        self._all_changed()

    def set_reference(self, name: str, dice: dict[int, float]) -> None:
        """Compare Dice with that of another result; nothing for none."""
        self._reference, self._reference_name = dice, name
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, DELTA, DELTA)
        self._all_changed()

    def set_scale(self, scale: ColorScale | None) -> None:
        """Tint the cells of the column that colours the outlines."""
        self._scale = scale
        self._all_changed()

    def _all_changed(self) -> None:
        if self.rows:
            last = self.index(len(self.rows) - 1, COUNT - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def delta(self, row: Row) -> float:
        """Dice now minus Dice of the reference; NaN without one."""
        return row.value("dice") - self._reference.get(row.id, math.nan)

    @property
    def has_reference(self) -> bool:
        """Whether there is a result to compare with."""
        return bool(self._reference)

    # Qt -----------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Qt: number of structures."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Qt: number of columns, hidden ones too."""
        return 0 if parent is not None and parent.isValid() else COUNT

    def flags(self, index: QModelIndex) -> Any:
        """Qt: only notes can be typed."""
        base = super().flags(index)
        return base | Qt.ItemFlag.ItemIsEditable if index.column() == NOTE else base

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Qt: titles, and what they mean."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < COUNT:
            return None
        title, help = self._head(section)
        if role == Qt.ItemDataRole.DisplayRole:
            return title
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"<qt>{help}<br>Click: sort by it. Right click: choose columns.</qt>"
        return None

    def _head(self, section: int) -> tuple[str, str]:
        if section == NAME:
            return "Structure", "Its name; ⚑ marks those with a reason to look, worst first."
        if section == ANSWER:
            return "✓", "Your verdict on the structure: ✓ accept, ? review, ✗ reject."
        if section == NOTE:
            return "Note", "Your note on the structure; double click to write."
        if section == DELTA:
            name = self._reference_name or "A"
            return (
                f"Δ Dice\nto {name}",
                f"Dice of this result minus that of {name}: above 0 better.",
            )
        column = COLUMNS[section - FIRST]
        # Below each other: numbers need less room than words.
        return f"{column.title}\n{column.unit}".strip(), column.help

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Qt: what a cell shows."""
        row, at = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, at)
        if role == SORT:
            return self._rank(row, at)
        if role == ROW:
            return row
        if role == Qt.ItemDataRole.EditRole and at == NOTE:
            return self._judgement(row).note
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"<qt>{self.explain(row)}</qt>"
        if role == Qt.ItemDataRole.TextAlignmentRole and at >= FIRST:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.TextAlignmentRole and at == ANSWER:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._foreground(row, at)
        if role == Qt.ItemDataRole.BackgroundRole:
            return self._background(row, at)
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = 0) -> bool:
        """Qt: a note was typed."""
        if role != Qt.ItemDataRole.EditRole or index.column() != NOTE:
            return False
        row = self.rows[index.row()]
        if str(value) != self._judgement(row).note:
            self.noted.emit(row.id, str(value))
        return True

    def _judgement(self, row: Row) -> Judgement:
        return self._judged.get(row.id, Judgement())

    def _text(self, row: Row, at: int) -> str:
        if at == NAME:
            sign = ("✎ " if row.id in self._edited else "") + ("⚑ " if row.flags else "")
            return sign + row.name
        if at == ANSWER:
            return _SIGNS[self._judgement(row).answer]
        if at == NOTE:
            return self._judgement(row).note
        if at == DELTA:
            value, digits = self.delta(row), 3
            return f"{value:+.{digits}f}" if math.isfinite(value) else "–"
        column = COLUMNS[at - FIRST]
        value = row.value(column.key)
        sign = "+" if column.best == "zero" else ""
        return f"{value:{sign}.{column.digits}f}" if math.isfinite(value) else "–"

    def _rank(self, row: Row, at: int) -> Any:
        """Larger comes first when a header is clicked once: the worse, or the larger."""
        if at == NAME:
            return row.badness
        if at == ANSWER:
            return {"reject": 3, "review": 2, "accept": 1}.get(self._judgement(row).answer or "", 0)
        if at == NOTE:
            return self._judgement(row).note.lower()
        if at == DELTA:
            return -self.delta(row)
        return badness_in(COLUMNS[at - FIRST], row.value(COLUMNS[at - FIRST].key))

    def _foreground(self, row: Row, at: int) -> QBrush | None:
        if at == ANSWER:
            color = _SIGN_COLORS.get(self._judgement(row).answer or "")
            return None if color is None else QBrush(QColor(color))
        if self._tint(row, at) is not None:
            return QBrush(QColor("black"))
        return None

    def _background(self, row: Row, at: int) -> QBrush | None:
        tint = self._tint(row, at)
        return None if tint is None else QBrush(QColor.fromRgbF(*tint[:3]))

    def _tint(self, row: Row, at: int) -> Any:
        if self._scale is None or not FIRST <= at < DELTA:
            return None
        if COLUMNS[at - FIRST].key != self._scale.key:
            return None
        return self._scale.color(row.value(self._scale.key))

    def explain(self, row: Row) -> str:
        """Everything worth saying of a structure, in sentences."""
        parts = [f"<b>{row.name}</b> (label {row.id})."]
        parts += row.flags
        if row.id in self._edited:
            parts.append(self._edited[row.id])
        if len(parts) == 1:
            parts.append("Nothing stands out.")
        return " ".join(parts)


def badness_in(column: Column, value: float) -> float:
    """Larger is worse in this column (or just larger, where it says nothing of quality)."""
    if not math.isfinite(value):
        return math.nan
    if column.best == "high":
        return -value
    if column.best == "zero":
        return abs(value)
    if column.best == "one":
        return abs(math.log(value)) if value > 0 else math.inf
    return value


class SortedStructures(QSortFilterProxyModel):
    """Sorts by rank, with what has no number at the end either way."""

    def __init__(self, model: StructureModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setSourceModel(model)
        self.setSortRole(SORT)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setFilterKeyColumn(NAME)
        self.setDynamicSortFilter(False)

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Qt: the order of two cells."""
        first, second = left.data(SORT), right.data(SORT)
        down = self.sortOrder() == Qt.SortOrder.DescendingOrder
        gone, other = _is_missing(first), _is_missing(second)
        if gone or other:
            # Qt turns the order around for descending: the missing go last either way.
            return (gone and not other) if down else (other and not gone)
        return bool(first < second)


def _is_missing(rank: Any) -> bool:
    return isinstance(rank, float) and math.isnan(rank)
