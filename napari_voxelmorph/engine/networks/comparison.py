"""What two images' features have in common and where they differ, for a symmetric decoder.

Everything the decoder sees is either the same when the images are exchanged or changes its
sign: sums and differences of the features f and m, and of their correlation with neighbours
in opposite directions.  With unit vectors u and w of f and m, and zero outside,
``c_e(x) = (u(x) · w(x + e) + u(x - e) · w(x)) / 2``, the cosine at displacement e, seen from the
middle.  Exchanging the images exchanges c_e and c_-e.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_voxelmorph.engine.networks import comparison_kernels as kernels
from napari_voxelmorph.engine.networks.feature_arrays import channels_last, empty, usable
from napari_voxelmorph.engine.parallel import run_slabs

#: Added to squared lengths, so that no features are no direction.
FLOOR = 1e-6


def pairs_of_neighbours(ndim: int) -> int:
    """Neighbours e, counted once with -e: 4 in 2-D, 13 in 3-D."""
    return int((3**ndim - 1) // 2)


def compare(moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
    """Sums and differences of features and correlations.

    Parameters
    ----------
    moving, fixed : Tensor (B, C, *S), float32

    Returns
    -------
    same : Tensor (B, C + 1 + P, *S)
        ``(m + f) / √2``, c_0, and ``(c_e + c_-e) / √2`` for the P pairs of neighbours.
    differ : Tensor (B, C + P, *S)
        ``(m - f) / √2`` and ``(c_e - c_-e) / √2``.
    """
    if not (usable(moving) and usable(fixed)):
        return compare_by_torch(moving, fixed)
    same, differ = _Comparison.apply(moving, fixed)  # type: ignore[no-untyped-call]
    return same, differ


def compare_by_torch(moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
    """`compare` on any device."""
    ndim, root = moving.ndim - 2, math.sqrt(0.5)
    u, w = (f * (f.square().sum(1, keepdim=True) + FLOOR).rsqrt() for f in (moving, fixed))
    padded = functional.pad(w, (1, 1) * ndim)
    found = []
    for start in itertools.product(range(3), repeat=ndim):
        products = (u * _shifted(padded, start, u)).sum(1, keepdim=True)
        back = _shifted(functional.pad(products, (1, 1) * ndim), [2 - s for s in start], u)
        found.append((products + back) / 2)
    middle = len(found) // 2
    ahead, behind = torch.cat(found[middle + 1 :], 1), torch.cat(found[:middle][::-1], 1)
    same = torch.cat([root * (moving + fixed), found[middle], root * (ahead + behind)], 1)
    return same, torch.cat([root * (moving - fixed), root * (ahead - behind)], 1)


def _shifted(padded: Tensor, start: Any, like: Tensor) -> Tensor:
    for axis, first in enumerate(start):
        padded = padded.narrow(axis + 2, first, like.shape[axis + 2])
    return padded


class _Comparison(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(moving, fixed)
        batch, channels, *shape = moving.shape
        count = pairs_of_neighbours(len(shape))
        same = empty((batch, channels + 1 + count, *shape))
        differ = empty((batch, channels + count, *shape))
        for m, f, s, d in zip(moving, fixed, same, differ, strict=True):
            pair, out = (channels_last(m), channels_last(f)), (channels_last(s), channels_last(d))
            run_slabs(kernels.compare, len(out[0]), *pair, *map(_lengths, pair), count, *out)
        return same, differ

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        count, images = pairs_of_neighbours(grads[0].ndim - 2), ctx.saved_tensors
        slopes = tuple(empty(tuple(image.shape)) for image in images)
        for m, f, s, d, to_m, to_f in zip(*images, *grads, *slopes, strict=True):
            pair, given = (channels_last(m), channels_last(f)), (channels_last(s), channels_last(d))
            lengths = tuple(map(_lengths, pair))
            for sign, slope in ((1, to_m), (-1, to_f)):
                out = channels_last(slope)
                sides = (*pair[::sign], *lengths[::sign], count, sign)
                run_slabs(kernels.compare_slope, len(out), *sides, *given, out)
        return slopes


def _lengths(features: Any) -> Any:
    out = torch.empty(features.shape[:3]).numpy()
    run_slabs(kernels.inverse_lengths, len(out), features, FLOOR, out)
    return out
