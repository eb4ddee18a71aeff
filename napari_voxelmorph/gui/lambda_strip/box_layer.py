"""The box that the user draws to say where λ shall be best."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Shapes

from napari_voxelmorph.gui.views.display import KEY
from napari_voxelmorph.gui.views.display_grid import DisplayGrid

_NAME, _ROLE = "λ box", "lambda box"


def box_layer(viewer: Any) -> Shapes | None:
    """The layer with the box, or None; the topmost where there are several."""
    for layer in reversed(viewer.layers):
        if isinstance(layer, Shapes) and layer.metadata.get(KEY, {}).get("role") == _ROLE:
            return layer
    return None


def draw_box(viewer: Any, grid: DisplayGrid) -> Shapes:
    """Let the user draw: a Shapes layer in its rectangle mode, made where it is missing."""
    layer = box_layer(viewer)
    if layer is None:
        layer = Shapes(
            ndim=grid.ndim, name=_NAME, metadata={KEY: {"role": _ROLE}},
            edge_color="yellow", edge_width=1, face_color="transparent", opacity=0.9,
            **grid.layer_place(),
        )  # fmt: skip
        viewer.add_layer(layer)
    viewer.layers.selection = {layer}
    layer.visible = True
    layer.mode = "add_rectangle"
    return layer


def block_of(layer: Shapes, grid: DisplayGrid) -> tuple[slice, ...] | None:
    """The newest shape as slices of the fixed grid (array order); None outside the image.

    Along the axis across the slice it reaches as far as its shorter side does in the slice.
    """
    corners = np.asarray(layer.data[-1], np.float64)[:, -grid.ndim :]
    low, high = corners.min(axis=0), corners.max(axis=0)
    sides = (high - low) * grid.scale
    flat = sides < 1e-6
    if flat.any() and not flat.all():
        half = sides[~flat].min() / 2 / np.array(grid.scale)
        low, high = np.where(flat, low - half, low), np.where(flat, high + half, high)
    first = np.clip(np.floor(low + 0.5), 0, np.array(grid.display_shape) - 1).astype(int)
    last = np.clip(np.floor(high + 0.5), 0, np.array(grid.display_shape) - 1).astype(int)
    outside = (high < 0) | (low > np.array(grid.display_shape) - 1)
    if outside.any() or flat.all():
        return None
    return grid.block(tuple(range(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)))
