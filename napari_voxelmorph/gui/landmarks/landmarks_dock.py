"""The Landmarks dock: pairs placed by clicking, and how far they lie apart before and after."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.landmarks.giving import Giving, used_in
from napari_voxelmorph.gui.landmarks.landmark_buttons import (
    LandmarkButtons,
    ask_name,
    ask_two_lists,
    use_box,
)
from napari_voxelmorph.gui.landmarks.landmark_table import LandmarkTable
from napari_voxelmorph.gui.landmarks.landmark_words import (
    FIXED,
    MOVING,
    NO_PAIR,
    NO_SPREAD,
    OFF,
    OTHER_SCANS,
    summary,
    use_words,
)
from napari_voxelmorph.gui.landmarks.measuring import NOTHING, Distances, distances
from napari_voxelmorph.gui.landmarks.pairs import Landmarks, Point
from napari_voxelmorph.gui.landmarks.placing import Placing
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.qa.looking import Looking
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.section import WrappingLabel, scrolling
from napari_voxelmorph.gui.views.shown_pair import same_volume

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

#: Of the table, and of all, px: beside other docks some of it stays in sight.
_LEAST_TABLE, _LEAST_HEIGHT = 110, 230


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
        #: What is in view; and the last that was: while a run begins there may be nothing.
        self._scene: Registration | None = None
        self._scans: Registration | None = None
        self.giving = Giving(self.present)
        self.words, self.summary = WrappingLabel(NO_PAIR), WrappingLabel()
        self.use_words = WrappingLabel()
        self.use_words.setEnabled(False)
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
        self.buttons = LandmarkButtons()
        self.place, self.undo = self.buttons.place, self.buttons.undo
        self.remove, self.save, self.load = (
            self.buttons.remove, self.buttons.save, self.buttons.load
        )  # fmt: skip
        self.use = use_box()
        self.table = LandmarkTable()
        self.table.setMinimumHeight(_LEAST_TABLE)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.addWidget(self.words)
        column.addWidget(self.message)
        column.addWidget(self.buttons)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        column.addWidget(self.use)
        column.addWidget(self.use_words)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        area = scrolling(inner)
        area.setMinimumHeight(_LEAST_HEIGHT)
        outer.addWidget(area)
        self.place.toggled.connect(self._on_place)
        self.undo.clicked.connect(self._on_undo)
        self.remove.clicked.connect(self._on_remove)
        self.load.clicked.connect(lambda: self._ask_load())
        self.save.clicked.connect(lambda: self._ask_save())
        self.use.clicked.connect(self._on_use)
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
        if view is None or not _same_scans(result, self._scans):
            self.landmarks = Landmarks()  # they belong to another pair
            self.giving.take_back()
        self._scene = result
        self._scans = self._scans if result is None else result
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
        found = self.errors()
        count = len(found.after)
        self.save.setEnabled(count > 0)
        self.table.show_pairs(items, found)
        used = 0
        if result is not None and count:
            used = used_in(self.landmarks.complete()[0], result)
        told = summary(found, used)
        if count and found.predicted is None:
            told = f"{told} {NO_SPREAD}"
        self.summary.setText(told)
        self.use.setEnabled(count > 0)
        self.use.setVisible(result is not None)
        self.use_words.setVisible(result is not None)
        self.use.setChecked(self.giving.used)
        self.use_words.setText(use_words(self.giving.used, count))

    def _advice(self) -> str:
        if self._scene is None:
            return NO_PAIR
        if not self.placing.on:
            return OFF
        return MOVING if self.landmarks.waiting else FIXED

    def errors(self) -> Distances:
        """Distances (mm) of each whole pair, and what the spread of the result predicts."""
        fixed, moving, _ = self.landmarks.complete()
        result, outcome = self._scene, self.present.outcome
        if result is None:
            return NOTHING
        start = result.affine if outcome is None else outcome.start
        return distances(result, start, fixed, moving, self._view.spreads.of(result))

    # What is done -----------------------------------------------------------------------------

    def _on_place(self, on: bool) -> None:
        self.placing.switch(on)
        self._show()

    def _on_point(self, fixed: Point, moving: Point) -> None:
        self.landmarks.place(fixed, moving)
        self._on_pairs()

    def _on_pairs(self) -> None:
        """The pairs are other ones: draw, measure, and pass them on where they are used."""
        self.placing.show(self._scene, self.landmarks)
        if self.giving.wanted:
            self.giving.give(self._scene, self.landmarks)
        self._show()

    def _on_use(self, on: bool) -> None:
        self.message.clear()
        if not on:
            self.giving.take_back()
        else:
            self.giving.give(self._scene, self.landmarks)
            if not self.giving.wanted:
                self.message.show_text("warning", OTHER_SCANS)
        self._show()

    def _on_undo(self) -> None:
        self.landmarks.undo()
        self._on_pairs()

    def _on_remove(self) -> None:
        self.landmarks.remove(self.table.chosen())
        self._on_pairs()

    def _fly(self, row: int, _: int = 0) -> None:
        if self._scene is None or row >= len(self.landmarks.items):
            return
        inverse = np.linalg.inv(self._scene.fixed.affine)
        point = self.landmarks.items[row].fixed
        voxel = np.rint(inverse[:-1, :-1] @ point + inverse[:-1, -1]).astype(int)
        self._looking.show(self._view, [], None)
        self._looking.fly_to(tuple(int(v) for v in voxel))

    def _ask_load(self) -> None:
        names = ask_two_lists(self)
        if names is not None:
            self.open(*names)

    def open(self, fixed: str, moving: str) -> None:
        """Read two lists of points."""
        from napari_voxelmorph.engine.files.landmarks import load_landmarks

        try:
            ndim = 3 if self._scene is None else self._scene.ndim
            points, names = load_landmarks(fixed, ndim)
            self.landmarks.set(points, load_landmarks(moving, ndim)[0], names)
        except VoxelMorphError as error:
            self.message.show_text("error", *sentence_and_details(error))
            return
        self.message.clear()
        self._on_pairs()

    def _ask_save(self) -> None:
        path = ask_name(self)
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


def _same_scans(first: Registration | None, second: Registration | None) -> bool:
    """Whether two results have the same images; nothing is like everything."""
    if first is None or second is None:
        return True
    return same_volume(first.fixed, second.fixed) and same_volume(first.moving, second.moving)


def _leave(placing: Placing, present: Any, dock: LandmarksDock) -> None:
    placing.switch(False)
    with suppress(RuntimeError):  # the window, and with it what was followed, is gone
        present.changed.disconnect(dock.refresh)
    view = dock._view
    if view is not None:
        view.changed.disconnect(dock.refresh)
