"""The order of the structures in the table: what is worst comes first."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QObject, QSortFilterProxyModel, Qt

from napari_voxelmorph.engine.review.rows import Column

#: The role that a model answers with the rank of a cell: larger is worse, NaN unknown.
SORT = Qt.ItemDataRole.UserRole


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
    """Sorts by rank, with what has no number at the end either way.

    Parameters
    ----------
    filtered : int
        The column that is searched for a text.
    """

    def __init__(
        self, model: QAbstractItemModel, filtered: int, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.setSourceModel(model)
        self.setSortRole(SORT)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setFilterKeyColumn(filtered)
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
