"""How rough a displacement or velocity field is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.masking import at_least_float32


def gradient_l2(field: Tensor, spacing: Sequence[float] | None = None) -> Tensor:
    """Squared forward differences: their mean along each axis, then the mean over the axes.

    Parameters
    ----------
    field : Tensor (B, D, *S)
        Vectors in voxels, components in array order.
    spacing : D numbers, optional
        Voxel size in mm.  Components and steps are then measured in mm, so that an
        anisotropic grid is judged as the isotropic one would be.

    Raises
    ------
    InputError
        When the field does not have one component per axis, or spacing not one size.
    """
    field, sizes = _scaled(field, spacing, "gradient_l2")
    terms = [
        (field.diff(dim=axis + 2) / sizes[axis]).square().mean()
        for axis in range(len(sizes))
        if field.shape[axis + 2] > 1
    ]
    return torch.stack(terms).sum() / len(sizes) if terms else field.sum() * 0


def bending_energy(field: Tensor, spacing: Sequence[float] | None = None) -> Tensor:
    """Mean over inner voxels and components of ``sum_ij (∂²u / ∂x_i ∂x_j)²``.

    Central differences; zero for every affine field (Rueckert et al., 1999).  Axes of fewer
    than three voxels take no part.  Parameters and errors as for `gradient_l2`.
    """
    field, sizes = _scaled(field, spacing, "bending_energy")
    axes = [axis for axis in range(len(sizes)) if field.shape[axis + 2] > 2]
    energy = field.sum() * 0
    for i in axes:
        for j in axes:
            if i < j:
                first = _central(_central(field, i, axes), j, axes) / (4 * sizes[i] * sizes[j])
                energy = (
                    energy + 2 * _inner(first, [a for a in axes if a not in (i, j)]).square().mean()
                )
        second = field.diff(n=2, dim=i + 2) / sizes[i] ** 2
        energy = energy + _inner(second, [a for a in axes if a != i]).square().mean()
    return energy


def _central(field: Tensor, axis: int, axes: list[int]) -> Tensor:
    """f(x + 1) - f(x - 1) on the inner voxels of one axis."""
    n = field.shape[axis + 2]
    return field.narrow(axis + 2, 2, n - 2) - field.narrow(axis + 2, 0, n - 2)


def _inner(field: Tensor, axes: list[int]) -> Tensor:
    for axis in axes:
        field = field.narrow(axis + 2, 1, field.shape[axis + 2] - 2)
    return field


def _scaled(
    field: Tensor, spacing: Sequence[float] | None, name: str
) -> tuple[Tensor, list[float]]:
    """The field in mm (or voxels) and the step along each axis."""
    ndim = field.ndim - 2
    if ndim not in (2, 3) or field.shape[1] != ndim:
        raise InputError(
            f"{name}: expected a field of shape (B, D, *S) with D = 2 or 3 components for as many "
            f"spatial axes, got {tuple(field.shape)}."
        )
    field = at_least_float32(field)
    if spacing is None:
        return field, [1.0] * ndim
    sizes = [float(s) for s in spacing]
    if len(sizes) != ndim or min(sizes) <= 0:
        raise InputError(f"{name}: expected {ndim} positive voxel sizes, got {sizes}.")
    return field * field.new_tensor(sizes).reshape(1, ndim, *[1] * ndim), sizes
