"""Mean squared difference."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_voxelmorph.engine.losses.masking import check_pair, masked_mean


def mse(fixed: Tensor, moved: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of ``(fixed - moved)²`` within the mask (a scalar, smaller is better).

    Parameters
    ----------
    fixed, moved : Tensor (B, C, *S)
    mask : Tensor (B or 1, C or 1, *S), optional
        Weights; what lies outside may even be NaN.

    Raises
    ------
    InputError
        On shapes that do not match.
    """
    fixed, moved = check_pair(fixed, moved, mask, "mse")
    if mask is not None:  # before squaring: a NaN outside would poison the gradient
        inside = mask.expand_as(fixed) > 0
        zero = torch.zeros((), dtype=fixed.dtype, device=fixed.device)
        fixed, moved = torch.where(inside, fixed, zero), torch.where(inside, moved, zero)
    return masked_mean((fixed - moved) ** 2, mask)
