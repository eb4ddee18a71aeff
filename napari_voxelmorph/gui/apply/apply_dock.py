"""The Apply dock: choose a transform, what it shall carry over, and where the results go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_voxelmorph.gui.apply.apply_jobs import Done, applying, format_titles
from napari_voxelmorph.gui.apply.asked import asked_for, readiness, result_in
from napari_voxelmorph.gui.apply.things_list import ThingsList
from napari_voxelmorph.gui.apply.transform_choice import TransformChoice, is_image
from napari_voxelmorph.gui.background.closing_task import ClosingTask
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.background.engine_worker import Job
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.register.layer_choice import LayerChoice
from napari_voxelmorph.gui.register.run_controls import STRONG_BUTTON, time_left
from napari_voxelmorph.gui.section import Section, scrolling

LANE, _FORMATS = "apply", "apply formats"
_DIRECTIONS = ("moving scan to fixed scan", "fixed scan to moving scan")
_MODES = {
    "By kind (images linear, labels nearest)": None,
    "Linear": "linear",
    "Nearest": "nearest",
    "Cubic": "cubic",
    "Majority (labels, smoother borders)": "majority",
}


class ApplyDock(QWidget):
    """Carry images, segmentations, series, points and surfaces over, many at once."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.engine = engine_thread_of(self.viewer)
        self.transform = TransformChoice()
        self.things = ThingsList(self.viewer)
        self.message = Message()
        self.folder = ""
        self._tasks: list[ClosingTask] = []
        self._build_options()
        self._build_controls()
        self._lay_out()
        self._connect()
        self._on_layers()
        self.engine.submit(format_titles, lane=_FORMATS, on_done=self.transform.set_formats)

    def sizeHint(self) -> QSize:
        """Wide enough to read, narrow enough for a laptop."""
        return QSize(380, 640)

    def _build_options(self) -> None:
        self.direction = Combo()
        self.direction.addItems(_DIRECTIONS)
        self.mode = Combo()
        for text, mode in _MODES.items():
            self.mode.addItem(text, mode)
        self.grid = LayerChoice(is_image, "that of the other scan", "grid of the results")
        self.grid.open.hide()
        self.place = QElidingLabel("no folder yet")
        self.place.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.choose_folder = QPushButton("Choose…")
        self.dicom = QCheckBox("as DICOM (series, and SEG for segmentations)")
        self.dicom.setToolTip("The image whose grid the results get must come from a DICOM series")
        self.show_results = QCheckBox("open the results in this window")
        self.show_results.setToolTip("Images, segmentations and points; the files are written too")
        self.show_results.setChecked(True)

    def _build_controls(self) -> None:
        self.button = QPushButton()
        self.button.setMinimumHeight(34)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.hide()

    def _lay_out(self) -> None:
        self.setMinimumWidth(340)
        which, what, how = (Section(t, k) for t, k in (
            ("1  Transform", "apply transform"), ("2  What", "apply what"), ("3  How", "apply how"),
        ))  # fmt: skip
        which.add(self.transform)
        what.add(self.things)
        folder = QWidget()
        row = QHBoxLayout(folder)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.place, 1)
        row.addWidget(self.choose_folder)
        rows = Rows()
        rows.add("Direction", self.direction, "Images, segmentations and points go this way")
        rows.add("Interpolation", self.mode)
        rows.add("Grid", self.grid, "The image whose voxels the results shall have")
        rows.add("Folder", folder, "Where the files are written: NAME_moved or NAME_back")
        for box in (self.dicom, self.show_results):
            rows.add_wide(box)
        how.add(rows)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 4, 0, 4)
        for section in (which, what, how):
            column.addWidget(section)
        column.addStretch(1)
        bottom = QVBoxLayout()
        bottom.setContentsMargins(8, 4, 8, 6)
        for widget in (self.message, self.bar, self.button):
            bottom.addWidget(widget)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(inner), 1)
        outer.addLayout(bottom)

    def _connect(self) -> None:
        self.choose_folder.clicked.connect(lambda: self._ask_folder())
        self.button.clicked.connect(lambda: self._on_button())
        for signal in (self.transform.changed, self.things.changed):
            signal.connect(self.refresh)
        events = self.viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._on_layers)
        engine, on_layers, tasks = self.engine, self._on_layers, self._tasks
        when_destroyed(self, lambda: _leave(engine, events, on_layers, tasks))

    def refresh(self, *_: Any) -> None:
        """Say on the button what is missing."""
        if self.running:
            return
        text, ready = readiness(self)
        self.button.setText(text)
        self.button.setEnabled(ready)
        self.button.setStyleSheet(STRONG_BUTTON if ready else "")

    def set_folder(self, path: str) -> None:
        """Choose where the results go."""
        self.folder = path
        self.place.setText(Path(path).name or path)
        self.place.setToolTip(path)
        self.refresh()

    @property
    def running(self) -> bool:
        """Whether things are being carried over."""
        return self.engine.works_on(LANE)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Where shall the results be written?")
        if path:
            self.set_folder(path)

    def _on_layers(self, event: Any = None) -> None:
        if event is not None and event.type == "removed":
            self.things.forget_layer(event.value)
        self.transform.refresh(self.viewer.layers)
        self.grid.refresh(self.viewer.layers)
        self.refresh()

    def _on_button(self) -> None:
        if self.running:
            self.button.setText("Cancelling…")
            self.button.setEnabled(False)
            self.engine.cancel(LANE)
            return
        self.message.clear()
        try:
            request = asked_for(self, result_in(self.viewer))
        except Exception as error:
            self.message.show_text("error", *sentence_and_details(error))
            return
        self.engine.submit(
            lambda: applying(request),
            lane=LANE,
            on_start=self._begin,
            on_step=self._on_step,
            on_done=self._on_done,
            on_error=self._on_error,
            on_cancelled=self._on_cancelled,
        )

    def _begin(self, job: Job) -> None:
        self._tasks.append(ClosingTask(self.viewer, job.cancel, "results are being written"))
        self.bar.setValue(0)
        self.bar.setFormat("Starting…")
        self.bar.show()
        self.button.setText("Cancel")
        self.button.setEnabled(True)
        self.button.setStyleSheet("")

    def _on_step(self, step: Any, _: Any) -> None:
        left = time_left(step.seconds_left)
        self.bar.setValue(round(1000 * step.fraction))
        self.bar.setFormat(f"{step.phase} · {left}" if left else step.phase)

    def _end(self) -> None:
        _end_all(self._tasks)
        self.bar.hide()
        self.refresh()

    def _on_done(self, done: Done) -> None:
        self._end()
        for layer in done.layers:
            self.viewer.add_layer(layer)
        count = len(done.written)
        words = done.written[0].name if count == 1 else f"{count} results"
        self.message.show_text("done", f"Written into {self.folder}: {words}")

    def _on_error(self, sentence: str, details: str) -> None:
        self._end()
        self.message.show_text("error", sentence, details)

    def _on_cancelled(self) -> None:
        self._end()
        self.message.show_text("warning", "Cancelled. Results that were finished are kept.")


def _leave(engine: Any, events: Any, on_layers: Any, tasks: list[ClosingTask]) -> None:
    """The dock is gone."""
    engine.forget(LANE, _FORMATS)
    _end_all(tasks)
    for event in (events.inserted, events.removed, events.renamed):
        event.disconnect(on_layers)


def _end_all(tasks: list[ClosingTask]) -> None:
    while tasks:
        tasks.pop().end()
