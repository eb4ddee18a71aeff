"""Arrows and landmarks for the slice in view, in displayed voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.gui.views.display_grid import Points
from napari_voxelmorph.gui.views.lazy import Scene

#: Arrows shorter than this (mm) only speckle the picture.
_SHORTEST = 0.3
_MOST_IN_3D = 3000


def arrows(scene: Scene, spacing: float, slice_at: dict[int, int]) -> NDArray[np.float64]:
    """Arrows (N, 2, D) from fixed voxels to where their intensity comes from, true length.

    Parameters
    ----------
    spacing : float
        Distance between arrows, mm; widened in 3-D to keep the number in bounds.
    slice_at : dict
        Displayed axis -> index of the slice, for the axes that are not on the screen.
        Empty in 3-D.
    """
    grid = scene.grid
    shape, scale = grid.display_shape, grid.scale
    if not slice_at:
        volume = float(np.prod(np.array(shape) * scale))
        spacing = max(spacing, (volume / _MOST_IN_3D) ** (1 / grid.ndim))
    ranges = []
    for axis, n in enumerate(shape):
        step = max(1, round(spacing / scale[axis]))
        start = (n % step) // 2 if n % step else min(step // 2, n - 1)
        ranges.append(range(start, n, step))
    for axis, i in slice_at.items():
        if not 0 <= i < shape[axis]:
            return np.zeros((0, 2, grid.ndim))
        ranges[axis] = range(i, i + 1)
    u = grid.to_display_field(scene.registration.displacement_block(grid.block(tuple(ranges))))
    starts = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, grid.ndim)
    along = np.moveaxis(u, 0, -1).reshape(-1, grid.ndim).astype(np.float64)
    along[:, list(slice_at)] = 0
    ends = starts + along
    # An arrow that leaves the image would stretch the canvas and make napari slice everything.
    inside = ((ends >= 0) & (ends <= np.array(shape) - 1)).all(axis=1)
    long = np.linalg.norm(along * scale, axis=1) > _SHORTEST
    return np.stack([starts, along], axis=1)[inside & long]


def near_slice(
    scene: Scene, points: Points, slice_at: dict[int, int], reach: float = 3.0
) -> NDArray[Any]:
    """World points within `reach` mm of the slice, as displayed voxels *in* the slice."""
    shown = scene.grid.world_to_display(points)
    for axis, i in slice_at.items():
        near = np.abs(shown[:, axis] - i) * scene.grid.scale[axis] <= reach
        shown = shown[near]
        shown[:, axis] = i
    return shown
