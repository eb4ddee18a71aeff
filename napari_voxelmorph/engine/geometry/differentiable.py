"""Warp and integration for training: by kernels on the CPU, by torch elsewhere.

The functions are those of `warp.py` and `integration.py`, which also are their oracles; only
the gradient with respect to an image is left to torch.  A field with NaN gives NaN everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.geometry import gradient_kernels as gradients
from napari_voxelmorph.engine.geometry import integration, kernels
from napari_voxelmorph.engine.geometry import warp as resampling
from napari_voxelmorph.engine.geometry.thick import (
    for_kernels,
    thick_field,
    thick_image,
    thin_field,
    unsafe,
)
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]


def warp(image: Tensor, displacement: Tensor) -> Tensor:
    """``moved(x) = image(x + u(x))``, linear, edge clamped; (B, C, *S) and (B, D, *S)."""
    if unsafe(displacement):
        return image + displacement.sum(1, keepdim=True) * torch.nan
    simple = image.shape[1:] == (1, *displacement.shape[2:]) and not image.requires_grad
    if not simple or image.dtype != torch.float32 or not for_kernels(displacement):
        return resampling.warp(image, displacement)
    moved: Tensor = _Warp.apply(displacement, image)  # type: ignore[no-untyped-call]
    return moved


def integrate(velocity: Tensor, squarings: int) -> Tensor:
    """Displacement of a stationary velocity (B, D, *S) by scaling and squaring."""
    if unsafe(velocity):
        return velocity * torch.nan
    if not for_kernels(velocity):
        return integration.integrate(velocity, squarings)
    displacement: Tensor = _Integrate.apply(velocity, squarings)  # type: ignore[no-untyped-call]
    return displacement


class _Warp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, displacement: Tensor, image: Tensor) -> Tensor:
        ctx.save_for_backward(displacement, image)
        moved = torch.empty_like(image, memory_format=torch.contiguous_format)
        for u, m, out in zip(displacement, image, moved, strict=True):
            target = thick_image(out[0])
            run_slabs(
                gradients.warp_forward, len(target), thick_image(m[0]), thick_field(u), target
            )
        return moved

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        displacement, image = ctx.saved_tensors
        slopes = []
        for u, m, g in zip(displacement, image, grad, strict=True):
            field, volume = thick_field(u), thick_image(m[0])
            out = np.empty_like(field)
            run_slabs(gradients.warp_backward, len(volume), volume, field, thick_image(g[0]), out)
            slopes.append(thin_field(out, len(u)))
        return torch.stack(slopes), None


class _Integrate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, velocity: Tensor, squarings: int) -> Tensor:
        ctx.squarings = squarings
        results, stages = [], []
        for v in velocity:
            field = thick_field(v) * np.float32(0.5**squarings)
            taken = [field]
            for _ in range(squarings):
                out = np.empty_like(field)
                run_slabs(kernels.compose_self, out.shape[1], field, out)
                field = out
                taken.append(field)
            results.append(thin_field(field, len(v)))
            stages.append(torch.from_numpy(np.stack(taken[:-1])) if squarings else v[None])
        ctx.save_for_backward(torch.stack(stages))
        return torch.stack(results)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        (stages,) = ctx.saved_tensors
        slopes = []
        for stage, g in zip(stages, grad, strict=True):
            slope = thick_field(g)
            for s in reversed(range(ctx.squarings)):
                slope = _squaring_backward(stage[s].numpy(), slope)
            slopes.append(thin_field(slope, len(g)) * 0.5**ctx.squarings)
        return torch.stack(slopes), None


def _squaring_backward(field: Array, grad: Array) -> Array:
    out = np.empty_like(grad)
    run_slabs(gradients.compose_self_backward, out.shape[1], field, grad, out)
    for first, rows in run_slabs(gradients.compose_self_scatter, out.shape[1], field, grad):
        out[:, first : first + rows.shape[1]] += rows
    return out
