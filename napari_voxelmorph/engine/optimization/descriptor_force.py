"""Squared difference of many-channel descriptors under a warp, and its force, in one pass.

The channels lie last and in bytes, so that a warp finds all of a voxel's channels in one
place and computes its position once.  Three warped planes are held at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from napari_voxelmorph.engine.geometry.kernels import _split, jit


@jit
def _field_row(field, ratio, z, y, row):  # type: ignore[no-untyped-def]
    """The field interpolated across its first two axes at row (z, y) of the image; in voxels."""
    f0, f1, f2 = field.shape[1:]
    one = np.float32(1.0)
    i, di, wi = _split((z - 0.5 * (ratio[0] - 1)) / ratio[0], f0)
    j, dj, wj = _split((y - 0.5 * (ratio[1] - 1)) / ratio[1], f1)
    for c in range(3):
        size = np.float32(ratio[c])
        w00, w01 = (one - wi) * (one - wj) * size, (one - wi) * wj * size
        w10, w11 = wi * (one - wj) * size, wi * wj * size
        for g in range(f2):
            row[c, g] = (
                field[c, i, j, g] * w00
                + field[c, i, j + dj, g] * w01
                + field[c, i + di, j, g] * w10
                + field[c, i + di, j + dj, g] * w11
            )


@jit
def _warp_plane(moving, needed, field, ratio, z, row, out):  # type: ignore[no-untyped-def]
    """Plane z of the warped descriptors, edge clamped, where they are needed."""
    depth, height, width, channels = moving.shape
    f2 = field.shape[3]
    one = np.float32(1.0)
    for y in range(height):
        _field_row(field, ratio, z, y, row)
        for x in range(width):
            if not needed[z, y, x]:
                continue
            k, dk, wk = _split((x - 0.5 * (ratio[2] - 1)) / ratio[2], f2)
            s, ds, ws = _split(z + row[0, k] * (one - wk) + row[0, k + dk] * wk, depth)
            t, dt, wt = _split(y + row[1, k] * (one - wk) + row[1, k + dk] * wk, height)
            p, dp, wp = _split(x + row[2, k] * (one - wk) + row[2, k + dk] * wk, width)
            w00, w01 = (one - ws) * (one - wt), (one - ws) * wt
            w10, w11 = ws * (one - wt), ws * wt
            a, b, c, d = moving[s, t], moving[s, t + dt], moving[s + ds, t], moving[s + ds, t + dt]
            q = p + dp
            op = one - wp
            for n in range(channels):
                out[y, x, n] = (
                    w00 * (a[p, n] * op + a[q, n] * wp)
                    + w01 * (b[p, n] * op + b[q, n] * wp)
                    + w10 * (c[p, n] * op + c[q, n] * wp)
                    + w11 * (d[p, n] * op + d[q, n] * wp)
                )


@njit(nogil=True, cache=True, fastmath=True)
def _pull(fixed, before, here, after, y, x, pull):  # type: ignore[no-untyped-def]
    """Squared difference of one voxel; ``pull[c]`` gets difference · (twice) ∂moved/∂x_c."""
    height, width, channels = here.shape
    ym, yp = max(y - 1, 0), min(y + 1, height - 1)
    xm, xp = max(x - 1, 0), min(x + 1, width - 1)
    total = np.float32(0.0)
    f0 = np.float32(0.0)
    f1 = np.float32(0.0)
    f2 = np.float32(0.0)
    for n in range(channels):
        difference = np.float32(fixed[n]) - here[y, x, n]
        total += difference * difference
        f0 += difference * (after[y, x, n] - before[y, x, n])
        f1 += difference * (here[yp, x, n] - here[ym, x, n])
        f2 += difference * (here[y, xp, n] - here[y, xm, n])
    pull[0], pull[1], pull[2] = f0, f1, f2
    return total


@jit
def descriptor_force(fixed, moving, weight, needed, field, ratio, out, a, b):  # type: ignore[no-untyped-def]
    """Add the pooled force to ``out``; return Σ weight² · Σ_channels difference².

    fixed, moving : (Z, Y, X, P) uint8; weight : (Z, Y, X) float32; needed : (Z, Y, X) bool,
    the voxels with a weight and their neighbours; field, out : (3, cells), cells of `ratio`
    voxels; the slab [a, b) is of cells.  Bytes are taken as they are (0 … 255).
    """
    depth, height, width, channels = moving.shape
    ring = np.zeros((3, height, width, channels), np.float32)
    row = np.empty((3, field.shape[3]), np.float32)
    pull = np.empty(3, np.float32)
    # mean over the cell of: weight · 2 / channels · difference · ½ (central difference)
    share = np.float32(1.0 / (channels * ratio[0] * ratio[1] * ratio[2]))
    first, last = a * ratio[0], min(b * ratio[0], depth)
    for z in range(max(first - 1, 0), first + 1):
        _warp_plane(moving, needed, field, ratio, z, row, ring[z % 3])
    total = 0.0
    for z in range(first, last):
        if z + 1 < depth:
            _warp_plane(moving, needed, field, ratio, z + 1, row, ring[(z + 1) % 3])
        before, here, after = ring[max(z - 1, 0) % 3], ring[z % 3], ring[min(z + 1, depth - 1) % 3]
        cz = z // ratio[0]
        for y in range(height):
            cy = y // ratio[1]
            for x in range(width):
                w = weight[z, y, x]
                if w == 0:
                    continue
                total += w * w * _pull(fixed[z, y, x], before, here, after, y, x, pull)
                cx = x // ratio[2]
                w *= share
                out[0, cz, cy, cx] += w * pull[0]
                out[1, cz, cy, cx] += w * pull[1]
                out[2, cz, cy, cx] += w * pull[2]
    return total
