"""Numba kernels that deform a label map, paint it, and make one from noise.

All work on C-contiguous 3-D arrays (2-D is one slice thick) and on a slab ``[a, b)`` of the
first axis, without the GIL; `engine.parallel` runs the slabs.  The torch functions of
`painting_torch` say the same and are their oracle.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split as split_position
from napari_voxelmorph.engine.geometry.kernels import jit
from napari_voxelmorph.engine.synthesis.row_kernels import mixed_row, spread, white


@jit
def _places(x, y, matrix, rows, low, weight, out):  # type: ignore[no-untyped-def]
    """Map positions, counted from the voxels' edges, of a row of voxels (3, n2)."""
    step = 1 if rows.shape[1] > 1 else 0
    half = np.float32(0.5)
    for z in range(out.shape[1]):
        k, w = low[z], weight[z]
        q0 = np.float32(x) + rows[0, k] + w * (rows[0, k + step] - rows[0, k])
        q1 = np.float32(y) + rows[1, k] + w * (rows[1, k + step] - rows[1, k])
        q2 = np.float32(z) + rows[2, k] + w * (rows[2, k + step] - rows[2, k])
        for c in range(3):
            out[c, z] = (
                matrix[c, 0] * q0 + matrix[c, 1] * q1 + matrix[c, 2] * q2 + matrix[c, 3] + half
            )


@jit
def _look_up(places, o0, o1, o2, n0, n1, n2, wrap, out):  # type: ignore[no-untyped-def]
    """Flat index of the map's voxel at every position of a row plus an offset; -1 outside."""
    f0, f1, f2 = np.float32(n0), np.float32(n1), np.float32(n2)
    for z in range(out.size):
        i, j, k = places[0, z] + o0, places[1, z] + o1, places[2, z] + o2
        if wrap:
            i -= f0 * np.floor(i / f0)
            j -= f1 * np.floor(j / f1)
            k -= f2 * np.floor(k / f2)
        # Not a chain of comparisons, which the compiler cannot turn into vector code.
        inside = (i >= 0) & (j >= 0) & (k >= 0) & (i < f0) & (j < f1) & (k < f2)
        index = (np.int32(i) * np.int32(n1) + np.int32(j)) * np.int32(n2) + np.int32(k)
        out[z] = index if inside else np.int32(-1)


@jit
def deform_labels(labels, matrix, field, spacing, wrap, out, a, b):  # type: ignore[no-untyped-def]
    """``out[x] = labels(matrix · (x + u(x)))``, nearest.

    labels : (M0, M1, M2) uint8; matrix : (3, 4) float32, output voxel → map voxel;
    field : (3, g0, g1, g2) float32 displacement in output voxels; wrap : the map repeats
    itself beyond its edge (else 0).
    """
    g0, g1, g2 = field.shape[1:]
    m0, m1, m2 = labels.shape
    n1, n2 = out.shape[1:]
    flat, zero = labels.reshape(-1), np.float32(0.0)
    rows, places = np.empty((3, g2), np.float32), np.empty((3, n2), np.float32)
    index = np.empty(n2, np.int32)
    low, weight = spread(n2, spacing, g2)
    for x in range(a, b):
        i, di, wi = split_position(x / spacing, g0)
        for y in range(n1):
            j, dj, wj = split_position(y / spacing, g1)
            for c in range(3):
                mixed_row(field[c], i, di, wi, j, dj, wj, rows[c])
            _places(x, y, matrix, rows, low, weight, places)
            _look_up(places, zero, zero, zero, m0, m1, m2, wrap, index)
            for z in range(n2):
                out[x, y, z] = flat[index[z]] if index[z] >= 0 else 0


@jit
def paint(  # type: ignore[no-untyped-def]
    labels, matrix, offsets, field, spacing, wrap, palette, structure, texture, texture_spacing,
    seed, image, structures, a, b,
):  # fmt: skip
    """Deform a map as `deform_labels` and give every voxel the brightness of its label.

    offsets : (K, 3) float32, map voxels: the brightness is the mean over these places of the
    voxel (partial volume); the label is that of its middle.  palette : (3, 256) float32, mean,
    SD of the white noise and weight of the texture of each label; structure : (256,) int16,
    what `structures` gets for each label; texture : (t0, t1, t2) float32.
    """
    g0, g1, g2 = field.shape[1:]
    t0, t1, t2 = texture.shape
    m0, m1, m2 = labels.shape
    n1, n2 = image.shape[1:]
    flat, zero = labels.reshape(-1), np.float32(0.0)
    rows, places = np.empty((3, g2), np.float32), np.empty((3, n2), np.float32)
    index, value = np.empty(n2, np.int32), np.empty(n2, np.float32)
    row, noise = np.empty(t2, np.float32), np.empty(n2, np.float32)
    low, weight = spread(n2, spacing, g2)
    texture_low, texture_weight = spread(n2, texture_spacing, t2)
    step, share = 1 if t2 > 1 else 0, np.float32(1.0 / len(offsets))
    for x in range(a, b):
        i, di, wi = split_position(x / spacing, g0)
        ti, dti, wti = split_position(x / texture_spacing, t0)
        for y in range(n1):
            j, dj, wj = split_position(y / spacing, g1)
            tj, dtj, wtj = split_position(y / texture_spacing, t1)
            for c in range(3):
                mixed_row(field[c], i, di, wi, j, dj, wj, rows[c])
            mixed_row(texture, ti, dti, wti, tj, dtj, wtj, row)
            _places(x, y, matrix, rows, low, weight, places)
            for z in range(n2):
                value[z] = 0.0
                noise[z] = white((x * n1 + y) * n2 + z, seed)
            for n in range(len(offsets)):
                o0, o1, o2 = offsets[n, 0], offsets[n, 1], offsets[n, 2]
                _look_up(places, o0, o1, o2, m0, m1, m2, wrap, index)
                for z in range(n2):
                    value[z] += palette[0, flat[index[z]] if index[z] >= 0 else 0]
            _look_up(places, zero, zero, zero, m0, m1, m2, wrap, index)
            for z in range(n2):
                label = flat[index[z]] if index[z] >= 0 else 0
                structures[x, y, z] = structure[label]
                k, w = texture_low[z], texture_weight[z]
                wave = row[k] + w * (row[k + step] - row[k])
                image[x, y, z] = (
                    value[z] * share + palette[1, label] * noise[z] + palette[2, label] * wave
                )


@jit
def largest_channel(channels, spacing, out, a, b):  # type: ignore[no-untyped-def]
    """``out[x] = 1 + argmax_c channels[c](x / spacing)`` for coarse (C, g0, g1, g2) channels."""
    g0, g1, g2 = channels.shape[1:]
    n1, n2 = out.shape[1:]
    row, best = np.empty(g2, np.float32), np.empty(n2, np.float32)
    low, weight = spread(n2, spacing, g2)
    step = 1 if g2 > 1 else 0
    for x in range(a, b):
        i, di, wi = split_position(x / spacing, g0)
        for y in range(n1):
            j, dj, wj = split_position(y / spacing, g1)
            for z in range(n2):
                best[z] = -np.inf
            for c in range(channels.shape[0]):
                mixed_row(channels[c], i, di, wi, j, dj, wj, row)
                for z in range(n2):
                    k = low[z]
                    value = row[k] + weight[z] * (row[k + step] - row[k])
                    if value > best[z]:
                        best[z] = value
                        out[x, y, z] = c + 1
