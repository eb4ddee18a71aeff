"""When a structure is flagged: a small form in the dock, and what it remembers."""

from __future__ import annotations

import dataclasses
import json

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_voxelmorph.engine.evaluation.flags import Limits
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.register.parameters_form import ParametersForm

_KEY = "qa/limits"


class LimitsForm(QFrame):
    """The limits of the flags; every change counts at once."""

    changed = Signal(object)  # Limits
    #: It is shown, or not any more.
    opened = Signal(bool)

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.form = ParametersForm(limits)
        self.form.more.set_text("without a fixed segmentation")
        self.reset, self.close_button = QPushButton("Reset"), QPushButton("Done")
        self.reset.setToolTip("Back to the limits that the program comes with")
        title = QLabel("A structure is flagged ⚑ when")
        buttons = QHBoxLayout()
        buttons.addWidget(self.reset)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 4)
        column.setSpacing(4)
        column.addWidget(title)
        column.addWidget(self.form)
        column.addLayout(buttons)
        self.form.changed.connect(self._on_changed)
        self.reset.clicked.connect(lambda: self.form.set_config(Limits()))
        self.close_button.clicked.connect(lambda: self.setVisible(False))
        self.setVisible(False)

    def setVisible(self, visible: bool) -> None:
        """Qt: tell others, who may make room."""
        super().setVisible(visible)
        self.opened.emit(visible)

    def _on_changed(self) -> None:
        limits = self.form.config()
        remember_limits(limits)
        self.changed.emit(limits)


def remember_limits(limits: Limits) -> None:
    """Keep the limits for the next window."""
    memory.remember(_KEY, json.dumps(dataclasses.asdict(limits)))


def recall_limits() -> Limits:
    """The limits of the last window; what cannot be read or is out of range is as at first."""
    try:
        told = json.loads(memory.recall_text(_KEY, "{}"))
    except ValueError:
        told = {}
    found = {}
    for item in dataclasses.fields(Limits):
        value = told.get(item.name) if isinstance(told, dict) else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if item.metadata["min"] <= value <= item.metadata["max"]:
            found[item.name] = float(value)
    return Limits(**found)
