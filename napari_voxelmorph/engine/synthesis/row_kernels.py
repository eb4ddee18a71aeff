"""Numba: white noise by hashing, and smooth fields that come on a coarse grid.

Node g of a coarse grid lies at voxel ``spacing · g``.  Kernels interpolate it row by row:
across the two first axes once per row (`mixed_row`), then along the row (`spread`), which
costs a small part of eight neighbours per voxel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from napari_voxelmorph.engine.geometry.kernels import _split as split_position
from napari_voxelmorph.engine.geometry.kernels import jit

#: Standard deviation of the sum of four uniform bytes.
BYTES_STD = float(np.sqrt(4 * (256**2 - 1) / 12))


@njit(inline="always")
def white(index, seed):  # type: ignore[no-untyped-def]
    """Nearly normal number (mean 0, SD 1) of a voxel: four hashed bytes (murmur3 finalizer)."""
    h = np.uint32(np.uint32(index) * np.uint32(0x9E3779B9)) ^ np.uint32(seed)
    h ^= h >> np.uint32(16)
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h ^= h >> np.uint32(16)
    low, high = h & np.uint32(0x00FF00FF), (h >> np.uint32(8)) & np.uint32(0x00FF00FF)
    pairs = np.uint32(low + high)
    total = (pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))
    return (np.float32(np.int32(total)) - np.float32(510.0)) * np.float32(1 / BYTES_STD)


@njit(inline="always")
def mixed_row(grid, i, di, wi, j, dj, wj, row):  # type: ignore[no-untyped-def]
    """Bilinear mix of four rows of a coarse grid."""
    one = np.float32(1.0)
    a, b = (one - wi) * (one - wj), (one - wi) * wj
    c, d = wi * (one - wj), wi * wj
    for k in range(row.size):
        row[k] = (
            a * grid[i, j, k]
            + b * grid[i, j + dj, k]
            + c * grid[i + di, j, k]
            + d * grid[i + di, j + dj, k]
        )


@jit
def spread(n, spacing, nodes):  # type: ignore[no-untyped-def]
    """Lower node and weight of the upper one for every voxel of a row."""
    low, weight = np.empty(n, np.int32), np.empty(n, np.float32)
    for z in range(n):
        k, dk, w = split_position(z / spacing, nodes)
        low[z] = k
        weight[z] = w
        if dk == 0 and k > 0:
            # The last node: as the far end of the interval before it.
            low[z] = k - 1
            weight[z] = np.float32(1.0)
    return low, weight


@jit
def upsample(grid, spacing, out, a, b):  # type: ignore[no-untyped-def]
    """``out[x] = grid(x / spacing)``, linear, for a coarse grid (g0, g1, g2)."""
    g0, g1, g2 = grid.shape
    n1, n2 = out.shape[1:]
    row = np.empty(g2, np.float32)
    low, weight = spread(n2, spacing, g2)
    step = 1 if g2 > 1 else 0
    for x in range(a, b):
        i, di, wi = split_position(x / spacing, g0)
        for y in range(n1):
            j, dj, wj = split_position(y / spacing, g1)
            mixed_row(grid, i, di, wi, j, dj, wj, row)
            for z in range(n2):
                k = low[z]
                out[x, y, z] = row[k] + weight[z] * (row[k + step] - row[k])
