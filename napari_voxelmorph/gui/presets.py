"""The window arranged for one task: tuning λ, judging segmentations, training."""

from __future__ import annotations

from typing import Any

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

_PLUGIN = "napari-voxelmorph"
#: Docks in the order in which they are opened; the last one lies on top.
PRESETS: dict[str, tuple[str, ...]] = {
    "tune": ("Register", "Tune λ"),
    "qa": ("Register", "Segmentation QA"),
    "train": ("Models", "Train"),
}
_OURS = ("Register", "Tune λ", "Segmentation QA", "Train", "Models")


def arrange(viewer: Any, preset: str) -> None:
    """Open the docks of a task at the right (λ below), and hide our others.

    What was typed and chosen in a hidden dock stays; the docks of others are left alone.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    window = viewer.window
    wanted = PRESETS[preset]
    for name in _OURS:
        dock = _dock_of(window, name)
        if dock is not None and name not in wanted:
            dock.hide()
    for name in wanted:
        if _dock_of(window, name) is None:
            window.add_plugin_dock_widget(_PLUGIN, name, tabify=name != "Tune λ")
        dock = _dock_of(window, name)
        if dock is not None:
            dock.show()
            dock.raise_()
            _give_width(window._qt_window, dock)


def _dock_of(window: Any, name: str) -> QDockWidget | None:
    found = (d for d in window._qt_window.findChildren(QDockWidget) if d.objectName())
    titles = (name, f"{name} ({_PLUGIN})", f"{name} (VoxelMorph)")
    return next((d for d in found if d.objectName() in titles or d.windowTitle() in titles), None)


def _give_width(window: QMainWindow, dock: QDockWidget) -> None:
    """At least the width that the dock asks for: one that joins others gets theirs."""
    wanted = dock.sizeHint().width()
    at_side = window.dockWidgetArea(dock) in (
        Qt.DockWidgetArea.LeftDockWidgetArea,
        Qt.DockWidgetArea.RightDockWidgetArea,
    )
    if at_side and dock.width() < wanted:
        window.resizeDocks([dock], [wanted], Qt.Orientation.Horizontal)


def arrange_for_tuning(viewer: napari.Viewer) -> None:
    """Register dock and λ strip."""
    arrange(viewer, "tune")


def arrange_for_qa(viewer: napari.Viewer) -> None:
    """Register dock and, on top, the QA dock."""
    arrange(viewer, "qa")


def arrange_for_training(viewer: napari.Viewer) -> None:
    """Models dock and, on top, the Train dock."""
    arrange(viewer, "train")
