"""Tensors of 2-D and 3-D images as the kernels want them: 3-D arrays, 2-D one slice thick."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def thick_image(image: Tensor) -> NDArray[Any]:
    """(*S) as (Z, Y, X); of a contiguous CPU tensor it shares the memory."""
    array = image.detach().contiguous().numpy()
    return np.asarray(array if array.ndim == 3 else array[None])


def thick_field(field: Tensor) -> NDArray[np.float32]:
    """(D, *S) as (3, Z, Y, X)."""
    array = field.detach().contiguous().numpy()
    if len(array) == 3:
        return np.asarray(array)
    return np.concatenate([np.zeros_like(array[:1]), array])[:, None]


def thin_field(field: NDArray[np.float32], ndim: int) -> Tensor:
    """Undo `thick_field`."""
    return torch.from_numpy(field if ndim == 3 else np.ascontiguousarray(field[1:, 0]))


def for_kernels(field: Tensor) -> bool:
    """Whether kernels take it: float32 on the CPU."""
    return field.device.type == "cpu" and field.dtype == torch.float32


def unsafe(field: Tensor) -> bool:
    """A position that is NaN has no neighbours: on the CPU, torch and kernels read anywhere."""
    return field.device.type == "cpu" and bool(torch.isnan(field).any())
