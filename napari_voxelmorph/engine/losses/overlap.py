"""Overlap of soft segmentations."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_voxelmorph.engine.losses.masking import check_pair


def soft_dice(fixed: Tensor, moved: Tensor, mask: Tensor | None = None) -> Tensor:
    """Dice overlap ``2 Σpq / (Σp + Σq)`` of every label, (B, L).

    Parameters
    ----------
    fixed, moved : Tensor (B, L, *S)
        Probabilities or one-hot labels, one channel per label.
    mask : Tensor (B or 1, L or 1, *S), optional
        Weights of the voxels.

    Returns
    -------
    Tensor (B, L)
        From 0 to 1; 0 for a label that both leave empty.

    Raises
    ------
    InputError
        On shapes that do not match.
    """
    fixed, moved = check_pair(fixed, moved, mask, "soft_dice")
    weights = torch.ones_like(fixed[:1, :1]) if mask is None else mask.to(fixed.dtype)
    axes = tuple(range(2, fixed.ndim))
    both = (weights * fixed * moved).sum(axes)
    either = (weights * (fixed + moved)).sum(axes)
    return 2 * both / torch.where(either > 0, either, torch.ones_like(either))


def dice(fixed: Tensor, moved: Tensor, mask: Tensor | None = None) -> Tensor:
    """One minus the mean `soft_dice` over the labels that either image has (smaller is better).

    Parameters and errors as for `soft_dice`; 0 when no label is there at all.
    """
    overlap = soft_dice(fixed, moved, mask)
    axes = tuple(range(2, fixed.ndim))
    weights = torch.ones_like(fixed[:1, :1]) if mask is None else mask.to(fixed.dtype)
    present = ((weights * (fixed + moved)).detach().sum(axes) > 0).to(overlap.dtype)
    missing = (1 - overlap) * present
    return missing.sum() / present.sum().clamp(min=1)
