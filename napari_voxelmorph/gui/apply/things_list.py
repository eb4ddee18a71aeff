"""What shall be carried over: files and layers, one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Points
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

FILTER = (
    "Images, points, surfaces (*.nii *.nii.gz *.mgz *.mgh *.img *.hdr *.nrrd *.nhdr *.mha *.mhd "
    "*.dcm *.png *.tif *.tiff *.jpg *.jpeg *.csv *.tsv *.txt *.fcsv *.pts *.json *.gii *.vtk)"
    ";;All files (*)"
)
_KIND = Qt.ItemDataRole.UserRole + 1
_LABELS, _ANY = "labels", ""


class ThingsList(QWidget):
    """A list with Add and Remove; files may be dropped on it.  `changed` tells."""

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setFixedHeight(120)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip(
            "Images, 4-D series, segmentations, points (CSV, Slicer), surfaces (GIFTI, VTK); a "
            "segmentation whose file does not say so: right-click"
        )
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._on_menu)
        self.files = QPushButton("Files…")
        self.folder = QPushButton("DICOM…")
        self.layers = QPushButton("Layer")
        self.remove = QPushButton("Remove")
        self.files.setToolTip("Add files")
        self.folder.setToolTip("Add a folder with a DICOM series")
        self.layers.setToolTip("Add a layer of this window")
        self._menu = QMenu(self.layers)
        self._menu.aboutToShow.connect(self._offer_layers)
        self.layers.setMenu(self._menu)
        self.files.clicked.connect(lambda: self._ask_files())
        self.folder.clicked.connect(lambda: self._ask_folder())
        self.remove.clicked.connect(lambda: self._remove())
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in (self.files, self.folder, self.layers, self.remove):
            button.setMinimumWidth(40)
            row.addWidget(button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.list)
        column.addLayout(row)
        self.setAcceptDrops(True)

    def things(self) -> list[tuple[Any, bool]]:
        """Paths and layers in their order, and whether each is said to be a segmentation."""
        found = [self.list.item(n) for n in range(self.list.count())]
        return [(i.data(Qt.ItemDataRole.UserRole), i.data(_KIND) == _LABELS) for i in found if i]

    def add_files(self, paths: list[str]) -> None:
        """Append files and DICOM folders; what is there already is not doubled."""
        there = {thing for thing, _ in self.things() if isinstance(thing, str)}
        for path in paths:
            if path not in there:
                self._append(path, Path(path).name, path)
        self.changed.emit()

    def add_layer(self, layer: Any) -> None:
        """Append an open layer."""
        if all(thing is not layer for thing, _ in self.things()):
            self._append(layer, f"{layer.name}  (layer)", "A layer of this window")
        self.changed.emit()

    def _append(self, thing: Any, text: str, tip: str) -> None:
        item = QListWidgetItem(text)
        item.setData(Qt.ItemDataRole.UserRole, thing)
        item.setData(_KIND, _ANY)
        item.setToolTip(tip)
        self.list.addItem(item)

    def forget_layer(self, layer: Any) -> None:
        """A layer has left the window."""
        for n in reversed(range(self.list.count())):
            item = self.list.item(n)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) is layer:
                self.list.takeItem(n)
                self.changed.emit()

    def _offer_layers(self) -> None:
        self._menu.clear()
        kinds = (Image, Labels, Points)
        fitting = [la for la in self._viewer.layers if isinstance(la, kinds) and la.ndim in (2, 3)]
        for layer in reversed(fitting):
            action = self._menu.addAction(layer.name)
            action.triggered.connect(lambda *_, layer=layer: self.add_layer(layer))
        if not fitting:
            self._menu.addAction("There is no layer").setEnabled(False)

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "What shall be carried over", "", FILTER)
        self.add_files(paths)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A folder with a DICOM series")
        self.add_files([path] if path else [])

    def _remove(self) -> None:
        for item in self.list.selectedItems():
            self.list.takeItem(self.list.row(item))
        self.changed.emit()

    def _on_menu(self, place: Any) -> None:
        item = self.list.itemAt(place)
        if item is None or not isinstance(item.data(Qt.ItemDataRole.UserRole), str):
            return
        menu = QMenu(self)
        action = menu.addAction("Is a segmentation")
        action.setCheckable(True)
        action.setChecked(item.data(_KIND) == _LABELS)
        action.triggered.connect(lambda on: self.set_labels(self.list.row(item), on))
        menu.exec(self.list.mapToGlobal(place))

    def set_labels(self, row: int, on: bool) -> None:
        """Say that a file is a segmentation, or leave it to the file."""
        item = self.list.item(row)
        if item is None:
            return
        item.setData(_KIND, _LABELS if on else _ANY)
        name = Path(item.data(Qt.ItemDataRole.UserRole)).name
        item.setText(f"{name}  (segmentation)" if on else name)

    def dragEnterEvent(self, event: Any) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Take files."""
        self.add_files([u.toLocalFile() for u in event.mimeData().urls() if u.isLocalFile()])
