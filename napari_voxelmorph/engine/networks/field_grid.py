"""From the field that a network gives, on its own grid, to displacements of the image's grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.integration import integrate
from napari_voxelmorph.engine.geometry.warp import identity_grid, sample
from napari_voxelmorph.engine.networks.architecture import Architecture


def to_image_grid(field: Tensor, shape: tuple[int, ...], scale: int, offset: float) -> Tensor:
    """Displacement (B, D, *shape) in image voxels, of one in voxels of its own grid.

    Image voxel ``x = offset + scale · g``; between field voxels linear, beyond the edge clamped.
    The same rule as `engine.geometry.field.Field`.
    """
    if scale == 1 and offset == 0:
        return field
    if offset == (scale - 1) / 2 and all(n % scale == 0 for n in shape):
        kind = "trilinear" if len(shape) == 3 else "bilinear"
        return scale * functional.interpolate(field, shape, mode=kind, align_corners=False)
    places = (identity_grid(shape, field) - offset) / scale
    return scale * sample(field, places.expand(field.shape[0], *places.shape[1:]))


def displacement_of(field: Tensor, shape: tuple[int, ...], architecture: Architecture) -> Tensor:
    """Displacement (B, D, *shape), image voxels, of a network's output (B, D, *Sg)."""
    field = field.float() if field.dtype in (torch.bfloat16, torch.float16) else field
    if architecture.output == "velocity":
        field = integrate(field, architecture.squarings)
    return to_image_grid(field, shape, architecture.scale, architecture.offset)


def both_displacements(
    velocity: Tensor, shape: tuple[int, ...], architecture: Architecture
) -> tuple[Tensor, Tensor]:
    """Displacement and inverse displacement: the exponentials of v and of -v (bidirectional loss).

    Returns
    -------
    (B, D, *shape), (B, D, *shape)
        For ``warp(moving, forward)`` and ``warp(fixed, inverse)``.
    """
    if architecture.output != "velocity":
        raise InputError(
            "both_displacements: this network gives a displacement, which has no inverse by "
            "construction; use a network that gives a velocity."
        )
    both = torch.cat([velocity, -velocity])
    forward, inverse = displacement_of(both, shape, architecture).chunk(2)
    return forward, inverse
