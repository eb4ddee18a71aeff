"""Bring an opened case into the window, through the Register dock that shows all pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_voxelmorph.engine.review.case import OpenCase
from napari_voxelmorph.gui.background.garbage import Hold
from napari_voxelmorph.gui.background.pace import canvas_of, unpainted
from napari_voxelmorph.gui.register.jobs import Outcome, Pair
from napari_voxelmorph.gui.register.register_dock import RegisterDock
from napari_voxelmorph.gui.register.reopening import pair_of, reopen

_PLUGIN, _WIDGET = "napari-voxelmorph", "Register"
_OUTLINES = ("fixed labels", "moved labels")


def show_case(viewer: Any, opened: OpenCase) -> None:
    """Show a case in place of the pair that was shown."""
    dock = register_dock_of(viewer)
    result, session = opened.registration, opened.session
    pair = Pair(result.moving, result.fixed) if session is None else pair_of(session)
    pair = replace(pair, moving_labels=opened.moving_labels, fixed_labels=opened.fixed_labels)
    with unpainted(canvas_of(viewer)), Hold():
        if session is not None:
            reopen(dock, session, pair)
        else:
            dock.runner.take_up(Outcome(result, pair, np.eye(result.ndim + 1)))
        for overlay in _OUTLINES:
            dock.pair_view.set_overlay(overlay, True)


def register_dock_of(viewer: Any) -> RegisterDock:
    """The Register dock of a window; opened when it is not there."""
    found = viewer.window._qt_window.findChild(RegisterDock)
    if isinstance(found, RegisterDock):
        return found
    _, dock = viewer.window.add_plugin_dock_widget(_PLUGIN, _WIDGET)
    assert isinstance(dock, RegisterDock)
    return dock
