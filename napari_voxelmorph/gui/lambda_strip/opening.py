"""Where the λ strip opens: below the canvas, over the whole width."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_voxelmorph.gui.background.pace import canvas_of

_PLUGIN, _WIDGET = "napari-voxelmorph", "Tune λ"
_HEIGHT = 168
#: Qt's size of a widget that was added but not laid out.
_NOT_PLACED_YET = QSize(640, 480)


def open_strip(viewer: Any) -> None:
    """Open the strip of a napari window, or bring it back.

    Through napari's own plugin mechanism, so that there is one per window, whoever opened it.
    """
    window = getattr(viewer, "window", None)
    if window is not None:
        dock, _ = window.add_plugin_dock_widget(_PLUGIN, _WIDGET)
        dock.show()
        dock.raise_()


def side_widths(viewer: Any) -> dict[QDockWidget, int]:
    """How wide the docks beside the canvas are."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None:
        return {}
    return {dock: _width(dock) for dock in _at_the_sides(window)}


def _at_the_sides(window: QMainWindow) -> list[QDockWidget]:
    sides = Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea
    return [d for d in window.findChildren(QDockWidget) if window.dockWidgetArea(d) & sides]


def _width(dock: QDockWidget) -> int:
    placed = dock.size() != _NOT_PLACED_YET
    return int(dock.width() if placed else dock.sizeHint().width())


def canvas_height(viewer: Any) -> int:
    """In pixels; 0 without a window."""
    canvas = canvas_of(viewer)
    return 0 if canvas is None else int(canvas.height())


def keep_in_sight(viewer: Any, height: int) -> None:
    """Show on a canvas that has become lower all that was seen when it was `height` high."""
    now = canvas_height(viewer)
    if 0 < now < height:
        viewer.scene.camera.zoom *= now / height


def put_below(widget: QWidget, widths: dict[QDockWidget, int]) -> bool:
    """Move a widget's dock to the bottom when it is first shown; from then on it is the user's.

    `widths` are those of the docks at the sides before: napari has first put the wide one there.
    Returns whether it has been moved now.
    """
    dock = widget.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    window = None if dock is None else dock.parent()
    if dock is None or not isinstance(window, QMainWindow):
        return False
    below = Qt.DockWidgetArea.BottomDockWidgetArea
    if dock.property("placed"):
        return False
    dock.setProperty("placed", True)
    if window.dockWidgetArea(dock) != below:
        window.addDockWidget(below, dock)
        window.resizeDocks([dock], [_HEIGHT], Qt.Orientation.Vertical)
        sides = [other for other in _at_the_sides(window) if other.isVisible()]
        # One that came after the measuring has the width that it asks for.
        wanted = [widths.get(other, other.sizeHint().width()) for other in sides]
        window.resizeDocks(sides, wanted, Qt.Orientation.Horizontal)
    return True
