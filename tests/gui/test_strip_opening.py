"""The λ strip opens below the canvas, and takes nothing from the docks beside it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_voxelmorph.gui.lambda_strip.opening import keep_in_sight, put_below, side_widths


class Sized(QWidget):
    def __init__(self, width, height, least=100):
        super().__init__()
        self._size = QSize(width, height)
        self.setMinimumWidth(least)

    def sizeHint(self):
        return self._size


def docked(window, widget):
    dock = QDockWidget("dock", window)
    dock.setWidget(widget)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    return dock


def test_the_docks_keep_their_width(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(Sized(600, 600))
    window.resize(1280, 800)
    register = docked(window, Sized(380, 700, 360))
    window.show()
    qtbot.waitExposed(window)
    viewer = SimpleNamespace(window=SimpleNamespace(_qt_window=window))
    widths = side_widths(viewer)
    assert widths == {register: 380}
    content = Sized(900, 160, 660)
    strip = docked(window, content)
    qtbot.waitUntil(lambda: register.width() > 600)  # what a wide one beside it does
    assert put_below(content, widths)
    assert window.dockWidgetArea(strip) == Qt.DockWidgetArea.BottomDockWidgetArea
    qtbot.waitUntil(lambda: abs(register.width() - 380) <= 2)
    # From then on it is the user's.
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, strip)
    assert not put_below(content, widths)
    assert window.dockWidgetArea(strip) == Qt.DockWidgetArea.LeftDockWidgetArea


@pytest.mark.parametrize("now, zoom", [(400, 2.0), (800, 4.0), (900, 4.0), (0, 4.0)])
def test_what_was_seen_stays_in_sight(monkeypatch, now, zoom):
    """On a lower canvas the picture shrinks; on one as high or unknown it stays."""
    from napari_voxelmorph.gui.lambda_strip import opening

    monkeypatch.setattr(opening, "canvas_height", lambda viewer: now)
    viewer = SimpleNamespace(scene=SimpleNamespace(camera=SimpleNamespace(zoom=4.0)))
    keep_in_sight(viewer, 800)
    assert viewer.scene.camera.zoom == zoom
