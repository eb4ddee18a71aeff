"""The Models dock: what is on the shelf, what it is, and what comes and goes."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QInputDialog,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.charts.chart_series import ChartColors
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.models.model_details import ModelDetails
from napari_voxelmorph.gui.models.model_lines import ModelLine, read_lines
from napari_voxelmorph.gui.models.model_list import ModelList
from napari_voxelmorph.gui.models.shelf_events import shelf_events
from napari_voxelmorph.gui.models.shelf_work import LANE, ShelfWork
from napari_voxelmorph.gui.section import WrappingLabel, scrolling

_EMPTY = (
    "There is no model yet.\n\nA model is a trained network: it registers a pair in one pass, in "
    "a second or a few. Train one on your own scans in the Train dock, or import one: a zip file "
    "or a folder that somebody exported here, or a Keras file (.h5) of the VoxelMorph papers.\n\n"
    "Without a model, the Register dock optimises each pair from scratch."
)
_KINDS = "Models (*.zip *.h5 *.hdf5 *.keras model.json)"
_LANES = ("model list", LANE)


class ModelsDock(QWidget):
    """The shelf of models of this user and of the package."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.engine = engine_thread_of(self.viewer)
        self.list = ModelList()
        self.details = ModelDetails()
        self.message = Message()
        self.empty = WrappingLabel(_EMPTY)
        self._build_buttons()
        self.work = ShelfWork(self)
        self._lay_out()
        self._connect()
        self._on_theme()
        self.setAcceptDrops(True)
        self.empty.hide()
        self.refresh()

    def sizeHint(self) -> QSize:
        """Wide enough to read, narrow enough for a laptop."""
        return QSize(380, 700)

    def _build_buttons(self) -> None:
        self.come = QPushButton("Import…")
        self.come.setMinimumHeight(30)
        menu = QMenu(self.come)
        menu.addAction("Files… (.zip, Keras .h5)").triggered.connect(lambda *_: self._ask_files())
        menu.addAction("Model folder…").triggered.connect(lambda *_: self._ask_folder())
        self.come.setMenu(menu)
        self.back = QPushButton()
        self.back.hide()

    def _lay_out(self) -> None:
        self.setMinimumWidth(360)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(6)
        for part in (self.empty, self.list, self.details):
            column.addWidget(part)
        column.addStretch(1)
        self.scroll_area = scrolling(inner)
        bottom = QVBoxLayout()
        bottom.setContentsMargins(8, 4, 8, 6)
        for widget in (self.message, self.back, self.come):
            bottom.addWidget(widget)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.scroll_area, 1)
        outer.addLayout(bottom)

    def _connect(self) -> None:
        self.list.chosen.connect(self.details.show_model)
        self.details.export_asked.connect(self._ask_export)
        self.details.rename_asked.connect(self._ask_rename)
        self.details.remove_asked.connect(self.work.remove)
        self.back.clicked.connect(lambda: self.work.bring_back())
        shelf_events.changed.connect(self.refresh)
        # Another window, or the command line, may have changed the shelf meanwhile.
        application, theme = QGuiApplication.instance(), self.viewer.events.theme
        application.applicationStateChanged.connect(self._on_state)
        theme.connect(self._on_theme)
        engine = self.engine

        def leave() -> None:
            engine.forget(*_LANES)
            shelf_events.changed.disconnect(self.refresh)
            theme.disconnect(self._on_theme)

        when_destroyed(self, leave)

    # The list ---------------------------------------------------------------------------

    def refresh(self, chosen: str = "") -> None:
        """Read the shelf again; `chosen` is the model to show."""
        self.engine.submit(
            read_lines,
            lane="model list",
            on_done=lambda lines: self._show(lines, chosen),
            on_error=lambda text, more: self.message.show_text("error", text, more),
        )

    def _show(self, lines: list[ModelLine], chosen: str) -> None:
        self.empty.setVisible(not lines)
        self.list.show_lines(lines, chosen)

    def _on_state(self, state: Any) -> None:
        if state == Qt.ApplicationState.ApplicationActive and self.isVisible():
            self.refresh()

    def _on_theme(self, event: Any = None) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self.viewer.theme)
        self.details.set_colors(
            ChartColors(theme.background.as_hex(), theme.primary.as_hex(), theme.text.as_hex())
        )

    # Questions --------------------------------------------------------------------------

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Import models", "", _KINDS)
        self.work.bring(paths)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Import a model folder")
        self.work.bring([path] if path else [])

    def _ask_export(self, name: str) -> None:
        kinds = "Zip file (*.zip);;Folder (*)"
        path, kind = QFileDialog.getSaveFileName(self, "Export the model", f"{name}.zip", kinds)
        if path and kind.startswith("Folder"):
            path = path.removesuffix(".zip")
        if path:
            self.work.send(name, path)

    def _ask_rename(self, name: str) -> None:
        new, agreed = QInputDialog.getText(self, "Rename the model", "New name:", text=name)
        if agreed:
            self.work.rename(name, new.strip())

    # Files dropped onto the dock ----------------------------------------------------------

    def dragEnterEvent(self, event: Any) -> None:
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Import what was dropped."""
        event.acceptProposedAction()
        urls = event.mimeData().urls()
        self.work.bring([url.toLocalFile() for url in urls if url.isLocalFile()])
