"""Section 1 of the Train dock: which scans, what was found there, how they are paired."""

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
    QWidget,
)

from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.parameters_form import ParametersForm
from napari_voxelmorph.gui.section import More, Section, WrappingLabel
from napari_voxelmorph.gui.training_choice import DataChoice, Found, Source
from napari_voxelmorph.gui.training_layers import layers_as_scans, words_on_layers

_TYPED_MS = 500
_SOURCES: dict[Source, tuple[str, str]] = {
    "folder": (
        "A folder of scans",
        "Choose a folder with the scans of one kind: files side by side, images beside labels, or a "
        "folder per person. A segmentation is found by its name (scan_01.nii.gz and "
        "scan_01_seg.nii.gz, or the same name in a folder “labels”). NIfTI, MGZ, NRRD, MHA.",
    ),
    "table": (
        "A table (CSV, TSV)",
        "Choose a table with one scan per row: a column “image” with the file, and, if you like, "
        "“labels”, “landmarks”, “subject”, and “split” (train, validation or test). Paths may be "
        "relative to the table.",
    ),
    "bids": (
        "A BIDS data set",
        "Choose the top folder of a BIDS data set: T1-weighted images are taken, and "
        "segmentations from its derivatives.",
    ),
    "layers": ("The layers now open", ""),
}
_PAIRED, _ATLAS = "with each other", "to an atlas"
_FILES = (
    "Images (*.nii *.nii.gz *.mgz *.mgh *.img *.hdr *.nrrd *.nhdr *.mha *.mhd *.png *.tif *.tiff);;"
    "All files (*)"
)


class TrainDataSection(Section):
    """Emits `changed` when another look at the data is needed."""

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__("1  Data", "train data")
        self._viewer = viewer
        self.source = Combo()
        for key, (text, _) in _SOURCES.items():
            self.source.addItem(text, key)
        self.path = QLineEdit()
        self.path.setPlaceholderText("none chosen yet")
        self.browse = QPushButton("Choose…")
        self.about = WrappingLabel()
        self.headline = WrappingLabel()
        self.headline.setStyleSheet("font-weight: bold;")
        self.found = WrappingLabel()
        self.skipped = More("")
        self.reasons = WrappingLabel()
        self.skipped.add(self.reasons)
        self.message = Message(closable=False)
        self._build_pairing()
        self._path_row = QWidget()
        line = QHBoxLayout(self._path_row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.path, 1)
        line.addWidget(self.browse)
        rows = Rows()
        rows.add("Scans from", self.source, "Where the scans of the training are")
        rows.add_wide(self._path_row)
        for part in (
            rows,
            self.about,
            self.found,
            self.skipped,
            self.message,
            self.pairing,
            self.more,
        ):
            self.add(part)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(_TYPED_MS)
        self._connect()
        self._on_source()

    def _build_pairing(self) -> None:
        self.pairing = Rows()
        self.target = Combo()
        self.target.addItems([_PAIRED, _ATLAS])
        self.atlas = QLineEdit()
        self.atlas.setPlaceholderText("image file of the atlas")
        self.open_atlas = QPushButton("Open…")
        self._atlas_row = QWidget()
        line = QHBoxLayout(self._atlas_row)
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
        self.pairing.add_wide(self._atlas_row)
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

    def _connect(self) -> None:
        self.source.currentIndexChanged.connect(self._on_source)
        self.browse.clicked.connect(self._browse)
        self.open_atlas.clicked.connect(self._browse_atlas)
        self.target.currentIndexChanged.connect(self._on_source)
        for line in (self.path, self.atlas):
            line.textEdited.connect(lambda *_: self._typed.start())
            line.editingFinished.connect(self._on_typed)
        self._typed.timeout.connect(self.changed)
        for box in (self.validation, self.spacing):
            box.valueChanged.connect(lambda *_: self._typed.start())
        self.align.toggled.connect(lambda *_: self.changed.emit())
        self.form.changed.connect(lambda *_: self._typed.start())

    def choice(self) -> DataChoice:
        """What is chosen; raises `InputError` when a layer cannot be used."""
        source: Source = self.source.currentData()
        atlas = self.atlas.text().strip() if self.target.currentText() == _ATLAS else ""
        data = replace(
            self.form.config(),
            atlas=atlas,
            affine=self.align.isChecked(),
            spacing=self.spacing.value(),
            validation_fraction=self.validation.value() / 100,
        )
        layers = source == "layers"
        return DataChoice(
            source,
            "" if layers else self.path.text().strip(),
            data,
            layers_as_scans(self._viewer.layers) if layers else (),
        )

    @property
    def missing(self) -> str:
        """What still has to be chosen, for the button; empty when nothing is."""
        source = self.source.currentData()
        if source == "layers":
            return "" if self._viewer.layers else "Open the scans first"
        if not self.path.text().strip():
            return "Choose a table" if source == "table" else "Choose a folder"
        if self.target.currentText() == _ATLAS and not self.atlas.text().strip():
            return "Choose an atlas"
        return ""

    def show_choice(self, choice: DataChoice) -> None:
        """Show the choice of an earlier training."""
        blocked = self.blockSignals(True)
        self.source.setCurrentIndex(self.source.findData(choice.source))
        self.path.setText(choice.path)
        data = choice.data
        self.target.setCurrentText(_ATLAS if data.atlas else _PAIRED)
        self.atlas.setText(data.atlas)
        self.validation.setValue(round(100 * data.validation_fraction))
        self.spacing.setValue(data.spacing)
        self.align.setChecked(data.affine)
        self.form.set_config(data)
        self._typed.stop()
        self.blockSignals(blocked)
        self._on_source()

    def show_looking(self, text: str = "Looking at the scans…") -> None:
        """Say that the engine is at it."""
        self.about.setText("")
        self.headline.setText("")
        self.message.clear()
        self.skipped.hide()
        self.found.setText(text)

    def show_found(self, found: Found | None) -> None:
        """Say what was found, or, for None, what is expected."""
        self.message.clear()
        self.skipped.setVisible(bool(found and found.skipped))
        self.headline.setText("" if found is None else found.headline)
        self.found.setText("" if found is None else "\n".join(found.facts))
        self.about.setText("" if found is not None and found.headline else self._expected())
        if found is None:
            return
        if found.problem:
            self.message.show_text("error", found.problem)
        elif found.warnings:
            self.message.show_text("warning", "\n".join(found.warnings))
        count = len(found.skipped)
        self.skipped.set_text(f"{count} file{'s' if count > 1 else ''} left out – why")
        self.reasons.setText("\n".join(f"{n}: {why}" for n, why in found.skipped[:50]))

    def set_fixed(self, fixed: bool) -> None:
        """While a training runs (or waits to go on) its data stay as they are."""
        for part in (self.source, self._path_row, self.pairing, self.form):
            part.setEnabled(not fixed)

    def _expected(self) -> str:
        source: Source = self.source.currentData()
        return words_on_layers(self._viewer.layers) if source == "layers" else _SOURCES[source][1]

    def _on_source(self, *_: object) -> None:
        self._path_row.setVisible(self.source.currentData() != "layers")
        self._atlas_row.setVisible(self.target.currentText() == _ATLAS)
        self.show_found(None)
        self.changed.emit()

    def _on_typed(self) -> None:
        if self._typed.isActive():
            self._typed.stop()
            self.changed.emit()

    def _browse(self) -> None:
        if self.source.currentData() == "table":
            path, _ = QFileDialog.getOpenFileName(
                self, "Choose the table of scans", self.path.text(), "Tables (*.csv *.tsv *.txt);;All files (*)"
            )  # fmt: skip
        else:
            path = QFileDialog.getExistingDirectory(self, "Choose the folder", self.path.text())
        self.choose_path(path)

    def choose_path(self, path: str) -> None:
        """Take a folder or table; an empty path changes nothing."""
        if path:
            self.path.setText(path)
            self.path.setToolTip(path)
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
