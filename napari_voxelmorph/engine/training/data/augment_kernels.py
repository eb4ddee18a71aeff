"""Numba kernel of the augmentation: one resampling of image and labels, and new intensities.

float32, C-contiguous 3-D arrays (2-D is one slice thick), on a slab ``[a, b)`` of the first
axis; `engine.parallel` runs the slabs.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split, _trilinear, jit


@jit
def _line(grid, c, i, di, wi, j, dj, wj, out):  # type: ignore[no-untyped-def]
    """``out[k] = grid[c]`` between rows, for all nodes k of the last axis."""
    one = np.float32(1.0)
    for k in range(grid.shape[3]):
        low = grid[c, i, j, k] * (one - wj) + grid[c, i, j + dj, k] * wj
        high = grid[c, i + di, j, k] * (one - wj) + grid[c, i + di, j + dj, k] * wj
        out[k] = low * (one - wi) + high * wi


@jit
def _noise(seed, n):  # type: ignore[no-untyped-def]
    """About normal, mean 0, variance 1: four 16-bit parts of a mixed counter (splitmix64)."""
    z = seed + np.uint64(n) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    part = np.uint64(0xFFFF)
    total = np.float32(0.0)
    for shift in range(4):
        total += np.float32((z >> np.uint64(16 * shift)) & part)
    # Four uniform numbers: mean 2, variance 1/3.
    return (total / np.float32(65535.0) - np.float32(2.0)) * np.float32(1.7320508)


@jit
def resample(  # type: ignore[no-untyped-def]
    image, labels, grid, scale, curve, top, noise, seed, out, out_labels, a, b
):
    """``out[x] = g(image(p(x)))``, and the labels from the nearest voxel.

    image : (N0, N1, N2) float32; labels : the same in int16, or empty; grid : (4, *Sg) float32 on
    coarse nodes ``x = scale · k``, linear between them: position p (voxels of `image`) and gain;
    g : ``curve · gain + noise · normal`` on what is above 0, the curve given at equal steps from 0
    to `top` and clamped there.
    """
    n1, n2 = out.shape[1:]
    m0, m1, m2 = image.shape
    g0, g1, g2 = grid.shape[1:]
    half, zero = np.float32(0.5), np.float32(0.0)
    end0, end1, end2 = np.float32(m0 - 0.5), np.float32(m1 - 0.5), np.float32(m2 - 0.5)
    lines = np.empty((4, g2), np.float32)
    low, high = np.empty(n2, np.int64), np.empty(n2, np.int64)
    weight = np.empty(n2, np.float32)
    for z in range(n2):
        k, dk, wk = _split(z / scale[2], g2)
        low[z], high[z], weight[z] = k, k + dk, wk
    bins = curve.size
    steps = np.float32(bins - 1) / top
    has_labels = labels.size > 0
    for x in range(a, b):
        i, di, wi = _split(x / scale[0], g0)
        for y in range(n1):
            j, dj, wj = _split(y / scale[1], g1)
            for c in range(4):
                _line(grid, c, i, di, wi, j, dj, wj, lines[c])
            for z in range(n2):
                k, h, wk = low[z], high[z], weight[z]
                p0 = lines[0, k] + wk * (lines[0, h] - lines[0, k])
                p1 = lines[1, k] + wk * (lines[1, h] - lines[1, k])
                p2 = lines[2, k] + wk * (lines[2, h] - lines[2, k])
                value = zero
                if -half <= p0 < end0 and -half <= p1 < end1 and -half <= p2 < end2:
                    u, du, wu = _split(p0, m0)
                    v, dv, wv = _split(p1, m1)
                    w, dw, ww = _split(p2, m2)
                    value = _trilinear(image, u, du, wu, v, dv, wv, w, dw, ww)
                    if has_labels:
                        out_labels[x, y, z] = labels[
                            u + (du if wu >= half else 0),
                            v + (dv if wv >= half else 0),
                            w + (dw if ww >= half else 0),
                        ]
                elif has_labels:
                    out_labels[x, y, z] = 0
                if value > zero:
                    gain = lines[3, k] + wk * (lines[3, h] - lines[3, k])
                    # A table: powers would take as long as all the rest.
                    r, dr, wr = _split(value * steps, bins)
                    value = gain * (curve[r] + wr * (curve[r + dr] - curve[r]))
                    if noise > zero:
                        value += noise * _noise(seed, (x * n1 + y) * n2 + z)
                out[x, y, z] = value
