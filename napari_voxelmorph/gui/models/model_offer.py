"""Keeps the Register dock's list of models up to date with the shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_voxelmorph.gui.models.model_lines import read_lines
from napari_voxelmorph.gui.models.shelf_events import shelf_events

if TYPE_CHECKING:
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

_LANE = "register models"


class ModelOffer:
    """Reads the shelf in the engine thread: at the start, when it changes, and before a choice."""

    def __init__(self, dock: RegisterDock) -> None:
        self._dock, self._engine = dock, dock.engine
        self._ready = False
        dock.method.models.list_opened.connect(self.refresh)
        shelf_events.changed.connect(self.refresh)
        application = QGuiApplication.instance()
        self._active = application.applicationStateChanged
        self._active.connect(self._on_state)

    def begin(self) -> None:
        """The engine is loaded: read the shelf for the first time."""
        self._ready = True
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Read the shelf again; while the engine is loading or registering, that waits."""
        if self._ready and not self._engine.busy:
            show = self._dock.method.models.set_lines
            # A shelf that cannot be read is told by the Models dock.
            self._engine.submit(read_lines, lane=_LANE, on_done=show)

    def _on_state(self, state: Any) -> None:
        # Another window, or the command line, may have changed the shelf meanwhile.
        if state == Qt.ApplicationState.ApplicationActive:
            self.refresh()

    def leave(self) -> None:
        """The dock is gone."""
        self._engine.forget(_LANE)
        shelf_events.changed.disconnect(self.refresh)
        self._active.disconnect(self._on_state)
