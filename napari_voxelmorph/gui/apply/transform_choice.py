"""Which transform is applied: the result that is shown, or a file of any program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.register.layer_choice import LayerChoice
from napari_voxelmorph.gui.section import More

_RESULT, _FILE = "The result shown now", "A file or a session folder"
_FOUND_OUT = "Found out from the file"
_FILTER = (
    "Transforms (*.h5 *.hdf5 *.x5 *.nii *.nii.gz *.mgz *.mgh *.lta *.mat *.txt *.tfm *.1D "
    "session.json);;All files (*)"
)


class TransformChoice(QWidget):
    """The source of the transform.  `changed` when it becomes another."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.path = ""
        self.source = Combo()
        self.source.addItems([_RESULT, _FILE])
        self.name = QElidingLabel("no file yet")
        self.name.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.open = QPushButton("File…")
        self.open_folder = QPushButton("Folder…")
        self.open.setToolTip("ANTs, ITK, Slicer, FSL, FreeSurfer, AFNI, SPM, X5, Learn2Reg")
        self.open_folder.setToolTip("A session, or a folder that the command line wrote")
        self.format = Combo()
        self.format.addItem(_FOUND_OUT, None)
        self.images = {
            role: LayerChoice(is_image, "as the file says", f"{role} image of the transform")
            for role in ("fixed", "moving")
        }
        self._lay_out()
        self.source.currentIndexChanged.connect(self._on_changed)
        self.open.clicked.connect(lambda: self._ask_file())
        self.open_folder.clicked.connect(lambda: self._ask_folder())
        self._on_changed()

    def _lay_out(self) -> None:
        rows = Rows()
        rows.add("Transform", self.source)
        self.file_rows = Rows()
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.name, 1)
        row.addWidget(self.open)
        row.addWidget(self.open_folder)
        self.file_rows.add_wide(line)
        more = More("format and images")
        inner = Rows()
        inner.add("Format", self.format, "Only needed where a file could be two things")
        for role, choice in self.images.items():
            choice.open.hide()
            inner.add(
                f"Its {role}", choice,
                f"The {role} image for which the transform was made. FSL and Learn2Reg files and "
                "plain matrices do not say where it lies.",
            )  # fmt: skip
        more.add(inner)
        self.file_rows.add_wide(more)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(rows)
        column.addWidget(self.file_rows)

    @property
    def from_file(self) -> bool:
        """Whether a file or folder is to be read."""
        return self.source.currentIndex() == 1

    @property
    def format_name(self) -> str | None:
        """The chosen format, None to find it out."""
        return self.format.currentData()

    def set_formats(self, titles: dict[str, str]) -> None:
        """Offer these formats, by name."""
        if self.format.count() == 1:
            for name, title in titles.items():
                self.format.addItem(title, name)

    def set_path(self, path: str) -> None:
        """Choose a file or a session folder."""
        place = Path(path)
        self.path = str(place.parent if place.name == "session.json" else place)
        self.name.setText(Path(self.path).name)
        self.name.setToolTip(self.path)
        self.source.setCurrentIndex(1)
        self._on_changed()

    def refresh(self, layers: Any) -> None:
        """The layers of the window have changed."""
        for choice in self.images.values():
            choice.refresh(layers)

    def _on_changed(self, *_: Any) -> None:
        self.file_rows.setVisible(self.from_file)
        self.changed.emit()

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a transform", "", _FILTER)
        if path:
            self.set_path(path)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Choose a session or result folder")
        if path:
            self.set_path(path)


def is_image(layer: Any) -> bool:
    """Whether a layer is a single image or segmentation."""
    return isinstance(layer, Image | Labels) and layer.ndim in (2, 3)
