"""The table widget: hovering tells, clicking flies to the structure, headers choose columns."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from napari_voxelmorph.engine.review.rows import COLUMNS, Row
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.qa.structure_model import (
    ANSWER,
    COUNT,
    DELTA,
    FIRST,
    NAME,
    NOTE,
    ROW,
    StructureModel,
)
from napari_voxelmorph.gui.qa.structure_order import SortedStructures

_NAME_WIDTH, _MARK_WIDTH, _NOTE_WIDTH, _NUMBER_WIDTH = 142, 24, 140, 44
#: Shown at first beside a fixed segmentation, and without one.
_COMPARED = (
    "dice", "hd95", "assd", "difference", "uncertainty", "confidence", "fixed_size", "moved_size"
)  # fmt: skip
_ALONE = ("uncertainty", "confidence", "moved_size", "growth", "edge", "entropy")
#: Columns that hold more than a number.
_WIDE = {"confidence": 62, "fixed_size": 50, "moved_size": 50}
_ROW_HEIGHT = 22


class StructureTable(QTableView):
    """One line per structure."""

    #: The mouse rests on a structure (None: on none any more).
    hovered = Signal(object)
    #: A structure was clicked, or reached with the arrow keys.
    chosen = Signal(object)
    #: A structure was double-clicked: where it is worst.
    worst_asked = Signal(object)

    def __init__(self, model: StructureModel) -> None:
        super().__init__()
        self.model_of_rows = model
        self.sorted = SortedStructures(model, NAME, self)
        self.setModel(self.sorted)
        self.compared = True
        self._hovering: int | None = None
        self._look()
        self.setMouseTracking(True)
        self.selectionModel().currentRowChanged.connect(self._on_current)
        self.doubleClicked.connect(self._on_double)
        header = self.horizontalHeader()
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._choose_columns)
        self.show_columns(True)
        self.worst_first()

    def _look(self) -> None:
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setMinimumSectionSize(_MARK_WIDTH)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        widths = {NAME: _NAME_WIDTH, ANSWER: _MARK_WIDTH, NOTE: _NOTE_WIDTH, DELTA: 60}
        widths |= {FIRST + n: _WIDE[c.key] for n, c in enumerate(COLUMNS) if c.key in _WIDE}
        for at in range(COUNT):
            self.setColumnWidth(at, widths.get(at, _NUMBER_WIDTH))
        # Numbers first; the note is far right, where there is room for it.
        header.moveSection(header.visualIndex(NOTE), COUNT - 1)

    # Columns ------------------------------------------------------------------------------

    def show_columns(self, compared: bool) -> None:
        """Show the columns for a result with or without a fixed segmentation."""
        self.compared = compared
        usual = ",".join(_COMPARED if compared else _ALONE)
        chosen = memory.recall_text(self._key(), usual).split(",")
        for n, column in enumerate(COLUMNS):
            hidden = column.key not in chosen or (column.needs_fixed and not compared)
            self.setColumnHidden(FIRST + n, hidden)
        self.show_delta()

    def show_delta(self) -> None:
        """The comparison with A is there when there is an A."""
        self.setColumnHidden(DELTA, not self.model_of_rows.is_comparing)

    def _key(self) -> str:
        return "qa/columns compared" if self.compared else "qa/columns alone"

    def _choose_columns(self, at: QPoint) -> None:
        menu = QMenu(self)
        for n, column in enumerate(COLUMNS):
            if column.needs_fixed and not self.compared:
                continue
            action = menu.addAction(f"{column.title} {column.unit}".strip())
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(FIRST + n))
            action.toggled.connect(lambda on, n=n: self.set_column(n, on))
        menu.addSeparator()
        menu.addAction("Worst first").triggered.connect(lambda *_: self.worst_first())
        menu.exec(self.horizontalHeader().mapToGlobal(at))

    def set_column(self, number: int, on: bool) -> None:
        """Show or hide one of `COLUMNS`, and remember it."""
        self.setColumnHidden(FIRST + number, not on)
        shown = [c.key for n, c in enumerate(COLUMNS) if not self.isColumnHidden(FIRST + n)]
        memory.remember(self._key(), ",".join(shown))

    def worst_first(self) -> None:
        """Sort by how much a structure deserves a look."""
        self.sortByColumn(NAME, Qt.SortOrder.DescendingOrder)

    def sort_again(self) -> None:
        """After other numbers."""
        header = self.horizontalHeader()
        self.sortByColumn(header.sortIndicatorSection(), header.sortIndicatorOrder())

    # Rows ---------------------------------------------------------------------------------

    def current_row(self) -> Row | None:
        """The structure that is looked at."""
        return self._row(self.currentIndex())

    def selected_rows(self) -> list[Row]:
        """All selected structures, from top to bottom."""
        found = (self._row(index) for index in self.selectionModel().selectedRows(NAME))
        return [row for row in found if row is not None]

    def choose(self, label: int) -> None:
        """Select a structure by its label."""
        for n in range(self.sorted.rowCount()):
            index = self.sorted.index(n, NAME)
            row = self._row(index)
            if row is not None and row.id == label:
                flags = QItemSelectionModel.SelectionFlag
                self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
                self.scrollTo(index)
                return

    def _row(self, index: QModelIndex) -> Row | None:
        found = index.data(ROW) if index.isValid() else None
        return found if isinstance(found, Row) else None

    def _on_current(self, current: QModelIndex, _: QModelIndex) -> None:
        self.chosen.emit(self._row(current))

    def _on_double(self, index: QModelIndex) -> None:
        if index.column() != NOTE:
            self.worst_asked.emit(self._row(index))

    def mouseMoveEvent(self, event: Any) -> None:
        """Qt: tell which structure the mouse is over."""
        super().mouseMoveEvent(event)
        row = self._row(self.indexAt(event.pos()))
        label = None if row is None else row.id
        if label != self._hovering:
            self._hovering = label
            self.hovered.emit(row)

    def leaveEvent(self, event: Any) -> None:
        """Qt: the mouse has left."""
        super().leaveEvent(event)
        if self._hovering is not None:
            self._hovering = None
            self.hovered.emit(None)
