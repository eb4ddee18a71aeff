"""Clicks on the canvas become landmarks, and landmarks become points on the canvas."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.layers import Points as PointsLayer

from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.landmarks.pairs import Landmarks, Point
from napari_voxelmorph.gui.views.display_grid import DisplayGrid, transform_points

#: Farther than this between press and release (pixels) it was a drag.
_STILL = 4.0
_SIZE_MM = 5.0
_FIXED, _MOVED = "magenta", "lime"


class Placing:
    """Listens to clicks while it is on.  Main thread only.

    Parameters
    ----------
    viewer : napari.Viewer or ViewerModel
    on_point : callable
        Given where a click lies in the fixed world and in the moving world, mm.
    """

    def __init__(self, viewer: Any, on_point: Callable[[Point, Point], None]) -> None:
        self._viewer = viewer
        self._on_point = on_point
        self._layer: Layer | None = None
        self._result: Registration | None = None
        self.on = False

    def show(self, result: Registration | None, landmarks: Landmarks) -> None:
        """Draw the landmarks over a result: fixed points magenta, moved ones green."""
        self._result = result
        if result is None or not landmarks.items:
            self.clear()
            return
        grid = DisplayGrid.of(result.fixed)
        points, colors, symbols = [], [], []
        for item in landmarks.items:
            points.append(item.fixed)
            colors.append(_FIXED)
            symbols.append("disc")
            if item.moving is not None:
                points.append(result.moving_to_fixed(item.moving[None])[0])
                colors.append(_MOVED)
                symbols.append("cross")
        layer = self._made(grid)
        layer.data = grid.world_to_display(np.stack(points))
        layer.symbol = symbols
        layer.face_color = colors
        layer.border_color = colors
        layer.size = _SIZE_MM / float(np.mean(grid.scale))
        layer.selected_data = set()

    def _made(self, grid: DisplayGrid) -> PointsLayer:
        if isinstance(self._layer, PointsLayer) and self._layer in self._viewer.layers:
            return self._layer
        selection = set(self._viewer.layers.selection)
        layer = PointsLayer(
            np.zeros((0, grid.ndim)), name="landmark pairs", ndim=grid.ndim, opacity=0.9,
            blending="translucent_no_depth", **grid.layer_place(),
        )  # fmt: skip
        self._viewer.add_layer(layer)
        layer.editable = False  # points are moved by undoing and clicking again
        if selection:
            self._viewer.layers.selection = {la for la in selection if la in self._viewer.layers}
        self._layer = layer
        return layer

    def switch(self, on: bool) -> None:
        """Take clicks, or leave them to napari."""
        callbacks = self._viewer.mouse_drag_callbacks
        if on and self._clicked not in callbacks:
            callbacks.append(self._clicked)
        elif not on:
            with suppress(ValueError):
                callbacks.remove(self._clicked)
        self.on = on

    def forget(self) -> None:
        """Leave the points to the window."""
        self._layer = None

    def clear(self) -> None:
        """Take the points away."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None

    def _clicked(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        begun, where = np.array(event.pos, float), np.array(event.position, float)
        moved = False
        yield
        while event.type == "mouse_move":
            moved = moved or bool(np.linalg.norm(np.array(event.pos, float) - begun) > _STILL)
            yield
        if not moved:
            self.click(where)

    def click(self, position: Any) -> None:
        """A point on the canvas (napari's world, mm) was clicked."""
        result = self._result
        if result is None:
            return
        at = np.asarray(position, float)[-result.ndim :]
        fixed = transform_points(DisplayGrid.of(result.fixed).canvas_to_world, at)
        self._on_point(fixed[0], result.fixed_to_moving(fixed)[0])
