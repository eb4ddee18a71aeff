"""Numba kernels of `warped_overlap`: counts per label, and their gradient, in one pass each.

Labels are (Z, Y, X) int16 from 0 to `labels`, a displacement is (3, Z, Y, X) float32 without
NaN, in voxels; positions are clamped to the edge.  Slabs ``[a, b)`` are of the first axis.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split, jit


@jit
def count_overlap(fixed, moving, field, labels, a, b):  # type: ignore[no-untyped-def]
    """Per label: the moved share where the fixed label agrees, and everywhere; (2, labels + 1)."""
    n0, n1, n2 = fixed.shape
    one = np.float32(1.0)
    counts = np.zeros((2, labels + 1))
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                here = fixed[x, y, z]
                for c in range(8):
                    p, q, r = c >> 2, (c >> 1) & 1, c & 1
                    label = moving[i + p * di, j + q * dj, k + r * dk]
                    if label:
                        w = (wi if p else one - wi) * (wj if q else one - wj)
                        w *= wk if r else one - wk
                        counts[1, label] += w
                        if label == here:
                            counts[0, label] += w
    return counts


@jit
def overlap_slope(fixed, moving, field, agree, size, out, a, b):  # type: ignore[no-untyped-def]
    """``out`` = gradient of ``Σ agree[l] · counts[0, l] + size[l] · counts[1, l]``."""
    n0, n1, n2 = fixed.shape
    one, zero = np.float32(1.0), np.float32(0.0)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                here = fixed[x, y, z]
                s0, s1, s2 = zero, zero, zero
                for c in range(8):
                    p, q, r = c >> 2, (c >> 1) & 1, c & 1
                    label = moving[i + p * di, j + q * dj, k + r * dk]
                    if label:
                        value = size[label]
                        if label == here:
                            value += agree[label]
                        u = wi if p else one - wi
                        v = wj if q else one - wj
                        w = wk if r else one - wk
                        s0 += (value if p else -value) * v * w
                        s1 += (value if q else -value) * u * w
                        s2 += (value if r else -value) * u * v
                # Beyond the edge both neighbours are one voxel, and their slopes cancel.
                out[0, x, y, z], out[1, x, y, z], out[2, x, y, z] = s0, s1, s2
