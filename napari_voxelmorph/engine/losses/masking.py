"""What all losses share: checks of their inputs, and means within a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError


def check_pair(
    fixed: Tensor, moved: Tensor, mask: Tensor | None, name: str
) -> tuple[Tensor, Tensor]:
    """Return both images in at least float32, or raise `InputError` when they do not match.

    Parameters
    ----------
    fixed, moved : Tensor (B, C, *S)
        With two or three spatial axes.
    mask : Tensor (B or 1, C or 1, *S), optional
    """
    if fixed.shape != moved.shape or fixed.ndim not in (4, 5):
        raise InputError(
            f"{name}: expected two tensors of one shape (B, C, *S) with 2 or 3 spatial axes, got "
            f"{tuple(fixed.shape)} and {tuple(moved.shape)}."
        )
    if mask is not None and (
        mask.ndim != fixed.ndim
        or mask.shape[2:] != fixed.shape[2:]
        or mask.shape[0] not in (1, fixed.shape[0])
        or mask.shape[1] not in (1, fixed.shape[1])
    ):
        raise InputError(
            f"{name}: the mask must have shape (B or 1, C or 1, *S) for images of shape "
            f"{tuple(fixed.shape)}, got {tuple(mask.shape)}."
        )
    return at_least_float32(fixed), at_least_float32(moved)


def at_least_float32(image: Tensor) -> Tensor:
    """Half precision and integers become float32; float64 stays."""
    return image if image.dtype == torch.float64 else image.float()


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of `values` weighted by the mask (broadcast); 0 when the mask is empty."""
    if mask is None:
        return values.mean()
    weights = mask.to(values.dtype).expand_as(values)
    total = weights.sum()
    # where: what lies outside may be NaN, and 0 * NaN is NaN
    inside = torch.where(weights > 0, values, torch.zeros_like(values))
    return (inside * weights).sum() / total.clamp(min=torch.finfo(values.dtype).tiny)
