"""The Landmarks dock: pairs placed by clicking, and how far they lie apart before and after."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.landmarks.pairs import Landmarks, Point
from napari_voxelmorph.gui.landmarks.placing import Placing
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.qa.looking import Looking
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.section import WrappingLabel

_NO_PAIR = (
    "Landmarks are pairs of points that mark the same place in both scans; their distance is the "
    "most direct measure of a registration.\n\nShow or register a pair in the Register dock first."
)
_OFF = (
    "Press “Place pairs”, then click the same place in the fixed and in the moved image, in turn."
)
_FIXED = "Click a point of the FIXED image (magenta)."
_MOVING = "Now click the same place in the MOVED image (green). Undo takes the fixed point back."
_HEAD = ("Pair", "before mm", "after mm")
_KINDS = "Landmarks (*.csv *.txt *.tsv *.fcsv *.pts);;All files (*)"


class LandmarksDock(QWidget):
    """Places landmark pairs on the pair that the window shows, and measures them."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.present = present_of(self.viewer)
        self.landmarks = Landmarks()
        self.placing = Placing(self.viewer, self._on_point)
        self._looking = Looking(self.viewer)
        self._view: Any = None
        self._scene: Any = None
        self.words, self.summary = WrappingLabel(_NO_PAIR), WrappingLabel()
        self.message = Message()
        self._build()
        self.present.changed.connect(self.refresh)
        when_destroyed(self, lambda: _leave(self.placing, self.present, self))
        self.refresh()

    def sizeHint(self) -> QSize:
        """As wide as the other docks."""
        return QSize(380, 500)

    def _build(self) -> None:
        self.setMinimumWidth(320)
        self.place = QPushButton("Place pairs")
        self.place.setCheckable(True)
        self.undo = QPushButton("Undo")
        self.remove = QPushButton("Remove")
        self.load = QPushButton("Open…")
        self.save = QPushButton("Save…")
        for button, help in (
            (self.place, "Clicks on the canvas place points, until it is pressed again"),
            (self.undo, "Take the last point back"),
            (self.remove, "Remove the selected pairs"),
            (self.load, "Two lists of points: of the fixed scan, then of the moving scan"),
            (self.save, "Two CSV files, NAME_fixed and NAME_moving, world RAS mm"),
        ):
            button.setToolTip(help)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.table = QTableWidget(0, len(_HEAD))
        self.table.setHorizontalHeaderLabels(_HEAD)
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        column = QVBoxLayout(self)
        column.addWidget(self.words)
        column.addWidget(self.message)
        for line in ((self.place, self.undo, self.remove), (self.load, self.save)):
            row = QHBoxLayout()
            for button in line:
                row.addWidget(button, 1)
            column.addLayout(row)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        self.place.toggled.connect(self._on_place)
        self.undo.clicked.connect(self._on_undo)
        self.remove.clicked.connect(self._on_remove)
        self.load.clicked.connect(lambda: self._ask_load())
        self.save.clicked.connect(lambda: self._ask_save())
        self.table.cellClicked.connect(self._fly)

    # What is shown --------------------------------------------------------------------------

    def refresh(self, *_: Any) -> None:
        """Follow the pair in the window, and measure again."""
        view = self.present.view
        if view is not self._view:
            if self._view is not None:
                self._view.changed.disconnect(self.refresh)
            if view is not None:
                view.changed.connect(self.refresh)
            self._view = view
        result = view.layers.scene.registration if view is not None and view.has_pair else None
        if result is None or (self._scene is not None and not _same_scans(result, self._scene)):
            self.landmarks = Landmarks()  # they belong to another pair
        self._scene = result
        if view is None:
            self.placing.forget()  # the window may be closing: its layers are not touched
        self.placing.show(result, self.landmarks)
        if result is None and self.place.isChecked():
            self.place.setChecked(False)
        self._show()

    def _show(self) -> None:
        result, items = self._scene, self.landmarks.items
        self.words.setText(self._advice())
        for button in (self.place, self.load):
            button.setEnabled(result is not None)
        self.undo.setEnabled(bool(items))
        self.remove.setEnabled(bool(items))
        before, after = self.errors()
        self.save.setEnabled(len(after) > 0)
        self.table.setRowCount(len(items))
        for n, item in enumerate(items):
            texts = [item.name, "…", "…"]
            if n < len(after):
                texts = [item.name, f"{before[n]:.2f}", f"{after[n]:.2f}"]
            for at, text in enumerate(texts):
                cell = QTableWidgetItem(text)
                if at:
                    cell.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(n, at, cell)
        self.summary.setText(_summary(before, after))

    def _advice(self) -> str:
        if self._scene is None:
            return _NO_PAIR
        if not self.placing.on:
            return _OFF
        return _MOVING if self.landmarks.waiting else _FIXED

    def errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance (mm) of each whole pair before registration and now."""
        from napari_voxelmorph.engine.evaluation.metrics import target_registration_error

        fixed, moving, _ = self.landmarks.complete()
        result, outcome = self._scene, self.present.outcome
        if result is None or not len(fixed):
            return np.zeros(0), np.zeros(0)
        start = np.eye(result.ndim + 1) if outcome is None else outcome.start
        if outcome is None:
            start = result.affine
        before = replace(result, affine=start, field=None)
        return (
            target_registration_error(before, fixed, moving),
            target_registration_error(result, fixed, moving),
        )

    # What is done -----------------------------------------------------------------------------

    def _on_place(self, on: bool) -> None:
        self.placing.switch(on)
        self._show()

    def _on_point(self, fixed: Point, moving: Point) -> None:
        self.landmarks.place(fixed, moving)
        self.placing.show(self._scene, self.landmarks)
        self._show()

    def _on_undo(self) -> None:
        self.landmarks.undo()
        self.placing.show(self._scene, self.landmarks)
        self._show()

    def _on_remove(self) -> None:
        chosen = sorted({index.row() for index in self.table.selectedIndexes()})
        self.landmarks.remove(chosen)
        self.placing.show(self._scene, self.landmarks)
        self._show()

    def _fly(self, row: int, _: int = 0) -> None:
        if self._scene is None or row >= len(self.landmarks.items):
            return
        inverse = np.linalg.inv(self._scene.fixed.affine)
        point = self.landmarks.items[row].fixed
        voxel = np.rint(inverse[:-1, :-1] @ point + inverse[:-1, -1]).astype(int)
        self._looking.show(self._view, [], None)
        self._looking.fly_to(tuple(int(v) for v in voxel))

    def _ask_load(self) -> None:
        fixed, _ = QFileDialog.getOpenFileName(self, "Landmarks of the FIXED scan", "", _KINDS)
        moving = (
            fixed
            and QFileDialog.getOpenFileName(
                self, "Landmarks of the MOVING scan", str(Path(fixed).parent), _KINDS
            )[0]
        )
        if fixed and moving:
            self.open(fixed, moving)

    def open(self, fixed: str, moving: str) -> None:
        """Read two lists of points."""
        from napari_voxelmorph.engine.files.landmarks import load_landmarks

        try:
            ndim = self._scene.ndim
            points, names = load_landmarks(fixed, ndim)
            self.landmarks.set(points, load_landmarks(moving, ndim)[0], names)
        except VoxelMorphError as error:
            self.message.show_text("error", *sentence_and_details(error))
            return
        self.message.clear()
        self.placing.show(self._scene, self.landmarks)
        self._show()

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the pairs", "landmarks.csv", "*.csv")
        if path:
            self.write(path)

    def write(self, path: str) -> None:
        """Save the whole pairs as ``NAME_fixed.csv`` and ``NAME_moving.csv``."""
        from napari_voxelmorph.engine.files.landmarks import save_landmarks

        fixed, moving, names = self.landmarks.complete()
        target = Path(path)
        try:
            for points, role in ((fixed, "fixed"), (moving, "moving")):
                save_landmarks(points, target.with_name(f"{target.stem}_{role}.csv"), names)
        except VoxelMorphError as error:
            self.message.show_text("error", *sentence_and_details(error))
            return
        where = f"{target.stem}_fixed.csv and {target.stem}_moving.csv"
        self.message.show_text("done", f"Saved {where} in {target.parent}")


def _summary(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    if not len(after):
        return ""
    pairs = "1 pair" if len(after) == 1 else f"{len(after)} pairs"
    return (
        f"{pairs}: {before.mean():.2f} mm before, {after.mean():.2f} mm after "
        f"(largest {after.max():.2f} mm)"
    )


def _same_scans(first: Any, second: Any) -> bool:
    return all(
        getattr(first, role) is getattr(second, role)
        or getattr(first, role).data is getattr(second, role).data
        for role in ("fixed", "moving")
    )


def _leave(placing: Placing, present: Any, dock: LandmarksDock) -> None:
    placing.switch(False)
    with suppress(RuntimeError):  # the window, and with it what was followed, is gone
        present.changed.disconnect(dock.refresh)
    view = dock._view
    if view is not None:
        view.changed.disconnect(dock.refresh)
