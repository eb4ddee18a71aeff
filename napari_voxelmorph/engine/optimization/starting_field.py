"""A field from elsewhere, such as a network's, as the state that the optimiser begins with."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_voxelmorph.engine.geometry.field import Field, as_3d_field, pad_3d
from napari_voxelmorph.engine.optimization.field_ops import Ops
from napari_voxelmorph.engine.optimization.work_grid import Level, WorkGrid


def starting_field(ops: Ops, start: Field, grid: WorkGrid, level: Level) -> Any:
    """`start` on the cells of a level, (3, Z, Y, X), in cells.

    Where the cells are coarser than the field's own, finer detail is smoothed away first.
    """
    factors = level.factors * level.ratio
    # Cell c is fixed voxel origin + size * c.
    size = np.asarray(grid.step * factors, np.float64)
    origin = grid.origin + grid.step * (factors - 1) / 2
    own_size, own_origin = (
        np.array(pad_3d(values, lead), np.float64)
        for values, lead in ((start.scale, 1.0), (start.offset, 0.0))
    )
    ratio = size / own_size
    field = ops.array(as_3d_field(start.data))
    field = ops.smooth(field, 0.4 * np.sqrt(np.maximum(ratio**2 - 1, 0)))
    there = ops.resample(field, 1 / ratio, (own_origin - origin) / size, level.field_shape)
    return there * ops.array((1 / ratio).reshape(3, 1, 1, 1))
