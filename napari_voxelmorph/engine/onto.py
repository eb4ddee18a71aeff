"""Resample onto a grid of the user's choice instead of the fixed or moving image's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.result import Registration


def onto(registration: Registration, grid: Volume, inverse: bool = False) -> Registration:
    """A registration whose *inverse* warps land on `grid`: ``onto(r, g).warp(v, inverse=True)``.

    Parameters
    ----------
    grid : Volume
        Any grid; in the fixed world, or in the moving world when `inverse`.
    inverse : bool
        False: images of the moving world go to `grid` in the fixed world.
        True: images of the fixed world go to `grid` in the moving world.

    Notes
    -----
    The inverse warp looks from grid voxel g at ``y + u_inv(y)``, ``y = A_f⁻¹ T⁻¹ A_g g``.  The
    other direction is the same with the roles swapped: a "fixed" image at ``T · A_f`` and the
    affine ``T⁻¹``, so that ``y = A_f⁻¹ A_g g``; its inverse field is the forward field.
    """
    if grid.ndim != registration.ndim:
        raise InputError(
            f"The grid “{grid.name}” is {grid.ndim}-D and the transform {registration.ndim}-D."
        )
    if inverse:
        return replace(registration, moving=grid)
    there: Matrix = np.asarray(registration.affine @ registration.fixed.affine, dtype=np.float64)
    moving_side = replace(registration.fixed, affine=there)
    return replace(
        registration,
        fixed=moving_side,
        moving=grid,
        affine=np.asarray(np.linalg.inv(registration.affine), dtype=np.float64),
        field=None if registration.field is None else _swapped(registration.field),
    )


def _swapped(field: Field) -> Field:
    """The same field with the two directions exchanged, without inverting anything again."""
    swapped = replace(field, data=-field.data)
    swapped.__dict__["backward"] = field.forward
    swapped.__dict__["forward"] = field.backward
    return swapped
