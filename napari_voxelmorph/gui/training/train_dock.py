"""The Train dock: data, recipe, the training with its curves, and the model on the shelf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.background.later import later
from napari_voxelmorph.gui.charts.chart_series import ChartColors
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.models.shelf_events import shelf_events
from napari_voxelmorph.gui.section import scrolling
from napari_voxelmorph.gui.training.train_controls import TrainControls
from napari_voxelmorph.gui.training.train_data_section import TrainDataSection
from napari_voxelmorph.gui.training.train_progress_section import TrainProgressSection
from napari_voxelmorph.gui.training.train_recipe_section import TrainRecipeSection
from napari_voxelmorph.gui.training.train_runner import TrainRunner
from napari_voxelmorph.gui.training.train_save_section import TrainSaveSection
from napari_voxelmorph.gui.training.training_runs import runs_folder

_MEASURE_AFTER_MS = 600


class TrainDock(QWidget):
    """Everything needed to train a network on one's own scans."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        # napari hands plugins a proxy that wraps every layer anew; identity needs the real one.
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.engine = engine_thread_of(self.viewer)
        self.data = TrainDataSection(self.viewer)
        self.recipe = TrainRecipeSection()
        self.progress = TrainProgressSection()
        self.save = TrainSaveSection()
        self.message = Message()
        self.controls = TrainControls()
        self.runner = TrainRunner(self)
        self._measure = QTimer(self)
        self._measure.setSingleShot(True)
        self._measure.setInterval(_MEASURE_AFTER_MS)
        self._lay_out()
        self._connect()
        self._on_theme()
        self.runner.begin()
        self.runner.show_readiness()

    def sizeHint(self) -> QSize:
        """Wide enough to read, narrow enough for a laptop."""
        return QSize(380, 700)

    def _lay_out(self) -> None:
        self.setMinimumWidth(360)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(6)
        for section in (self.data, self.recipe, self.progress, self.save):
            column.addWidget(section)
        column.addStretch(1)
        self.scroll_area = scrolling(inner)
        margins = QVBoxLayout()
        margins.setContentsMargins(8, 4, 8, 0)
        margins.addWidget(self.message)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.scroll_area, 1)
        outer.addLayout(margins)
        outer.addWidget(self.controls)

    def _connect(self) -> None:
        runner = self.runner
        self.data.changed.connect(runner.data.look)
        self.recipe.changed.connect(self._on_recipe)
        self.recipe.start_from.currentIndexChanged.connect(lambda *_: runner.data.look())
        self._measure.timeout.connect(runner.data.measure)
        self.progress.run_chosen.connect(runner.choose_run)
        self.progress.open_asked.connect(self._open_run)
        self.progress.preview_switched.connect(runner.switch_preview)
        self.save.save_asked.connect(runner.save)
        self.controls.start_asked.connect(runner.start)
        self.controls.stop_asked.connect(runner.stop)
        layers, viewer = self.viewer.layers.events, self.viewer.events
        layers.inserted.connect(self._on_layers)
        layers.removed.connect(self._on_layers)
        viewer.theme.connect(self._on_theme)
        shelf_events.changed.connect(runner.refresh_models)

        def leave() -> None:
            runner.leave()
            layers.inserted.disconnect(self._on_layers)
            layers.removed.disconnect(self._on_layers)
            viewer.theme.disconnect(self._on_theme)
            shelf_events.changed.disconnect(runner.refresh_models)

        when_destroyed(self, leave)

    def show_progress(self) -> None:
        """Fold what has been chosen away, so that the curves are in sight."""
        for section in (self.data, self.recipe):
            section.set_open(False)
        self.progress.set_open(True)
        later(self, lambda: self.scroll_area.ensureWidgetVisible(self.progress, 0, 0))

    def _on_recipe(self) -> None:
        self.runner.show_readiness()
        self._measure.start()

    def _on_layers(self, event: Any = None) -> None:
        if self.data.source.currentData() == "layers" and not self.runner.running:
            self.runner.data.look()

    def _open_run(self) -> None:
        base = runs_folder()
        start = str(base if base.is_dir() else Path.home())
        path = QFileDialog.getExistingDirectory(self, "Open the folder of a training", start)
        if path:
            self.runner.choose_run(Path(path))

    def _on_theme(self, event: Any = None) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self.viewer.theme)
        self.progress.set_colors(
            ChartColors(theme.background.as_hex(), theme.primary.as_hex(), theme.text.as_hex())
        )
