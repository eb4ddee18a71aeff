"""Numba kernels: warp features and correlate them, with the gradients.

Features are float32, C-contiguous, channels last, (Z, Y, X, C) (2-D: one slice thick), so that
the innermost loops run along neighbouring numbers.  A field is (3, Z, Y, X) in voxels and
finite; positions are clamped to the edge.  Slabs ``[a, b)`` are of the first axis.  `geometry.warp`
is the oracle.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from napari_voxelmorph.engine.geometry.kernels import _split, jit

#: Sums over channels may be taken in any order.
fast = njit(nogil=True, cache=True, fastmath={"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"})


@jit
def warp_features(image, field, out, a, b):  # type: ignore[no-untyped-def]
    """``out(x) = image(x + u(x))``, linear."""
    n0, n1, n2, channels = image.shape
    one = np.float32(1.0)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                w00, w01 = (one - wi) * (one - wj), (one - wi) * wj
                w10, w11, uk = wi * (one - wj), wi * wj, one - wk
                for c in range(channels):
                    low = w00 * image[i, j, k, c] + w01 * image[i, j + dj, k, c]
                    low += w10 * image[i + di, j, k, c] + w11 * image[i + di, j + dj, k, c]
                    up = w00 * image[i, j, k + dk, c] + w01 * image[i, j + dj, k + dk, c]
                    up += w10 * image[i + di, j, k + dk, c] + w11 * image[i + di, j + dj, k + dk, c]
                    out[x, y, z, c] = uk * low + wk * up


@fast
def warp_features_slope(image, field, grad, out, a, b):  # type: ignore[no-untyped-def]
    """Gradient of `warp_features` with respect to the field; 0 where clamped."""
    n0, n1, n2, channels = image.shape
    one = np.float32(1.0)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                ui, uj, uk = one - wi, one - wj, one - wk
                s0 = s1 = s2 = np.float32(0.0)
                for c in range(channels):
                    g = grad[x, y, z, c]
                    c000, c001 = image[i, j, k, c], image[i, j, k + dk, c]
                    c010, c011 = image[i, j + dj, k, c], image[i, j + dj, k + dk, c]
                    c100, c101 = image[i + di, j, k, c], image[i + di, j, k + dk, c]
                    c110, c111 = image[i + di, j + dj, k, c], image[i + di, j + dj, k + dk, c]
                    e00, e01 = uk * c000 + wk * c001, uk * c010 + wk * c011
                    e10, e11 = uk * c100 + wk * c101, uk * c110 + wk * c111
                    s0 += g * (uj * (e10 - e00) + wj * (e11 - e01))
                    s1 += g * (ui * (e01 - e00) + wi * (e11 - e10))
                    low = ui * (uj * (c001 - c000) + wj * (c011 - c010))
                    s2 += g * (low + wi * (uj * (c101 - c100) + wj * (c111 - c110)))
                out[0, x, y, z], out[1, x, y, z], out[2, x, y, z] = s0, s1, s2


@jit
def warp_features_scatter(image, field, grad, a, b):  # type: ignore[no-untyped-def]
    """Gradient of `warp_features` with respect to the image, of the slab's voxels.

    Returns the first row and the rows that the slab looked at: slabs overlap, so whoever calls
    adds them, in order.
    """
    n0, n1, n2, channels = image.shape
    one = np.float32(1.0)
    low, high = np.float32(0.0), np.float32(0.0)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                low, high = min(low, field[0, x, y, z]), max(high, field[0, x, y, z])
    first = max(0, a - int(min(-low, np.float32(n0))) - 1)
    last = min(n0, b + int(min(high, np.float32(n0))) + 2)
    out = np.zeros((last - first, n1, n2, channels), np.float32)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                i -= first
                w00, w01 = (one - wi) * (one - wj), (one - wi) * wj
                w10, w11, uk = wi * (one - wj), wi * wj, one - wk
                # One corner after the other: at the edge two corners are one voxel.
                for c in range(channels):
                    out[i, j, k, c] += w00 * uk * grad[x, y, z, c]
                for c in range(channels):
                    out[i, j, k + dk, c] += w00 * wk * grad[x, y, z, c]
                for c in range(channels):
                    out[i, j + dj, k, c] += w01 * uk * grad[x, y, z, c]
                for c in range(channels):
                    out[i, j + dj, k + dk, c] += w01 * wk * grad[x, y, z, c]
                for c in range(channels):
                    out[i + di, j, k, c] += w10 * uk * grad[x, y, z, c]
                for c in range(channels):
                    out[i + di, j, k + dk, c] += w10 * wk * grad[x, y, z, c]
                for c in range(channels):
                    out[i + di, j + dj, k, c] += w11 * uk * grad[x, y, z, c]
                for c in range(channels):
                    out[i + di, j + dj, k + dk, c] += w11 * wk * grad[x, y, z, c]
    return first, out
