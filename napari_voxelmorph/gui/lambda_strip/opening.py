"""Where the λ strip opens: below the canvas, over the whole width."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_PLUGIN, _WIDGET = "napari-voxelmorph", "Tune λ"
_HEIGHT = 168


def open_strip(viewer: Any) -> None:
    """Open the strip of a napari window, or bring it back.

    Through napari's own plugin mechanism, so that there is one per window, whoever opened it.
    """
    window = getattr(viewer, "window", None)
    if window is not None:
        dock, _ = window.add_plugin_dock_widget(_PLUGIN, _WIDGET)
        dock.show()
        dock.raise_()


def put_below(widget: QWidget) -> None:
    """Move a widget's dock to the bottom when it is first shown; from then on it is the user's."""
    dock = widget.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    window = None if dock is None else dock.parent()
    if dock is None or not isinstance(window, QMainWindow):
        return
    below = Qt.DockWidgetArea.BottomDockWidgetArea
    if dock.property("placed"):
        return
    dock.setProperty("placed", True)
    if window.dockWidgetArea(dock) != below:
        window.addDockWidget(below, dock)
        window.resizeDocks([dock], [_HEIGHT], Qt.Orientation.Vertical)
