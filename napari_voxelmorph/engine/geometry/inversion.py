"""Inverse of a plain displacement by fixed-point iteration (Chen et al., Med. Phys. 2008)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.geometry.warp import warp


def invert(displacement: Tensor, iterations: int = 50, tolerance: float = 1e-3) -> Tensor:
    """Find w with ``w(y) = -u(y + w(y))``, so that y + w undoes x + u.

    Parameters
    ----------
    displacement : Tensor (B, D, *S), voxels.
    tolerance : float
        Stop when no voxel changes by more than this (voxels).  A folded displacement has
        no inverse: the iteration then ends without converging there.
    """
    inverse = -displacement
    for _ in range(iterations):
        step = -warp(displacement, inverse) - inverse
        # Damping keeps the iteration contracting where the gradient of u nears one.
        inverse = inverse + 0.8 * step
        if float(step.detach().abs().amax()) < tolerance:
            break
    return inverse


def invert_array(displacement: NDArray[np.float32]) -> NDArray[np.float32]:
    """`invert` for one (D, *S) array on the CPU."""
    with torch.inference_mode():
        return np.asarray(invert(torch.from_numpy(displacement)[None])[0].numpy())
