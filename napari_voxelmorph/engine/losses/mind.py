"""MIND-SSC: what a place looks like, told by the likeness of the patches around it.

The self-similarity context of Heinrich et al. (MICCAI 2013): the six (in 2-D four) patches
at a distance from a voxel are compared with each other, in the pairs that are not opposite.
The result does not depend on the contrast, so two modalities can be compared by it.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_voxelmorph.engine.losses.masking import at_least_float32, check_pair, masked_mean


def mind_ssc(image: Tensor, radius: int = 1, dilation: int = 2) -> Tensor:
    """Self-similarity descriptor, (B, 1, *S) -> (B, 12, *S) in 3-D, (B, 4, *S) in 2-D.

    Parameters
    ----------
    image : Tensor (B, 1, *S)
    radius : int
        Patches are cubes of ``2 * radius + 1`` voxels.
    dilation : int
        Distance of the patches from the voxel, in voxels.

    Returns
    -------
    Tensor
        ``exp(-(D - min D) / V)``, from 0 to 1, with D the mean squared difference of two
        patches, the minimum and the mean V of ``D - min D`` taken over the pairs.  Beyond
        the border the image repeats its edge.  All 1 where the image is constant.
    """
    image = at_least_float32(image)
    image = image - image.detach().mean()
    ndim = image.ndim - 2
    offsets = [
        tuple(sign * dilation * (axis == other) for other in range(ndim))
        for axis in range(ndim)
        for sign in (-1, 1)
    ]
    pairs = [
        (a, b) for a, b in combinations(offsets, 2) if any(p + q for p, q in zip(a, b, strict=True))
    ]
    padded = F.pad(image, [dilation] * (2 * ndim), mode="replicate")
    shifted = {offset: _shift(padded, offset, dilation) for offset in offsets}
    differences = torch.cat([(shifted[a] - shifted[b]) ** 2 for a, b in pairs], dim=1)
    distances = _patch_mean(differences, radius)
    distances = distances - distances.amin(dim=1, keepdim=True)
    variance = distances.mean(dim=1, keepdim=True)
    typical = variance.detach().mean(dim=tuple(range(1, variance.ndim)), keepdim=True)
    tiny = 1e-20
    variance = torch.minimum(torch.maximum(variance, 1e-3 * typical + tiny), 1e3 * typical + tiny)
    return torch.exp(-distances / variance)


def mind(
    fixed: Tensor,
    moved: Tensor,
    mask: Tensor | None = None,
    *,
    radius: int = 1,
    dilation: int = 2,
) -> Tensor:
    """Mean squared difference of the `mind_ssc` descriptors (a scalar, smaller is better).

    Parameters
    ----------
    fixed, moved : Tensor (B, 1, *S)
    mask : Tensor (B or 1, 1, *S), optional
        Weights of the voxels.  Their descriptors see ``radius + dilation`` voxels beyond it.
    radius, dilation : int
        See `mind_ssc`.

    Raises
    ------
    InputError
        On shapes that do not match.
    """
    fixed, moved = check_pair(fixed, moved, mask, "mind")
    difference = mind_ssc(fixed, radius, dilation) - mind_ssc(moved, radius, dilation)
    return masked_mean(difference**2, mask)


def _shift(padded: Tensor, offset: tuple[int, ...], margin: int) -> Tensor:
    """The image as seen from `offset`, without its margin."""
    index = tuple(
        slice(margin + step, size - margin + step)
        for step, size in zip(offset, padded.shape[2:], strict=True)
    )
    return padded[(slice(None), slice(None), *index)]


def _patch_mean(values: Tensor, radius: int) -> Tensor:
    """Mean over cubes of ``2 * radius + 1`` voxels, (B, C, *S), edges repeated; axis by axis."""
    for axis in range(2, values.ndim):
        pad = [0, 0] * (values.ndim - 2)
        pad[2 * (values.ndim - 1 - axis)] = pad[2 * (values.ndim - 1 - axis) + 1] = radius
        wide = F.pad(values, pad, mode="replicate")
        n = values.shape[axis]
        values = sum(
            (wide.narrow(axis, step, n) for step in range(1, 2 * radius + 1)),
            wide.narrow(axis, 0, n),
        ) / (2 * radius + 1)
    return values
