"""The structures as a Qt table: numbers, verdicts, notes; sorted by what is worst."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QBrush, QColor

from napari_voxelmorph.engine.review.rows import COLUMNS, Row
from napari_voxelmorph.gui.qa.pins import Comparison
from napari_voxelmorph.gui.qa.structure_colors import ColorScale
from napari_voxelmorph.gui.qa.structure_order import SORT, badness_in

ROW = Qt.ItemDataRole.UserRole + 1
NAME, ANSWER, NOTE, FIRST, DELTA = 0, 1, 2, 3, 3 + len(COLUMNS)
COUNT = DELTA + 1
_SIGNS = {"accept": "✓", "review": "?", "reject": "✗", None: ""}
_SIGN_COLORS = {"accept": "#58c878", "review": "#e3b617", "reject": "#ff6b5e"}
_GET_SPREAD = (
    "Not known yet. Show the uncertainty map (Register dock, View, overlay “uncertainty”), or choose "
    "“Measure the uncertainty” under “…” above the table."
)


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
        self._comparison: Comparison | None = None
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

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Compare Dice with that of a pinned result; or not."""
        self._comparison = comparison
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
        """The difference of Dice that is compared; NaN without a pin."""
        return math.nan if self._comparison is None else self._comparison.delta(row)

    @property
    def is_comparing(self) -> bool:
        """Whether there is a pinned result to compare with."""
        return self._comparison is not None

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
            found = self._comparison
            return ("", "") if found is None else (found.title, found.help)
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
            return f"<qt>{self._missing(row, at) or self.explain(row)}</qt>"
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
            value = self.delta(row)
            return f"{value:+.3f}" if math.isfinite(value) else "–"
        column = COLUMNS[at - FIRST]
        return column.text(row.value(column.key))

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

    def _missing(self, row: Row, at: int) -> str:
        """How to get a number that is not there; empty when it is, or cannot be got."""
        if not FIRST <= at < DELTA or not COLUMNS[at - FIRST].needs_spread:
            return ""
        return "" if math.isfinite(row.value(COLUMNS[at - FIRST].key)) else _GET_SPREAD

    def explain(self, row: Row) -> str:
        """Everything worth saying of a structure, in sentences."""
        parts = [f"<b>{row.name}</b> (label {row.id})."]
        parts += row.flags
        if row.id in self._edited:
            parts.append(self._edited[row.id])
        if len(parts) == 1:
            parts.append("Nothing stands out.")
        return " ".join(parts)
