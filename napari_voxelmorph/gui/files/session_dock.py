"""A session that napari opens is more than its layers: the Register dock shows the rest."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QThread
from qtpy.QtWidgets import QApplication

from napari_voxelmorph.gui.background.later import later
from napari_voxelmorph.gui.register.present import present_of


def show_dock() -> None:
    """Open the Register dock of the present window, if there is a window and none is open yet."""
    import napari

    application = QApplication.instance()
    if application is None or QThread.currentThread() is not application.thread():
        return
    viewer = napari.current_viewer()
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if viewer is not None and window is not None and present_of(viewer).view is None:
        # Later: the layers of the session come first.
        later(window, lambda: _open(viewer))


def _open(viewer: Any) -> None:
    if present_of(viewer).view is None:
        viewer.window.add_plugin_dock_widget("napari-voxelmorph", "Register")
