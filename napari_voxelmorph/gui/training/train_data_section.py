"""Section 1 of the Train dock: which scans, what was found there, how they are paired."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.section import More, Section, WrappingLabel
from napari_voxelmorph.gui.training.train_preparation import TYPED_MS, TrainPreparation
from napari_voxelmorph.gui.training.training_choice import DataChoice, Found, Source
from napari_voxelmorph.gui.training.training_layers import layers_as_scans, words_on_layers

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
        "“labels”, “landmarks”, “subject”, “split” (train, validation or test), and “transform” "
        "(known, from the atlas to the scan). Paths may be relative to the table.",
    ),
    "bids": (
        "A BIDS data set",
        "Choose the top folder of a BIDS data set. The kind of scan that most participants have "
        "is taken (T1w first), with segmentations (dseg) of the tree and its derivatives.",
    ),
    "layers": ("The layers now open", ""),
}


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
        self.preparation = TrainPreparation()
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
            self.headline,
            self.found,
            self.skipped,
            self.message,
            self.preparation,
        ):
            self.add(part)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(TYPED_MS)
        self._connect()
        self._on_source()

    def _connect(self) -> None:
        self.source.currentIndexChanged.connect(self._on_source)
        self.browse.clicked.connect(self._browse)
        self.path.textEdited.connect(lambda *_: self._typed.start())
        self._typed.timeout.connect(self.changed)
        self.preparation.changed.connect(self.changed)

    def choice(self) -> DataChoice:
        """What is chosen; raises `InputError` when a layer cannot be used."""
        source: Source = self.source.currentData()
        layers = source == "layers"
        return DataChoice(
            source,
            "" if layers else self.path.text().strip(),
            self.preparation.config(),
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
        return self.preparation.missing

    def show_choice(self, choice: DataChoice) -> None:
        """Show the choice of an earlier training."""
        blocked = self.blockSignals(True)
        self.source.setCurrentIndex(self.source.findData(choice.source))
        self.path.setText(choice.path)
        self.preparation.show_config(choice.data)
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
        for part in (self.source, self._path_row, self.preparation):
            part.setEnabled(not fixed)

    def _expected(self) -> str:
        source: Source = self.source.currentData()
        return words_on_layers(self._viewer.layers) if source == "layers" else _SOURCES[source][1]

    def _on_source(self, *_: object) -> None:
        self._path_row.setVisible(self.source.currentData() != "layers")
        self.show_found(None)
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
