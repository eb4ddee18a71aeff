"""The line above the table: colours, comparison with A, correcting by hand, more."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QPushButton, QToolButton, QWidget

from napari_voxelmorph.engine.review.rows import COLUMNS
from napari_voxelmorph.gui.form_parts import Combo

_OWN = "label colours"


class StructureTools(QWidget):
    """Buttons; what they do is the dock's."""

    color_chosen = Signal(str)  # key of a column, or "" for the labels' own colours
    pin_asked = Signal()
    unpin_asked = Signal()
    edit_asked = Signal()
    names_asked = Signal()
    nearest_chosen = Signal(bool)
    limits_asked = Signal()
    spread_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.search = QLineEdit()
        self.search.setPlaceholderText("find a structure")
        self.search.setClearButtonEnabled(True)
        self.color = Combo()
        self.color.setToolTip("Outlines of the moved structures: blue is good, orange is bad")
        self.pin = QPushButton("Pin A")
        self.edit = QPushButton("Correct")
        self.more = QToolButton()
        self.more.setText("…")
        self.more.setMinimumWidth(28)
        self.more.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.more.setToolTip("Uncertainty, limits of the flags, names of the labels, interpolation")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        self.spread = menu.addAction("Measure the uncertainty")
        self.spread.triggered.connect(lambda *_: self.spread_asked.emit())
        menu.addAction("Limits… (when a structure is flagged)").triggered.connect(
            lambda *_: self.limits_asked.emit()
        )
        menu.addSeparator()
        menu.addAction("Names of the labels… (FreeSurfer, ITK-SNAP, BIDS, CSV)").triggered.connect(
            lambda *_: self.names_asked.emit()
        )
        self.nearest = menu.addAction("Carry labels by nearest neighbour")
        self.nearest.setCheckable(True)
        self.nearest.toggled.connect(self.nearest_chosen)
        self.more.setMenu(menu)
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 0, 8, 0)
        line.setSpacing(4)
        line.addWidget(self.search, 3)
        line.addWidget(self.color, 3)
        for button in (self.pin, self.edit, self.more):
            line.addWidget(button)
        self.color.currentIndexChanged.connect(
            lambda *_: self.color_chosen.emit(self.color.currentData() or "")
        )
        self.pin.clicked.connect(self._on_pin)
        self.edit.clicked.connect(lambda: self.edit_asked.emit())
        self._pinned = False
        self.show_columns(True)
        self.show_pinned(False)
        self.show_editing(False)

    def show_columns(self, compared: bool) -> None:
        """Offer the columns that there are."""
        chosen = self.color.currentData()
        self.color.blockSignals(True)
        self.color.clear()
        self.color.addItem(_OWN, "")
        for column in COLUMNS:
            if compared or not column.needs_fixed:
                self.color.addItem(f"by {column.title}", column.key)
        usual = "dice" if compared and chosen is None else chosen
        self.color.setCurrentIndex(max(0, self.color.findData(usual)))
        self.color.blockSignals(False)

    def show_pinned(self, pinned: bool) -> None:
        """Whether a result is held for comparison."""
        self._pinned = pinned
        self.pin.setText("Drop A" if pinned else "Pin A")
        self.pin.setToolTip(
            "Stop comparing"
            if pinned
            else "Compare the results that follow with this one, "
            "structure by structure (column Δ Dice)"
        )

    def show_spread(self, possible: bool) -> None:
        """Whether more can be found out of the uncertainty."""
        self.spread.setEnabled(possible)

    def show_editing(self, editing: bool) -> None:
        """Whether the moved segmentation is being corrected."""
        self.edit.setText("Discard" if editing else "Correct")
        self.edit.setToolTip(
            "Take the corrected layer away, and judge what was computed again"
            if editing
            else "Correct the moved segmentation by hand in a layer of its own: paint, erase, fill; "
            "Ctrl-Z undoes"
        )

    def _on_pin(self) -> None:
        if self._pinned:
            self.unpin_asked.emit()
        else:
            self.pin_asked.emit()
