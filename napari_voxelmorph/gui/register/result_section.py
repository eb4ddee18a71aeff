"""Section 4 of the Register dock: what came out, in words and numbers; undo and save."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.gui.register.jobs import Outcome
from napari_voxelmorph.gui.register.result_words import Row, rows_of, verdict
from napari_voxelmorph.gui.register.save_menu import SaveMenu
from napari_voxelmorph.gui.section import Section, WrappingLabel

_NOTHING_YET = "Nothing yet. After a run its quality is judged here."


class ResultSection(Section):
    """The newest result.  Emits `undo_asked`, `redo_asked`, `save_asked(kind, path)`..."""

    undo_asked = Signal()
    redo_asked = Signal()
    save_asked = Signal(str, str)
    apply_asked = Signal()
    tune_asked = Signal()

    def __init__(self) -> None:
        super().__init__("4  Result", "result")
        self.verdict = WrappingLabel(_NOTHING_YET)
        self.add(self.verdict)
        self.table = QWidget()
        self._grid = QGridLayout(self.table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        self.add(self.table)
        self._build_buttons()
        #: Later parts of the dock (quality per structure, verdict) go in here.
        self.later = QVBoxLayout()
        self.inside.addLayout(self.later)
        self.show_outcome(None, False, False)

    def _build_buttons(self) -> None:
        self.undo = QPushButton("Undo")
        self.undo.setToolTip("Back to the result before this one, or to none")
        self.redo = QPushButton("Redo")
        self.redo.setToolTip("Forward again")
        self.tune = QPushButton("Tune λ")
        self.tune.setToolTip("Open the strip on which the smoothness is chosen by eye")
        self.tune.clicked.connect(lambda: self.tune_asked.emit())
        self.save = QPushButton("Save…")
        self.save_menu = SaveMenu(self)
        self.save_menu.asked.connect(self.save_asked)
        self.save.setMenu(self.save_menu)
        self.apply = QPushButton("Apply…")
        self.apply.setToolTip("Carry other images, segmentations, points, surfaces over")
        self.apply.clicked.connect(lambda: self.apply_asked.emit())
        self.undo.clicked.connect(lambda: self.undo_asked.emit())
        self.redo.clicked.connect(lambda: self.redo_asked.emit())
        self.buttons = QWidget()
        line = QHBoxLayout(self.buttons)
        line.setContentsMargins(0, 0, 0, 0)
        for button in (self.undo, self.redo, self.tune, self.save, self.apply):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            line.addWidget(button, 1)
        self.add(self.buttons)

    def show_outcome(self, outcome: Outcome | None, can_undo: bool, can_redo: bool) -> None:
        """Show a result, or that there is none."""
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)
        self.save.setEnabled(outcome is not None)
        self.apply.setEnabled(outcome is not None)
        self.save_menu.show_outcome(outcome)
        self.tune.setEnabled(outcome is not None and outcome.registration.field is not None)
        self.buttons.setVisible(outcome is not None or can_undo or can_redo)
        self.table.setVisible(outcome is not None)
        if outcome is None:
            undone = "The result is undone; the images lie as before. Redo brings it back."
            self.verdict.setText(undone if can_redo else _NOTHING_YET)
            return
        self.verdict.setText(verdict(outcome))
        self._fill(rows_of(outcome))

    def _fill(self, rows: list[Row]) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            label = None if item is None else item.widget()
            if label is not None:
                label.hide()  # it goes a moment later
                label.deleteLater()
        for index, row in enumerate(rows):
            for column, text in enumerate((row.what, row.before, row.after)):
                label = QLabel(text)
                label.setToolTip(row.help)
                label.setEnabled(bool(row.help))  # the head line is dimmed
                if column:
                    label.setAlignment(Qt.AlignmentFlag.AlignRight)
                else:
                    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                    label.setMinimumWidth(110)
                self._grid.addWidget(label, index, column)
