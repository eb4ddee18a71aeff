"""Local normalised cross-correlation, differentiable, on any device.

Squared form of Avants et al. (Med. Image Anal. 2008), as VoxelMorph uses it, with window
sums from separable running sums and an analytic gradient that keeps three images instead of
a tape.  No NaN on constant input; correct for negative correlation; intensities are centred
first because window variances of off-centre data lose their digits in single precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.lncc_cpu import lncc_cpu


def box_sum(image: Tensor, radius: int) -> Tensor:
    """Sums over windows of ``2 · radius + 1`` voxels, zero outside, (B, C, *S) → same shape.

    Doubling adds (1 → 2 → 4 … taps): a logarithmic number of passes over memory.
    """
    for axis in range(2, image.ndim):
        image = _box_sum_along(image, axis, radius)
    return image


def _box_sum_along(image: Tensor, axis: int, radius: int) -> Tensor:
    width, n = 2 * radius + 1, image.shape[axis]
    pad = [0] * (2 * (image.ndim - axis))
    pad[-2] = pad[-1] = radius
    padded = torch.nn.functional.pad(image, pad)
    power, taken, total = 1, 0, None
    run = padded
    while True:
        if width & power:
            part = run.narrow(axis, taken, n)
            total = part if total is None else total + part
            taken += power
        if power * 2 > width:
            assert total is not None
            return total
        length = run.shape[axis] - power
        run = run.narrow(axis, 0, length) + run.narrow(axis, power, length)
        power *= 2


def _centred(image: Tensor) -> Tensor:
    return image - image.mean(tuple(range(1, image.ndim)), keepdim=True)


class _Lncc(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        fixed: Tensor,
        moved: Tensor,
        mask: Tensor,
        radius: int,
        floor: float,
    ) -> Tensor:
        count = box_sum(mask, radius).clamp(min=1.0)
        sum_i, sum_j = box_sum(fixed, radius), box_sum(moved, radius)
        cross = box_sum(fixed * moved, radius) - sum_i * sum_j / count
        var_i = (box_sum(fixed * fixed, radius) - sum_i**2 / count).clamp(min=0) + floor * count
        var_j = (box_sum(moved * moved, radius) - sum_j**2 / count).clamp(min=0) + floor * count
        total = mask.sum().clamp(min=1.0)
        scale = mask / (var_i * var_j) / total
        ctx.save_for_backward(fixed, moved, cross, scale, var_i, var_j, sum_i, sum_j, count, mask)
        ctx.radius = radius
        return -(cross**2 * scale).sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        fixed, moved, cross, scale, var_i, var_j, sum_i, sum_j, count, mask = ctx.saved_tensors

        def gradient(
            image: Tensor, other: Tensor, var: Tensor, sums: Tensor, sums_other: Tensor
        ) -> Tensor:
            c = 2 * cross * scale
            b = -(cross**2) * scale / var
            a = -(sums_other * c + 2 * sums * b) / count
            adjoint = box_sum(torch.cat([a, b, c], 1), ctx.radius).chunk(3, 1)
            slope: Tensor = (
                -grad * mask * (adjoint[0] + 2 * image * adjoint[1] + other * adjoint[2])
            )
            return slope

        to_fixed = gradient(fixed, moved, var_i, sum_i, sum_j) if ctx.needs_input_grad[0] else None
        to_moved = gradient(moved, fixed, var_j, sum_j, sum_i) if ctx.needs_input_grad[1] else None
        return to_fixed, to_moved, None, None, None


def lncc(
    fixed: Tensor,
    moved: Tensor,
    radius: int = 4,
    *,
    mask: Tensor | None = None,
    floor: float = 1e-5,
) -> Tensor:
    """Loss ``-mean cc²`` in [-1, 0]: minus one is perfect.

    Parameters
    ----------
    fixed, moved : Tensor (B, 1, *S)
        Best of about unit deviation; each is centred (over the mask) here.
    radius : int
        Window half width in voxels; 4 is the 9-voxel window of the papers.
    mask : Tensor (B, 1, *S), optional
        1 where voxels count; windows use counted voxels only.
    floor : float
        ε added per voxel to the local variances: flat windows count as uncorrelated.
    """
    if fixed.shape != moved.shape or fixed.shape[1] != 1:
        raise InputError(
            f"lncc: fixed and moved must share one shape (B, 1, *S), got {tuple(fixed.shape)} and "
            f"{tuple(moved.shape)}."
        )
    if fixed.dtype in (torch.bfloat16, torch.float16):
        fixed, moved = fixed.float(), moved.float()
    on_cpu = fixed.device.type == "cpu" and fixed.dtype == moved.dtype == torch.float32
    if on_cpu and mask is None and not fixed.requires_grad and fixed.ndim in (4, 5):
        return lncc_cpu(_centred(fixed), _centred(moved), radius, floor)
    mask = torch.ones_like(fixed) if mask is None else mask.to(fixed)
    axes = tuple(range(1, fixed.ndim))
    total = mask.sum(axes, keepdim=True).clamp(min=1.0)
    fixed = (fixed - (fixed * mask).sum(axes, keepdim=True) / total) * mask
    moved = (moved - (moved * mask).sum(axes, keepdim=True) / total) * mask
    return _Lncc.apply(fixed, moved, mask, radius, floor)  # type: ignore[no-any-return,no-untyped-call]
