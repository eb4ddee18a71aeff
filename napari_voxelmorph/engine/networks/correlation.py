"""How alike the features of two images are, at each voxel and between neighbours."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Cosine of the features at x in `one` and at x + d in `other`, for the 3^D neighbours d.

    Parameters
    ----------
    one, other : Tensor (B, C, *S)
        Normalised by `unit_length`.

    Returns
    -------
    Tensor (B, 3^D, *S)
        Zero where x + d lies outside.
    """
    ndim = one.ndim - 2
    padded = functional.pad(other, (1, 1) * ndim)
    found = []
    for start in itertools.product(range(3), repeat=ndim):
        shifted = padded
        for axis, first in enumerate(start):
            shifted = shifted.narrow(axis + 2, first, one.shape[axis + 2])
        found.append((one * shifted).sum(1, keepdim=True))
    return torch.cat(found, 1)


def unit_length(features: Tensor) -> Tensor:
    """Features (B, C, *S) of length one at each voxel."""
    return functional.normalize(features, dim=1, eps=1e-3)
