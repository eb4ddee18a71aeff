"""Which model gives the deformation, if any, and whether its result is refined."""

from __future__ import annotations

import html
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QVBoxLayout, QWidget

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.models.model_lines import ModelLine
from napari_voxelmorph.gui.section import WrappingLabel

_NONE = "No model: optimise only"
_ABOUT_REFINING = (
    "The preset sets the pre-alignment and how the network's result is refined for this pair."
)
_ABOUT_ALONE = "One pass of the network; of the preset only the pre-alignment counts."


class ModelChoice(QWidget):
    """Emits `changed`, and `list_opened` when the user is about to choose."""

    changed = Signal()
    list_opened = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.combo = _OpeningCombo(self.list_opened)
        self.about = WrappingLabel()
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setEnabled(False)
        self.refine = QCheckBox("Refine the network's result")
        self.refine.setToolTip(
            "<qt>Optimise the deformation further, for this pair: more accurate, and takes "
            "longer. Undo brings the network's own result back.</qt>"
        )
        self.refine.setChecked(memory.recall_truth("refine", True))
        self.lam = _lambda_box()
        self._lambda_row = Rows()
        self._lambda_row.add(
            "λ", self.lam, "0 follows the images, 1 stays smooth; for models trained for every λ"
        )
        #: What is to be known before this model registers this pair.
        self.message = Message(closable=False)
        self._lines: list[ModelLine] = []
        self._ndim: int | None = None
        self._deforms = True
        #: Stays wanted while the pair does not suit it.
        self._wanted = memory.recall_text("model")
        rows = Rows()
        rows.add("Model", self.combo, "A trained network; they are kept in the Models dock")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for part in (rows, self.about, self._lambda_row, self.refine, self.message):
            column.addWidget(part)
        self._fill()
        self.combo.currentIndexChanged.connect(self._on_chosen)
        self.refine.toggled.connect(self._on_refine)
        self.lam.valueChanged.connect(lambda *_: self.changed.emit())

    @property
    def model(self) -> str:
        """Name of the chosen model; empty for none."""
        return (self.combo.currentData() or "") if self._deforms else ""

    @property
    def has_lambda(self) -> bool:
        """Whether the chosen model was trained for every λ."""
        return any(line.name == self.model and line.has_lambda for line in self._lines)

    def set_lines(self, lines: list[ModelLine]) -> None:
        """Offer these models."""
        self._lines = lines
        self._refill()

    def set_pair(self, ndim: int | None) -> None:
        """Grey the models that cannot register a pair of so many axes (None: no pair yet)."""
        if ndim != self._ndim:
            self._ndim = ndim
            self._refill()

    def set_deforms(self, deforms: bool) -> None:
        """Whether the method deforms at all; where it does not, no model is used."""
        if deforms != self._deforms:
            self._deforms = deforms
            self._describe()

    def show_warnings(self, warnings: list[str]) -> None:
        """Say what the user should know of this model and this pair."""
        if not warnings or not self.model:
            self.message.clear()
            return
        one = len(warnings) == 1
        words = warnings[0] if one else "\n".join(f"• {text}" for text in warnings)
        self.message.show_text("warning", words)

    def _refill(self) -> None:
        before = self.model
        self._fill()
        if self.model != before:
            self.changed.emit()

    def _fill(self) -> None:
        blocked = self.combo.blockSignals(True)
        self.combo.clear()
        self.combo.addItem(_NONE, "")
        for line in self._lines:
            self._add(line)
        index = self.combo.findData(self._wanted) if self._wanted else 0
        if index < 0 or not self._item(index).isEnabled():
            index = 0
        self.combo.setCurrentIndex(index)
        self.combo.blockSignals(blocked)
        self._describe()

    def _add(self, line: ModelLine) -> None:
        reason = self._reason(line)
        text = f"{line.name} ({reason})" if reason else f"{line.name} – {line.summary}"
        self.combo.addItem(text, line.name)
        index = self.combo.count() - 1
        self._item(index).setEnabled(not reason)
        words = html.escape(line.problem or f"{line.name}: {line.summary}")
        self.combo.setItemData(index, f"<qt>{words}</qt>", Qt.ItemDataRole.ToolTipRole)

    def _reason(self, line: ModelLine) -> str:
        if line.problem:
            return "damaged"
        return "" if self._ndim is None else line.unsuited.get(self._ndim, "")

    def _item(self, index: int) -> Any:
        return self.combo.model().item(index)

    def _on_chosen(self, *_: Any) -> None:
        self._wanted = self.combo.currentData() or ""
        memory.remember("model", self._wanted)
        self._describe()
        self.changed.emit()

    def _on_refine(self, on: bool) -> None:
        memory.remember("refine", on)
        self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        self.combo.setEnabled(self._deforms)
        self.refine.setVisible(bool(self.model))
        self._lambda_row.setVisible(self.has_lambda)
        if not self.model:
            self.message.clear()
        line = next((m for m in self._lines if m.name == self.model), None)
        if not self._deforms and self.combo.currentData():
            self.about.setText("Nothing is deformed, so the model is not used.")
        elif line is not None:
            how = _ABOUT_REFINING if self.refine.isChecked() else _ABOUT_ALONE
            self.about.setText(f"{line.summary}. {how}")
        else:
            self.about.setText(self._why_not())

    def _why_not(self) -> str:
        """Why the model that was chosen before is not, if there was one."""
        line = next((m for m in self._lines if m.name == self._wanted), None)
        if line is None:
            gone = self._wanted and self._lines
            return f"The model “{self._wanted}” is not on the shelf any more." if gone else ""
        reason = self._reason(line)
        return f"“{line.name}” cannot be used: {reason}." if reason else ""


def _lambda_box() -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, 1.0)
    box.setSingleStep(0.05)
    box.setDecimals(3)
    box.setValue(DEFAULT.model_lambda)
    # Scrolling through the dock must not change it.
    box.wheelEvent = lambda event: event.ignore()
    return box


class _OpeningCombo(Combo):
    """A drop-down that tells before it opens."""

    def __init__(self, opened: Any) -> None:
        super().__init__()
        self._opened = opened

    def showPopup(self) -> None:
        """Open the list."""
        self._opened.emit()
        super().showPopup()
