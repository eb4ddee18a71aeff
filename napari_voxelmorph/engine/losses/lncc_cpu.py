"""The local correlation loss and its gradient on the CPU, for images that change every time.

`lncc_kernels` keeps the sums of a fixed image from one call to the next; in a training the
fixed image is another one at every step, so here all five window sums are made on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.geometry.thick import thick_image
from napari_voxelmorph.engine.losses.lncc_kernels import (
    _add_plane,
    _add_product_plane,
    _window_row,
    lncc_gradient,
)
from napari_voxelmorph.engine.parallel import run_slabs


def lncc_cpu(fixed: Tensor, moved: Tensor, radius: int, floor: float) -> Tensor:
    """``-mean cc²`` of centred float32 images (B, 1, *S); gradient with respect to `moved` only."""
    loss: Tensor = _LnccCpu.apply(fixed, moved, radius, floor)  # type: ignore[no-untyped-call]
    return loss


class _LnccCpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, fixed: Tensor, moved: Tensor, radius: int, floor: float) -> Tensor:
        ctx.radius, total, adjoints = radius, 0.0, []
        counts = [_window_sizes(n, radius) for n in thick_image(fixed[0, 0]).shape]
        for f, m in zip(fixed, moved, strict=True):
            f3, m3 = thick_image(f[0]), thick_image(m[0])
            adjoint = np.empty((3, *f3.shape), np.float32)
            adjoints.append(torch.from_numpy(adjoint))
            weight = np.float32(1 / fixed.numel())
            parts = run_slabs(
                _adjoints, len(f3), f3, m3, *counts, radius, np.float32(floor), weight, *adjoint
            )
            total += sum(parts)
        ctx.save_for_backward(fixed, moved, torch.stack(adjoints))
        return torch.tensor(-total, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        fixed, moved, adjoints = ctx.saved_tensors
        slope = torch.empty_like(moved, memory_format=torch.contiguous_format)
        for f, m, adjoint, out in zip(fixed, moved, adjoints, slope, strict=True):
            target = thick_image(out[0])
            a, b, c = adjoint.numpy()
            run_slabs(
                lncc_gradient,
                len(target),
                thick_image(f[0]),
                thick_image(m[0]),
                a,
                b,
                c,
                ctx.radius,
                target,
            )
        return None, slope * -grad, None, None


def _window_sizes(n: int, radius: int) -> NDArray[np.float32]:
    """How many of the n voxels along an axis each window holds."""
    i = np.arange(n)
    return (np.minimum(i + radius, n - 1) - np.maximum(i - radius, 0) + 1).astype(np.float32)


# NaN must come out as NaN: neither the exception of Python's division nor a compiler that takes
# all numbers for finite.
_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"nsz", "arcp", "contract"})


@_jit
def _adjoints(  # type: ignore[no-untyped-def]
    fixed, moved, count0, count1, count2, radius, floor, weight, adj_a, adj_b, adj_c, a, b
):
    """Sum over the slab of weight · cc, and the adjoint images of `lncc_gradient`."""
    depth, height, width = fixed.shape
    columns = np.zeros((5, height, width), np.float32)
    rows = np.zeros(width + 2 * radius, np.float32)
    s = np.empty((5, width), np.float32)
    one, two, zero = np.float32(1.0), np.float32(2.0), np.float32(0.0)
    total = 0.0
    for z in range(max(0, a - radius), min(depth, a + radius)):
        _add_planes(columns, fixed, moved, z, one)
    for z in range(a, b):
        if z + radius < depth:
            _add_planes(columns, fixed, moved, z + radius, one)
        for y in range(height):
            for q in range(5):
                _window_row(columns[q], y, radius, rows, s[q])
            row_total = zero
            for x in range(width):
                n = count0[z] * count1[y] * count2[x]
                inv_n = one / n
                cross = s[4, x] - s[0, x] * s[1, x] * inv_n
                var_i = max(s[2, x] - s[0, x] * s[0, x] * inv_n, zero) + floor * n
                var_j = max(s[3, x] - s[1, x] * s[1, x] * inv_n, zero) + floor * n
                scale = weight / (var_i * var_j)
                row_total += cross * cross * scale
                c_adj = two * cross * scale
                b_adj = -cross * cross * scale / var_j
                adj_c[z, y, x] = c_adj
                adj_b[z, y, x] = b_adj
                adj_a[z, y, x] = -inv_n * (s[0, x] * c_adj + two * s[1, x] * b_adj)
            total += float(row_total)
        if z - radius >= 0:
            _add_planes(columns, fixed, moved, z - radius, -one)
    return total


@_jit
def _add_planes(columns, fixed, moved, plane, sign):  # type: ignore[no-untyped-def]
    _add_plane(columns[0], fixed, plane, sign)
    _add_plane(columns[1], moved, plane, sign)
    _add_product_plane(columns[2], fixed, fixed, plane, sign)
    _add_product_plane(columns[3], moved, moved, plane, sign)
    _add_product_plane(columns[4], fixed, moved, plane, sign)
