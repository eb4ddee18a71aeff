"""One direction of a registration: the grid that a file is written on, and where it leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.result import Registration

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OneWay:
    """A pull-back map: for resampling images of `other` onto `grid`.

    Parameters
    ----------
    grid, other : Volume
        The fixed and the moving image; the other way round for the inverse.
    affine : ndarray (D + 1, D + 1)
        The affine stage, world of `grid` to world of `other`, RAS mm.
    move : function
        Points (N, D) of the world of `grid` to those of `other`: the whole map.
    """

    grid: Volume
    other: Volume
    affine: Matrix
    move: Callable[[Points], Points]


def one_way(registration: Registration, inverse: bool) -> OneWay:
    """The forward direction (fixed grid to moving image), or the inverse."""
    fixed, moving = registration.fixed, registration.moving
    if not inverse:
        return OneWay(fixed, moving, registration.affine, registration.fixed_to_moving)
    back = np.asarray(np.linalg.inv(registration.affine), np.float64)
    return OneWay(moving, fixed, back, registration.moving_to_fixed)
