"""Numba kernels of the field optimiser: force from an image gradient, smoothing, moments."""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import jit


@jit
def pooled_force(slope, moved, factors, out, a, b):  # type: ignore[no-untyped-def]
    """``out[c] = mean over each cell of slope · ∂moved/∂x_c`` (central differences).

    slope, moved : (Z, Y, X); factors : (3,) cell size in voxels; out : (3, ceil(Z / f0), …).
    The slab ``[a, b)`` is of the first axis of the coarse grid.
    """
    depth, height, width = moved.shape
    half = np.float32(0.5)
    for cz in range(a, b):
        for cy in range(out.shape[2]):
            for cx in range(out.shape[3]):
                f0 = np.float32(0.0)
                f1 = np.float32(0.0)
                f2 = np.float32(0.0)
                z1 = min((cz + 1) * factors[0], depth)
                y1 = min((cy + 1) * factors[1], height)
                x1 = min((cx + 1) * factors[2], width)
                for z in range(cz * factors[0], z1):
                    zm, zp = max(z - 1, 0), min(z + 1, depth - 1)
                    for y in range(cy * factors[1], y1):
                        ym, yp = max(y - 1, 0), min(y + 1, height - 1)
                        for x in range(cx * factors[2], x1):
                            g = slope[z, y, x]
                            f0 += g * (moved[zp, y, x] - moved[zm, y, x])
                            f1 += g * (moved[z, yp, x] - moved[z, ym, x])
                            xm, xp = max(x - 1, 0), min(x + 1, width - 1)
                            f2 += g * (moved[z, y, xp] - moved[z, y, xm])
                n = half / np.float32(factors[0] * factors[1] * factors[2])
                out[0, cz, cy, cx] = f0 * n
                out[1, cz, cy, cx] = f1 * n
                out[2, cz, cy, cx] = f2 * n


@jit
def smooth_last_axes(field, taps1, taps2, out, a, b):  # type: ignore[no-untyped-def]
    """Convolve (C, Z, Y, X) along Y and X with symmetric taps (half kernels), edge clamped."""
    _, _, height, width = field.shape
    r1, r2 = taps1.size - 1, taps2.size - 1
    plane = np.empty((height, width), np.float32)
    row = np.empty(width + 2 * r2, np.float32)
    for c in range(field.shape[0]):
        for z in range(a, b):
            for y in range(height):
                for x in range(width):
                    plane[y, x] = taps1[0] * field[c, z, y, x]
                for d in range(1, r1 + 1):
                    lo, hi = max(y - d, 0), min(y + d, height - 1)
                    for x in range(width):
                        plane[y, x] += taps1[d] * (field[c, z, lo, x] + field[c, z, hi, x])
            for y in range(height):
                for x in range(r2):
                    row[x] = plane[y, 0]
                    row[width + r2 + x] = plane[y, width - 1]
                for x in range(width):
                    row[r2 + x] = plane[y, x]
                for x in range(width):
                    out[c, z, y, x] = taps2[0] * row[r2 + x]
                for d in range(1, r2 + 1):
                    for x in range(width):
                        out[c, z, y, x] += taps2[d] * (row[r2 + x - d] + row[r2 + x + d])


@jit
def smooth_first_axis(field, taps, out, a, b):  # type: ignore[no-untyped-def]
    """Convolve (C, Z, Y, X) along Z with symmetric taps (half kernel), edge clamped."""
    depth = field.shape[1]
    for c in range(field.shape[0]):
        for z in range(a, b):
            for y in range(field.shape[2]):
                for x in range(field.shape[3]):
                    out[c, z, y, x] = taps[0] * field[c, z, y, x]
                for d in range(1, taps.size):
                    lo, hi = max(z - d, 0), min(z + d, depth - 1)
                    for x in range(field.shape[3]):
                        out[c, z, y, x] += taps[d] * (field[c, lo, y, x] + field[c, hi, y, x])
