"""Mutual information of two images and its slope with respect to the second, by a table.

With a hat (linear) Parzen window on the moved intensity, the derivative of mutual information
by one moved value is the difference, along the moved axis, of its derivatives by the cells of
the table (Thevenaz & Unser, IEEE TIP 2000): one look-up per voxel.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_voxelmorph.engine.optimization.histogram_kernels import count_cells, look_up_slope
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]

_BINS = 32
_LIMIT = 3.5  # deviations; images come with unit deviation


def mutual_information_slope(fixed: Tensor, moved: Tensor, weight: Tensor) -> tuple[float, Tensor]:
    """Mutual information (nats) and its gradient by `moved`, times the number of voxels.

    Parameters
    ----------
    fixed, moved, weight : Tensor, one shape
        Zero mean and unit deviation; 1 where voxels count.
    """
    scale = (_BINS - 1) / (2 * _LIMIT)
    row = ((fixed + _LIMIT) * scale).round().clamp(0, _BINS - 1).long()
    position = ((moved + _LIMIT) * scale).clamp(0, _BINS - 1.001)
    low = position.long()
    share = position - low
    cell = (row * _BINS + low).reshape(-1)
    w = weight.reshape(-1)
    # Apple's GPUs have no double precision.
    exact = torch.float32 if fixed.device.type == "mps" else torch.float64
    joint = torch.zeros(_BINS * _BINS, device=fixed.device, dtype=exact)
    joint.index_add_(0, cell, ((1 - share.reshape(-1)) * w).to(exact))
    joint.index_add_(0, cell + 1, (share.reshape(-1) * w).to(exact))
    value, by_cell = _information(joint.reshape(_BINS, _BINS))
    change = _change(by_cell)
    slope = change.reshape(-1)[(row * (_BINS - 1) + low.clamp(max=_BINS - 2))]
    return value, slope * weight


def mutual_information_slope_cpu(fixed: Array, moved: Array, weight: Array) -> tuple[float, Array]:
    """The same on arrays (Z, Y, X), by numba kernels."""
    parts = run_slabs(count_cells, fixed.shape[0], fixed, moved, weight, _BINS, np.float32(_LIMIT))
    value, by_cell = _information(torch.as_tensor(np.sum(parts, axis=0)))
    out = np.empty_like(moved)
    change = _change(by_cell).numpy()
    run_slabs(look_up_slope, fixed.shape[0], fixed, moved, weight, change, np.float32(_LIMIT), out)
    return value, out


def _change(by_cell: Tensor) -> Tensor:
    """Slope by the moved intensity between two neighbouring cells, (bins, bins - 1)."""
    return (by_cell[:, 1:] - by_cell[:, :-1]).float() * ((_BINS - 1) / (2 * _LIMIT))


def _information(joint: Tensor) -> tuple[float, Tensor]:
    """Mutual information of a table of counts, and its exact slope by each count, times their sum.

    The blur takes part in the slope; it is small work on a small table.
    """
    # A level may be too coarse for a thin mask: nothing counts then, and nothing pulls.
    total = joint.sum().clamp(min=1e-6)
    with torch.enable_grad():
        share = (joint / total).requires_grad_(True)
        table = _smoothed(share)
        p_fixed, p_moved = table.sum(1, keepdim=True), table.sum(0, keepdim=True)
        value = (table * (table / (p_fixed * p_moved)).log()).sum()
        (by_cell,) = torch.autograd.grad(value, share)
    return float(value.detach()), by_cell


def _smoothed(table: Tensor) -> Tensor:
    """A 3-tap blur along both axes and a floor, so that empty cells do not shout."""
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=table.dtype, device=table.device)
    kernel = (taps[:, None] * taps[None, :])[None, None]
    padded = functional.pad(table[None, None], (1, 1, 1, 1), mode="replicate")
    out = functional.conv2d(padded, kernel)[0, 0] + 1e-7
    return out / out.sum()
