"""How the scans of a training are paired and prepared: a part of the Train dock's data section."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.register.parameters_form import ParametersForm
from napari_voxelmorph.gui.section import More

#: Milliseconds without typing after which what was typed counts.
TYPED_MS = 500
_PAIRED, _ATLAS = "with each other", "to an atlas"
_FILES = (
    "Images (*.nii *.nii.gz *.mgz *.mgh *.img *.hdr *.nrrd *.nhdr *.mha *.mhd *.png *.tif *.tiff);;"
    "All files (*)"
)


class TrainPreparation(QWidget):
    """Fields of a `DataConfig`; `changed` when another look at the data is needed."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._build_pairing()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.pairing)
        column.addWidget(self.more)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(TYPED_MS)
        self._typed.timeout.connect(self.changed)
        self.target.currentIndexChanged.connect(self._on_target)
        self.open_atlas.clicked.connect(self._browse_atlas)
        self.atlas.textEdited.connect(lambda *_: self._typed.start())
        for box in (self.validation, self.spacing):
            box.valueChanged.connect(lambda *_: self._typed.start())
        self.form.changed.connect(lambda *_: self._typed.start())
        self.align.toggled.connect(lambda *_: self.changed.emit())
        self.atlas_row.hide()

    def _build_pairing(self) -> None:
        self.pairing = Rows()
        self.target = Combo()
        self.target.addItems([_PAIRED, _ATLAS])
        self.atlas = QLineEdit()
        self.atlas.setPlaceholderText("image file of the atlas")
        self.open_atlas = QPushButton("Open…")
        self.atlas_row = QWidget()
        line = QHBoxLayout(self.atlas_row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.atlas, 1)
        line.addWidget(self.open_atlas)
        self.validation = _number(QSpinBox(), 0, 50, 10, " % of the scans")
        self.validation.setSpecialValueText("none")
        self.spacing = _number(QDoubleSpinBox(), 0, 20, 0, " mm")
        self.spacing.setSpecialValueText("as the scans")
        self.spacing.setSingleStep(0.5)
        self.align = QCheckBox("align all scans first (affine)")
        self.align.setChecked(True)
        self.pairing.add("Register", self.target, "Which pairs the network learns from")
        self.pairing.add_wide(self.atlas_row)
        self.pairing.add(
            "Hold out", self.validation,
            "Scans that the network never learns from: on them it is judged while it trains.",
        )  # fmt: skip
        self.pairing.add(
            "Voxel size", self.spacing,
            "Of the grid that the network works on. Coarser is quicker and takes less memory.",
        )  # fmt: skip
        self.pairing.add(
            "Pre-align", self.align,
            "Turns, shifts and scales all scans onto a common place, so that the network learns "
            "the rest. Once per cohort; kept on the disk.",
        )  # fmt: skip
        self.form: ParametersForm[DataConfig] = ParametersForm(
            DEFAULT, leave_out=("atlas", "affine", "spacing", "validation_fraction")
        )
        self.more = More("more about the data")
        self.more.add(self.form)

    @property
    def missing(self) -> str:
        """What still has to be chosen, for the button; empty when nothing is."""
        wanted = self.target.currentText() == _ATLAS and not self.atlas.text().strip()
        return "Choose an atlas" if wanted else ""

    def config(self) -> DataConfig:
        """What the fields say; raises `InputError` when one cannot be read."""
        return replace(
            self.form.config(),
            atlas=self.atlas.text().strip() if self.target.currentText() == _ATLAS else "",
            affine=self.align.isChecked(),
            spacing=self.spacing.value(),
            validation_fraction=self.validation.value() / 100,
        )

    def show_config(self, data: DataConfig) -> None:
        """Show the preparation of an earlier training."""
        self.target.setCurrentText(_ATLAS if data.atlas else _PAIRED)
        self.atlas.setText(data.atlas)
        self.validation.setValue(round(100 * data.validation_fraction))
        self.spacing.setValue(data.spacing)
        self.align.setChecked(data.affine)
        self.form.set_config(data)
        self._typed.stop()

    def _on_target(self, *_: object) -> None:
        self.atlas_row.setVisible(self.target.currentText() == _ATLAS)
        self.changed.emit()

    def _browse_atlas(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open the atlas", self.atlas.text(), _FILES)
        if path:
            self.atlas.setText(path)
            self.changed.emit()


def _number(box: Any, low: float, high: float, value: float, unit: str) -> Any:
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(unit)
    box.setKeyboardTracking(False)
    box.wheelEvent = lambda event: event.ignore()
    return box
