"""The Apply dock, opened from elsewhere."""

from __future__ import annotations

from typing import Any

_PLUGIN, _WIDGET = "napari-voxelmorph", "Apply"


def open_apply(viewer: Any) -> None:
    """Open the Apply dock of a napari window, or bring it to the front.

    Through napari's own plugin mechanism, so that there is one per window, whoever opened it.
    """
    window = getattr(viewer, "window", None)
    if window is not None:
        dock, _ = window.add_plugin_dock_widget(_PLUGIN, _WIDGET, tabify=True)
        dock.show()
        dock.raise_()
