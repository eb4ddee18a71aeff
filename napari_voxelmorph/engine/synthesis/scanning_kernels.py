"""Numba kernels that turn a painted image into a scan: blur, coil and noise, tone.

Arrays and slabs as in `painting_kernels`; `painting_torch` is their oracle.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split as split_position
from napari_voxelmorph.engine.geometry.kernels import jit
from napari_voxelmorph.engine.synthesis.row_kernels import mixed_row, spread, white


@jit
def blur_planes(image, first, weights1, start1, weights2, start2, out, a, b):  # type: ignore[no-untyped-def]
    """Banded operators along the second and the third axis of every plane.

    weights : (n, T) float32, start : (n,) int32: ``out[i] = Σ_t weights[i, t] · in[start[i] + t]``.
    `first` : whether there is anything to do along the second axis.
    """
    n1, n2 = image.shape[1:]
    plane = np.empty((n1, n2), np.float32)
    for x in range(a, b):
        for y in range(n1):
            if first:
                for z in range(n2):
                    plane[y, z] = 0.0
                for t in range(weights1.shape[1]):
                    w = weights1[y, t]
                    if w != 0.0:
                        source = start1[y] + t
                        for z in range(n2):
                            plane[y, z] += w * image[x, source, z]
            else:
                for z in range(n2):
                    plane[y, z] = image[x, y, z]
        for y in range(n1):
            for z in range(n2):
                s = start2[z]
                total = np.float32(0.0)
                for t in range(weights2.shape[1]):
                    total += weights2[z, t] * plane[y, s + t]
                out[x, y, z] = total


@jit
def blur_and_shade(  # type: ignore[no-untyped-def]
    image, weights, start, gain, spacing, noise, seed, box, out, a, b
):
    """Along the first axis a banded operator; then gain, white noise and magnitude.

    gain : (g0, g1, g2) float32 on a coarse grid; box : (3, 2) int64, the field of view.
    Returns the smallest and the largest value inside the box.
    """
    g0, g1, g2 = gain.shape
    n1, n2 = image.shape[1:]
    row = np.empty(g2, np.float32)
    low, weight = spread(n2, spacing, g2)
    step = 1 if g2 > 1 else 0
    least, largest = np.float32(np.inf), np.float32(-np.inf)
    for x in range(a, b):
        i, di, wi = split_position(x / spacing, g0)
        for y in range(n1):
            j, dj, wj = split_position(y / spacing, g1)
            mixed_row(gain, i, di, wi, j, dj, wj, row)
            for z in range(n2):
                out[x, y, z] = 0.0
            for t in range(weights.shape[1]):
                w = weights[x, t]
                if w != 0.0:
                    source = start[x] + t
                    for z in range(n2):
                        out[x, y, z] += w * image[source, y, z]
            for z in range(n2):
                k = low[z]
                value = out[x, y, z] * (row[k] + weight[z] * (row[k + step] - row[k]))
                if noise > 0.0:
                    value += noise * white((x * n1 + y) * n2 + z, seed)
                out[x, y, z] = abs(value)
            if box[0, 0] <= x < box[0, 1] and box[1, 0] <= y < box[1, 1]:
                for z in range(box[2, 0], box[2, 1]):
                    least = min(least, out[x, y, z])
                    largest = max(largest, out[x, y, z])
    return least, largest


@jit
def histogram(image, box, every, low, high, bins, a, b):  # type: ignore[no-untyped-def]
    """Counts of the values from `low` to `high`, of each `every`-th voxel inside the box."""
    counts = np.zeros(bins, np.int64)
    scale = np.float32(bins / (high - low))
    for x in range(max(a, box[0, 0]), min(b, box[0, 1])):
        for y in range(box[1, 0], box[1, 1]):
            for z in range(box[2, 0] + (x + y) % every, box[2, 1], every):
                counts[min(int((image[x, y, z] - low) * scale), bins - 1)] += 1
    return counts


@jit
def tone(image, low, high, curve, box, a, b):  # type: ignore[no-untyped-def]
    """In place: ``curve`` (linear between its points, from `low` to `high`); 0 outside the box."""
    last = curve.size - 1
    scale = np.float32(last / (high - low))
    n1, n2 = image.shape[1:]
    for x in range(a, b):
        for y in range(n1):
            inside = box[0, 0] <= x < box[0, 1] and box[1, 0] <= y < box[1, 1]
            first, end = (box[2, 0], box[2, 1]) if inside else (0, 0)
            for z in range(first):
                image[x, y, z] = 0.0
            for z in range(end, n2):
                image[x, y, z] = 0.0
            for z in range(first, end):
                t = (image[x, y, z] - low) * scale
                k = min(int(t), last - 1)
                w = t - np.float32(k)
                image[x, y, z] = curve[k] + w * (curve[k + 1] - curve[k])
