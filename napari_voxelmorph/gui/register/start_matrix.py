"""Where the registration starts: a choice, and the matrix behind it, which can be edited."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.engine.config import RegistrationConfig, Start
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix
from napari_voxelmorph.gui.form_parts import Rows
from napari_voxelmorph.gui.register.parameters_form import choice_field
from napari_voxelmorph.gui.section import More, WrappingLabel

#: Starts that only a window has, beside those of the configuration.
WINDOW = "window"
MATRIX = "matrix"
_HELP = (
    "window: keep them as they lie in the window (move the moving layer with napari's transform "
    "mode). matrix: the matrix below."
)


class StartMatrix(QWidget):
    """Choice of a start, and the matrix from fixed to moving world (mm)."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        metadata = RegistrationConfig.__dataclass_fields__["start"].metadata
        self.choice = choice_field(
            (*get_args(Start), WINDOW, MATRIX), f"{metadata['help']} {_HELP}"
        )
        self._matrix: Matrix | None = None
        self._result: Matrix | None = None
        self._filling = False
        rows = Rows()
        rows.add(metadata["label"], self.choice.widget, f"{metadata['help']} {_HELP}")
        self._build_table()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(rows)
        column.addWidget(self.more)
        self.choice.changed.connect(self._on_choice)
        self.show_matrix(None)

    def _build_table(self) -> None:
        self.more = More("start matrix")
        self.hint = WrappingLabel()
        self.table = QTableWidget()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().hide()
        self.table.verticalHeader().hide()
        self.table.setToolTip("Fixed world (RAS mm) to moving world; edit a number to use it")
        self.table.itemChanged.connect(self._on_edited)
        self.use_result = QPushButton("Take it from the result")
        self.use_result.setToolTip("Start the next run where the last pre-alignment ended")
        self.use_result.setEnabled(False)
        self.use_result.clicked.connect(self._on_use_result)
        buttons = QHBoxLayout()
        buttons.addWidget(self.use_result)
        buttons.addStretch()
        self.more.add(self.hint)
        self.more.add(self.table)
        self.more.inside.addLayout(buttons)

    @property
    def name(self) -> str:
        """The chosen start."""
        return str(self.choice.value())

    def matrix(self) -> Matrix | None:
        """The edited matrix; raises `InputError` when a cell is not a number."""
        if self.name != MATRIX:
            return None
        size = self.table.rowCount()
        matrix = np.eye(size + 1)
        for row in range(size):
            for column in range(size + 1):
                item = self.table.item(row, column)
                matrix[row, column] = _number(item.text() if item else "")
        return matrix

    def show_matrix(self, matrix: Matrix | None, size: int = 3) -> None:
        """Show what the present choice means; None when it is only known after a run."""
        self._matrix = matrix
        self._filling = True
        shown = np.eye(size + 1) if matrix is None else matrix
        size = shown.shape[0] - 1
        self.table.setRowCount(size)
        self.table.setColumnCount(size + 1)
        for row in range(size):
            for column in range(size + 1):
                text = "" if matrix is None else f"{shown[row, column]:.4g}"
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, item)
            self.table.setRowHeight(row, 24)
        self.table.setFixedHeight(24 * size + 4)
        self._filling = False
        self.hint.setText(_HINTS.get(self.name, ""))

    def set_result(self, affine: Matrix | None) -> None:
        """Remember the affine of the newest result for “Take it from the result”."""
        self._result = affine
        self.use_result.setEnabled(affine is not None)

    def _on_choice(self, *_: Any) -> None:
        if self.name == MATRIX:
            self.more.link.setChecked(True)
            size = self.table.rowCount() + 1
            self.show_matrix(np.eye(size) if self._matrix is None else self._matrix)
        self.changed.emit()

    def _on_edited(self, *_: Any) -> None:
        if self._filling:
            return
        if self.name != MATRIX:
            self._fill_empty_cells()
            self.choice.widget.blockSignals(True)
            self.choice.set(MATRIX)
            self.choice.widget.blockSignals(False)
            self.hint.setText(_HINTS[MATRIX])
        self.changed.emit()

    def _fill_empty_cells(self) -> None:
        self._filling = True
        for row in range(self.table.rowCount()):
            for column in range(self.table.columnCount()):
                item = self.table.item(row, column)
                if item is not None and not item.text():
                    item.setText("1" if row == column else "0")
        self._filling = False

    def _on_use_result(self) -> None:
        if self._result is not None:
            self._matrix = self._result
            self.choice.set(MATRIX)
            self.show_matrix(self._result)
            self.changed.emit()


_HINTS = {
    "auto": "Found when the registration runs. Type numbers here to begin elsewhere.",
    "header": "The positions in the files are taken as they are.",
    "centers": "The middle of one image on the middle of the other.",
    "landmarks": "Matching points on each other; the moving and the fixed points are in “1  Inputs”.",
    WINDOW: "As the two images lie in the window now.",
    MATRIX: "Fixed world to moving world, millimetres (RAS).",
}


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise InputError(
            f"The start matrix holds “{text}” where a number is needed; mend that cell."
        ) from None
