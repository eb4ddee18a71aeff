"""Tensors of features as the kernels want them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def usable(features: Tensor) -> bool:
    """Whether the kernels take them: float32 of the CPU."""
    return features.device.type == "cpu" and features.dtype == torch.float32


def channels_last(features: Tensor) -> NDArray[np.float32]:
    """(C, *S) as (Z, Y, X, C); shares the memory where it lies so already."""
    array = features.detach().movedim(0, -1).numpy()
    return np.ascontiguousarray(array if array.ndim == 4 else array[None])


def empty(shape: tuple[int, ...]) -> Tensor:
    """Room for (B, C, *S) float32 on the CPU, each image of which `channels_last` shares."""
    layout = torch.channels_last_3d if len(shape) == 5 else torch.channels_last
    return torch.empty(shape, memory_format=layout)
