"""Halving and doubling the resolution of features.

While training in mixed precision, torch's own go by way of float32 and keep the place of every
maximum as 8 bytes.  These stay in the precision of what they are given, and look for the places
again: the input is what the layer before it keeps anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def halve(image: Tensor) -> Tensor:
    """Max-pooling by two, (B, C, *S) -> (B, C, *S // 2)."""
    if not (torch.is_grad_enabled() and image.requires_grad) or any(n % 2 for n in image.shape[2:]):
        pool = functional.max_pool3d if image.ndim == 5 else functional.max_pool2d
        return pool(image, 2)
    halved: Tensor = _Halve.apply(image)  # type: ignore[no-untyped-call]
    return halved


def double(image: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by two."""
    with torch.autocast(image.device.type, enabled=False):
        return functional.interpolate(image, scale_factor=2, mode="nearest")


class _Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        ctx.save_for_backward(image)
        return _pooled(image)[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (image,) = ctx.saved_tensors
        two, zero, one = ([n] * (image.ndim - 2) for n in (2, 0, 1))
        back = (
            torch.ops.aten.max_pool3d_with_indices_backward
            if image.ndim == 5
            else torch.ops.aten.max_pool2d_with_indices_backward
        )
        places = _pooled(image)[1]
        slope: Tensor = back(grad, image, two, two, zero, one, False, places)
        return slope


def _pooled(image: Tensor) -> tuple[Tensor, Tensor]:
    """Maxima, and their places."""
    pool = functional.max_pool3d if image.ndim == 5 else functional.max_pool2d
    with torch.autocast(image.device.type, enabled=False):
        maxima, places = pool(image, 2, return_indices=True)
    return maxima, places
