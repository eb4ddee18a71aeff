"""Scaling and squaring: from a stationary velocity to a displacement.

``exp(v) ≈ (id + v / 2ⁿ)^(2ⁿ)`` by n self-compositions (Arsigny et al., MICCAI 2006).
Beyond the edge the field continues with its edge value; zero padding, as in the reference,
makes boundary voxels collapse inwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.parallel import run_slabs

#: The first, unintegrated step stays below this many voxels.
LARGEST_STEP = 0.1


def squarings_for(largest: float, step: float = LARGEST_STEP) -> int:
    """Smallest n with ``largest / 2ⁿ <= step`` (at most 12): the adaptive step count."""
    if not np.isfinite(largest) or largest <= step:
        return 0
    return min(12, int(np.ceil(np.log2(largest / step))))


def integrate(velocity: Tensor, squarings: int | None = None) -> Tensor:
    """Displacement of a stationary velocity, differentiable, on any device.

    Parameters
    ----------
    velocity : Tensor (B, D, *S), voxels of its own grid, array order.
    squarings : int, optional
        Number of self-compositions; default: adaptive (`squarings_for`).
    """
    if squarings is None:
        squarings = squarings_for(float(velocity.detach().abs().amax()))
    displacement: Tensor = velocity / 2**squarings
    for _ in range(squarings):
        displacement = displacement + warp(displacement, displacement)
    return displacement


def integrate_array(
    velocity: NDArray[np.float32], squarings: int | None = None
) -> NDArray[np.float32]:
    """`integrate` for one (D, *S) array on the CPU, by numba kernels."""
    if squarings is None:
        squarings = squarings_for(float(np.abs(velocity).max(initial=0.0)))
    two_d = velocity.shape[0] == 2
    field = velocity * np.float32(1 / 2**squarings)
    if two_d:
        field = np.concatenate([np.zeros_like(field[:1]), field])[:, None]
    field = np.ascontiguousarray(field, np.float32)
    other = np.empty_like(field)
    for _ in range(squarings):
        run_slabs(kernels.compose_self, field.shape[1], field, other)
        field, other = other, field
    return np.ascontiguousarray(field[1:, 0]) if two_d else field
