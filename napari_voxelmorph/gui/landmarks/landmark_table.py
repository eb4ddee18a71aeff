"""The table of landmark pairs."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_voxelmorph.gui.landmarks.landmark_words import ellipse_words
from napari_voxelmorph.gui.landmarks.measuring import Distances
from napari_voxelmorph.gui.landmarks.pairs import Landmark

_HEAD = (
    ("Pair", "Click a row to fly to its fixed point"),
    ("before", "Distance of the two points before the registration, mm"),
    ("after", "Distance now, mm"),
    ("± SD", "Predicted by the spread of the result: standard deviation of where the fixed point "
             "goes, mm per direction. Orange: the distance is more than it explains"),
)  # fmt: skip
_BEYOND = QColor("#ff9f43")


class LandmarkTable(QTableWidget):
    """One row per pair, in the order of placing; numbers in mm."""

    def __init__(self) -> None:
        super().__init__(0, len(_HEAD))
        self.setHorizontalHeaderLabels(
            [f"{name} mm" if at else name for at, (name, _) in enumerate(_HEAD)]
        )
        for column, (_, help) in enumerate(_HEAD):
            item = self.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(f"<qt>{help}</qt>")
        self.verticalHeader().hide()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)

    def show_pairs(self, items: Sequence[Landmark], found: Distances) -> None:
        """Fill it; a pair that still waits for its moving point has no numbers."""
        self.setRowCount(len(items))
        for n, item in enumerate(items):
            texts, help, beyond = [item.name, "…", "…", "…"], "", False
            if n < len(found.after):
                texts = [item.name, f"{found.before[n]:.2f}", f"{found.after[n]:.2f}", "–"]
                if found.predicted is not None:
                    texts[3] = f"{found.predicted.deviation[n]:.2f}"
                    help = ellipse_words(found.predicted, n)
                    beyond = not found.predicted.within[n]
            for at, text in enumerate(texts):
                self.setItem(n, at, _cell(text, at > 0, help, beyond and at > 1))

    def chosen(self) -> list[int]:
        """Rows that are selected, rising."""
        return sorted({index.row() for index in self.selectedIndexes()})


def _cell(text: str, is_number: bool, help: str, beyond: bool) -> QTableWidgetItem:
    cell = QTableWidgetItem(text)
    if is_number:
        cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if help:
        cell.setToolTip(f"<qt>{help}</qt>")
    if beyond:
        cell.setForeground(QBrush(_BEYOND))
    return cell
