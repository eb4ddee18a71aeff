"""Numba kernels: two images' features compared, with the gradient.

Features are float32, C-contiguous, channels last, (Z, Y, X, C); 2-D: one slice thick, told by
`count` (4 pairs of neighbours instead of 13).  Slabs ``[a, b)`` are of the first axis.
`comparison.py` says what is computed, and in torch.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.networks.feature_kernels import fast

_ROOT = np.float32(np.sqrt(0.5))


@fast
def inverse_lengths(features, floor, out, a, b):  # type: ignore[no-untyped-def]
    """``out(x) = 1 / sqrt(|features(x)|² + floor)``."""
    n1, n2, channels = features.shape[1:]
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                total = floor
                for c in range(channels):
                    total += features[x, y, z, c] * features[x, y, z, c]
                out[x, y, z] = np.float32(1.0) / np.sqrt(total)


@fast
def _offset(e):  # type: ignore[no-untyped-def]
    """The e-th of the neighbours after the middle, row by row; -e is the other of the pair.

    The first four lie in the plane: they are those of two dimensions.
    """
    return (13 + e) // 9 - 1, (13 + e) // 3 % 3 - 1, (13 + e) % 3 - 1


@fast
def compare(one, other, length, length_other, count, same, differ, a, b):  # type: ignore[no-untyped-def]
    """Fill `same` (Z, Y, X, C + 1 + count) and `differ` (Z, Y, X, C + count)."""
    n0, n1, n2, channels = one.shape
    zero = np.float32(0.0)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                total = zero
                for c in range(channels):
                    p, q = one[x, y, z, c], other[x, y, z, c]
                    same[x, y, z, c], differ[x, y, z, c] = _ROOT * (p + q), _ROOT * (p - q)
                    total += p * q
                here, there = length[x, y, z], length_other[x, y, z]
                same[x, y, z, channels] = total * here * there
                for e in range(1, count + 1):
                    o0, o1, o2 = _offset(e)
                    forward = backward = zero
                    i, j, k = x + o0, y + o1, z + o2
                    if 0 <= i < n0 and 0 <= j < n1 and 0 <= k < n2:
                        p = q = zero
                        for c in range(channels):
                            p += one[x, y, z, c] * other[i, j, k, c]
                            q += other[x, y, z, c] * one[i, j, k, c]
                        forward += p * here * length_other[i, j, k]
                        backward += q * there * length[i, j, k]
                    i, j, k = x - o0, y - o1, z - o2
                    if 0 <= i < n0 and 0 <= j < n1 and 0 <= k < n2:
                        p = q = zero
                        for c in range(channels):
                            p += one[x, y, z, c] * other[i, j, k, c]
                            q += other[x, y, z, c] * one[i, j, k, c]
                        backward += p * here * length_other[i, j, k]
                        forward += q * there * length[i, j, k]
                    half = np.float32(0.5) * _ROOT
                    same[x, y, z, channels + e] = half * (forward + backward)
                    differ[x, y, z, channels + e - 1] = half * (forward - backward)


@fast
def compare_slope(  # type: ignore[no-untyped-def]
    one, other, length, length_other, count, sign, same, differ, out, a, b
):
    """Gradient with respect to `one`, from those of `same` and `differ`.

    With the images exchanged and sign -1: with respect to `other`.
    """
    n0, n1, n2, channels = one.shape
    quarter, flip = np.float32(0.5) * _ROOT, np.float32(sign)
    unit = np.empty(channels, np.float32)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                # First with respect to the unit vector ...
                weight = same[x, y, z, channels] * length_other[x, y, z]
                for c in range(channels):
                    unit[c] = weight * other[x, y, z, c]
                for e in range(1, count + 1):
                    o0, o1, o2 = _offset(e)
                    for side in (1, -1):
                        i, j, k = x + side * o0, y + side * o1, z + side * o2
                        if 0 <= i < n0 and 0 <= j < n1 and 0 <= k < n2:
                            s = same[x, y, z, channels + e] + same[i, j, k, channels + e]
                            d = (
                                differ[x, y, z, channels + e - 1]
                                + differ[i, j, k, channels + e - 1]
                            )
                            weight = quarter * (s + side * flip * d) * length_other[i, j, k]
                            for c in range(channels):
                                unit[c] += weight * other[i, j, k, c]
                # ... then to the vector itself, which also keeps its own place in the sums.
                along, here = np.float32(0.0), length[x, y, z]
                for c in range(channels):
                    along += unit[c] * one[x, y, z, c]
                along *= here * here
                for c in range(channels):
                    own = _ROOT * (same[x, y, z, c] + flip * differ[x, y, z, c])
                    out[x, y, z, c] = own + here * (unit[c] - along * one[x, y, z, c])
