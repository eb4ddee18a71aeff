"""Dice overlap of segmentations while one of them is warped, for any number of labels.

The moved share of a label at a voxel is the sum of the interpolation weights of those of
its neighbours that carry the label.  So two counts per label need one pass over the voxels
and no one-hot images: memory does not grow with the number of labels, forwards or backwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.thick import (
    for_kernels,
    thick_field,
    thick_image,
    thin_field,
    unsafe,
)
from napari_voxelmorph.engine.geometry.warp import identity_grid
from napari_voxelmorph.engine.losses.overlap_kernels import count_overlap, overlap_slope
from napari_voxelmorph.engine.parallel import run_slabs


def warped_dice(
    fixed: Tensor, moving: Tensor, displacement: Tensor, labels: int
) -> tuple[Tensor, Tensor]:
    """Soft Dice ``2 Σpq / (Σp + Σq)`` of fixed labels p and linearly warped moving labels q.

    Parameters
    ----------
    fixed, moving : Tensor (B, *S), integers
        1 ... `labels`; 0 (and all else) is background.
    displacement : Tensor (B, D, *S)
        Voxels; differentiable.
    labels : int

    Returns
    -------
    overlap : Tensor (B, labels)
    present : Tensor (B, labels)
        1 where both images have the label; elsewhere the overlap says nothing and is 0.

    Raises
    ------
    InputError
        On shapes that do not match.
    """
    if fixed.shape != moving.shape or displacement.shape[2:] != fixed.shape[1:]:
        raise InputError(
            "warped_dice: expected labels (B, *S) and a displacement (B, D, *S) on one grid, got "
            f"{tuple(fixed.shape)}, {tuple(moving.shape)} and {tuple(displacement.shape)}."
        )
    if unsafe(displacement):
        nothing = displacement.sum() * torch.nan
        return nothing.expand(len(fixed), labels), torch.ones_like(nothing).expand(1, labels)
    overlap, present = _WarpedDice.apply(displacement.float(), fixed, moving, labels)  # type: ignore[no-untyped-call]
    return overlap, present


class _WarpedDice(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, displacement: Tensor, fixed: Tensor, moving: Tensor, labels: int
    ) -> tuple[Tensor, Tensor]:
        fixed, moving = _known(fixed, labels), _known(moving, labels)
        count = _count_cpu if for_kernels(displacement) else _count
        rows = []
        for u, f, m in zip(displacement, fixed, moving, strict=True):
            both, moved = count(u, f, m, labels)
            sizes = torch.bincount(f.flatten(), minlength=labels + 1)
            here = (sizes > 0) & (torch.bincount(m.flatten(), minlength=labels + 1) > 0)
            rows.append(torch.stack([both, moved + sizes, here.double()])[:, 1:])
        both, either, present = torch.stack(rows, 1)
        either = either.clamp(min=1e-9)
        ctx.save_for_backward(displacement, fixed, moving, both, either, present)
        seen = present.to(displacement)
        ctx.mark_non_differentiable(seen)
        return (2 * both / either * present).to(displacement), seen

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Any, ...]:
        displacement, fixed, moving, both, either, present = ctx.saved_tensors
        # d Dice / d weight of a neighbour with label l: `size` wherever it lies, and `agree` more
        # where l is the fixed label too.
        zero = torch.zeros_like(both[:, :1])
        agree = torch.cat([zero, 2 * grad * present / either], 1).to(displacement)
        size = torch.cat([zero, -2 * grad * present * both / either**2], 1).to(displacement)
        slope = _slope_cpu if for_kernels(displacement) else _slope
        parts = zip(displacement, fixed, moving, agree, size, strict=True)
        return torch.stack([slope(*part) for part in parts]), None, None, None


def _known(maps: Tensor, labels: int) -> Tensor:
    """What is no label becomes background."""
    return torch.where((maps >= 0) & (maps <= labels), maps, torch.zeros_like(maps)).short()


def _count(u: Tensor, fixed: Tensor, moving: Tensor, labels: int) -> tuple[Tensor, Tensor]:
    """Per label (labels + 1,): the moved share where both agree, and everywhere."""
    both = torch.zeros(labels + 1, dtype=torch.float64, device=u.device)
    moved, f = torch.zeros_like(both), fixed.flatten().long()
    for corner, weight, _ in _corners(moving.flatten().long(), u):
        moved += torch.bincount(corner, weight.double(), labels + 1)
        both += torch.bincount(corner * (corner == f), weight.double(), labels + 1)
    return both, moved


def _slope(u: Tensor, fixed: Tensor, moving: Tensor, agree: Tensor, size: Tensor) -> Tensor:
    slope, f = torch.zeros_like(u), fixed.flatten().long()
    for corner, _, slopes in _corners(moving.flatten().long(), u):
        value = size[corner] + agree[corner] * (corner == f)
        for axis, weight in enumerate(slopes):
            slope[axis] += (value * weight).reshape(u.shape[1:])
    return slope


def _count_cpu(u: Tensor, fixed: Tensor, moving: Tensor, labels: int) -> tuple[Tensor, Tensor]:
    maps, field = map(thick_image, (fixed, moving)), thick_field(u)
    counts = np.sum(run_slabs(count_overlap, field.shape[1], *maps, field, labels), axis=0)
    both, moved = torch.from_numpy(counts)
    return both, moved


def _slope_cpu(u: Tensor, fixed: Tensor, moving: Tensor, agree: Tensor, size: Tensor) -> Tensor:
    field = thick_field(u)
    out = np.empty_like(field)
    maps, weights = map(thick_image, (fixed, moving)), (agree.numpy(), size.numpy())
    run_slabs(overlap_slope, field.shape[1], *maps, field, *weights, out)
    return thin_field(out, len(u))


def _corners(labels: Tensor, displacement: Tensor) -> Iterator[tuple[Tensor, Tensor, list[Tensor]]]:
    """For each neighbour of ``x + u(x)``: its labels (N,), weight (N,), and the weight's slopes.

    Positions beyond the edge are clamped, so there the slope along that axis is 0.
    """
    shape = displacement.shape[1:]
    place = (identity_grid(tuple(shape), displacement)[0] + displacement).flatten(1).nan_to_num()
    low, above, inside = [], [], []
    for p, n in zip(place, shape, strict=True):
        low.append(p.floor().clamp(0, max(0, n - 2)).long())
        above.append(p.clamp(0, n - 1) - low[-1])
        inside.append(((p > 0) & (p < n - 1)).to(p))
    for corner in product((0, 1), repeat=len(shape)):
        index = torch.zeros_like(low[0])
        parts, signs = [], []
        for axis, up in enumerate(corner):
            index = index * shape[axis] + (low[axis] + up).clamp(max=shape[axis] - 1)
            parts.append(above[axis] if up else 1 - above[axis])
            signs.append(inside[axis] if up else -inside[axis])
        slopes = []
        for axis, sign in enumerate(signs):
            others = [p for a, p in enumerate(parts) if a != axis]
            slopes.append(sign * torch.stack(others).prod(0))
        yield labels[index], torch.stack(parts).prod(0), slopes
