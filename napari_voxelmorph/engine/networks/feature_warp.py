"""Warp features of many channels: by kernels on the CPU, by torch elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.geometry.thick import for_kernels, thick_field, thin_field
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.networks import feature_kernels as kernels
from napari_voxelmorph.engine.networks.feature_arrays import channels_last, empty, usable
from napari_voxelmorph.engine.parallel import run_slabs


def warp_features(features: Tensor, displacement: Tensor) -> Tensor:
    """``moved(x) = features(x + u(x))``, linear, edge clamped, always in float32.

    Parameters
    ----------
    features : Tensor (B, C, *S)
    displacement : Tensor (B, D, *S), float32
        Voxels, array order.

    Returns
    -------
    Tensor (B, C, *S), float32
    """
    features = features.float()
    if not usable(features) or not for_kernels(displacement):
        return warp(features, displacement)
    moved: Tensor = _Warp.apply(features, displacement)  # type: ignore[no-untyped-call]
    return moved


class _Warp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, displacement: Tensor) -> Tensor:
        ctx.save_for_backward(features, displacement)
        moved = empty(tuple(features.shape))
        for m, f, u in zip(moved, features, displacement, strict=True):
            out = channels_last(m)
            run_slabs(kernels.warp_features, len(out), channels_last(f), thick_field(u), out)
        return moved

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        features, displacement = ctx.saved_tensors
        slope = empty(tuple(features.shape)).zero_()
        fields = []
        for s, f, u, g in zip(slope, features, displacement, grad, strict=True):
            given = channels_last(f), thick_field(u), channels_last(g)
            whole, out = channels_last(s), np.empty_like(given[1])
            n = len(whole)
            for first, rows in run_slabs(kernels.warp_features_scatter, n, *given):
                whole[first : first + len(rows)] += rows
            run_slabs(kernels.warp_features_slope, n, *given, out)
            fields.append(thin_field(out, len(u)))
        return slope, torch.stack(fields)
