"""Numba kernels: sample a field, warp an image, compose a displacement with itself.

All work on float32, C-contiguous 3-D arrays (2-D is one slice thick), on a slab
``[a, b)`` of the first output axis, without the GIL; `engine.parallel` runs the slabs.
Positions are clamped to the edge.  The torch functions of `warp.py` are their oracle.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Orders of interpolation, see `_value_at`.
NEAREST, LINEAR, MAJORITY, CUBIC, ENTROPY = 0, 1, 2, 3, 4

jit = njit(nogil=True, cache=True, fastmath={"nnan", "ninf", "nsz", "arcp", "contract"})


@jit
def _split(position, n):  # type: ignore[no-untyped-def]
    """Lower neighbour, step to the upper one and weight, clamped to ``0 … n - 1``."""
    if position <= 0.0 or n == 1:
        return 0, 0, np.float32(0.0)
    if position >= n - 1:
        return n - 1, 0, np.float32(0.0)
    low = int(position)
    return low, 1, np.float32(position - low)


@jit
def _trilinear(image, i, di, wi, j, dj, wj, k, dk, wk):  # type: ignore[no-untyped-def]
    one = np.float32(1.0)
    c00 = image[i, j, k] * (one - wk) + image[i, j, k + dk] * wk
    c01 = image[i, j + dj, k] * (one - wk) + image[i, j + dj, k + dk] * wk
    c10 = image[i + di, j, k] * (one - wk) + image[i + di, j, k + dk] * wk
    c11 = image[i + di, j + dj, k] * (one - wk) + image[i + di, j + dj, k + dk] * wk
    return (c00 * (one - wj) + c01 * wj) * (one - wi) + (c10 * (one - wj) + c11 * wj) * wi


@jit
def sample_field(field, scale, offset, start, step, out, a, b):  # type: ignore[no-untyped-def]
    """``out[c, x] = field[c]((start + step · x - offset) / scale)`` for a block of voxels.

    field, out : (3, *S) float32; scale, offset, start, step : (3,) float64.
    """
    n0, n1, n2 = field.shape[1:]
    for x in range(a, b):
        i, di, wi = _split((start[0] + step[0] * x - offset[0]) / scale[0], n0)
        for y in range(out.shape[2]):
            j, dj, wj = _split((start[1] + step[1] * y - offset[1]) / scale[1], n1)
            for z in range(out.shape[3]):
                k, dk, wk = _split((start[2] + step[2] * z - offset[2]) / scale[2], n2)
                for c in range(3):
                    out[c, x, y, z] = _trilinear(field[c], i, di, wi, j, dj, wj, k, dk, wk)


@jit
def _inside(p, n):  # type: ignore[no-untyped-def]
    return p >= -0.5 and p < n - 0.5


@jit
def _cubic_weights(t):  # type: ignore[no-untyped-def]
    """Catmull-Rom weights (Keys 1981, a = -1/2) of the four neighbours."""
    t2 = t * t
    t3 = t2 * t
    return (
        np.float32(-0.5 * t3 + t2 - 0.5 * t),
        np.float32(1.5 * t3 - 2.5 * t2 + 1.0),
        np.float32(-1.5 * t3 + 2.0 * t2 + 0.5 * t),
        np.float32(0.5 * t3 - 0.5 * t2),
    )


@jit
def _clamp(i, n):  # type: ignore[no-untyped-def]
    return min(max(i, 0), n - 1)


@jit
def _tricubic(image, p0, p1, p2):  # type: ignore[no-untyped-def]
    n0, n1, n2 = image.shape
    i, j, k = int(np.floor(p0)), int(np.floor(p1)), int(np.floor(p2))
    u = _cubic_weights(np.float32(p0 - i))
    v = _cubic_weights(np.float32(p1 - j))
    w = _cubic_weights(np.float32(p2 - k))
    total = np.float32(0.0)
    for a in range(4):
        ia = _clamp(i + a - 1, n0)
        for b in range(4):
            jb = _clamp(j + b - 1, n1)
            row = np.float32(0.0)
            for c in range(4):
                row += w[c] * image[ia, jb, _clamp(k + c - 1, n2)]
            total += u[a] * v[b] * row
    return total


@jit
def _majority(image, p0, p1, p2):  # type: ignore[no-untyped-def]
    """The id with the largest share of the trilinear weights; the smaller id on a tie."""
    i, di, wi = _split(p0, image.shape[0])
    j, dj, wj = _split(p1, image.shape[1])
    k, dk, wk = _split(p2, image.shape[2])
    one = np.float32(1.0)
    best, largest = image[i, j, k], np.float32(-1.0)
    for c in range(8):
        a = image[i + di * (c >> 2), j + dj * ((c >> 1) & 1), k + dk * (c & 1)]
        share = np.float32(0.0)
        for d in range(8):
            x, y, z = d >> 2, (d >> 1) & 1, d & 1
            if image[i + di * x, j + dj * y, k + dk * z] == a:
                share += (wi if x else one - wi) * (wj if y else one - wj) * (wk if z else one - wk)
        if share > largest + np.float32(1e-6) or (share > largest - np.float32(1e-6) and a < best):
            best, largest = a, share
    return best


@jit
def _entropy(image, p0, p1, p2):  # type: ignore[no-untyped-def]
    """Entropy (bits) of the ids around a position, by their trilinear weights: 0 to 3."""
    i, di, wi = _split(p0, image.shape[0])
    j, dj, wj = _split(p1, image.shape[1])
    k, dk, wk = _split(p2, image.shape[2])
    one = np.float32(1.0)
    total = np.float32(0.0)
    for c in range(8):
        a = image[i + di * (c >> 2), j + dj * ((c >> 1) & 1), k + dk * (c & 1)]
        share, first = np.float32(0.0), c
        for d in range(8):
            x, y, z = d >> 2, (d >> 1) & 1, d & 1
            if image[i + di * x, j + dj * y, k + dk * z] == a:
                share += (wi if x else one - wi) * (wj if y else one - wj) * (wk if z else one - wk)
                first = min(first, d)
        if first == c and share > np.float32(0.0):  # each id once
            total -= share * np.float32(np.log2(share))
    return total


# Inlined by numba: as a call it costs a fifth of the whole warp.
@njit(inline="always")
def _value_at(image, p0, p1, p2, order, fill):  # type: ignore[no-untyped-def]
    """One value; order : 0 nearest, 1 linear, 2 majority of ids, 3 cubic, 4 entropy of ids."""
    n0, n1, n2 = image.shape
    if not (_inside(p0, n0) and _inside(p1, n1) and _inside(p2, n2)):
        return fill
    if order == 0:
        return image[
            _clamp(int(np.floor(p0 + 0.5)), n0),
            _clamp(int(np.floor(p1 + 0.5)), n1),
            _clamp(int(np.floor(p2 + 0.5)), n2),
        ]
    if order == 1:
        i, di, wi = _split(p0, n0)
        j, dj, wj = _split(p1, n1)
        k, dk, wk = _split(p2, n2)
        return _trilinear(image, i, di, wi, j, dj, wj, k, dk, wk)
    if order == 2:
        return _majority(image, p0, p1, p2)
    if order == 4:
        return _entropy(image, p0, p1, p2)
    return _tricubic(image, p0, p1, p2)


@jit
def warp_image(  # type: ignore[no-untyped-def]
    image, matrix, field, scale, offset, start, step, order, fill, out, a, b
):
    """``out[x] = image(matrix · (p + field(p)))`` with ``p = start + step · x``: one resampling.

    image : (M0, M1, M2) float32; matrix : (3, 4) float64, output voxel → image voxel;
    field : (3, *Sg) float32 displacement in output voxels on its own grid (see `sample_field`),
    or empty (size 0) for none; order, fill : see `_value_at`.
    """
    f0, f1, f2 = field.shape[1:]
    moves = field.size > 0
    for x in range(a, b):
        p0 = start[0] + step[0] * x
        i, di, wi = _split((p0 - offset[0]) / scale[0], f0)
        for y in range(out.shape[1]):
            p1 = start[1] + step[1] * y
            j, dj, wj = _split((p1 - offset[1]) / scale[1], f1)
            for z in range(out.shape[2]):
                p2 = start[2] + step[2] * z
                q0, q1, q2 = p0, p1, p2
                if moves:
                    k, dk, wk = _split((p2 - offset[2]) / scale[2], f2)
                    q0 += _trilinear(field[0], i, di, wi, j, dj, wj, k, dk, wk)
                    q1 += _trilinear(field[1], i, di, wi, j, dj, wj, k, dk, wk)
                    q2 += _trilinear(field[2], i, di, wi, j, dj, wj, k, dk, wk)
                m0 = matrix[0, 0] * q0 + matrix[0, 1] * q1 + matrix[0, 2] * q2 + matrix[0, 3]
                m1 = matrix[1, 0] * q0 + matrix[1, 1] * q1 + matrix[1, 2] * q2 + matrix[1, 3]
                m2 = matrix[2, 0] * q0 + matrix[2, 1] * q1 + matrix[2, 2] * q2 + matrix[2, 3]
                out[x, y, z] = _value_at(image, m0, m1, m2, order, fill)


@jit
def compose_self(field, out, a, b):  # type: ignore[no-untyped-def]
    """``out(x) = field(x) + field(x + field(x))``: one squaring, voxels of the field's grid."""
    n0, n1, n2 = field.shape[1:]
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                u0, u1, u2 = field[0, x, y, z], field[1, x, y, z], field[2, x, y, z]
                i, di, wi = _split(x + u0, n0)
                j, dj, wj = _split(y + u1, n1)
                k, dk, wk = _split(z + u2, n2)
                out[0, x, y, z] = u0 + _trilinear(field[0], i, di, wi, j, dj, wj, k, dk, wk)
                out[1, x, y, z] = u1 + _trilinear(field[1], i, di, wi, j, dj, wj, k, dk, wk)
                out[2, x, y, z] = u2 + _trilinear(field[2], i, di, wi, j, dj, wj, k, dk, wk)


@jit
def sample_points(field, points, out, a, b):  # type: ignore[no-untyped-def]
    """``out[n, c] = field[c](points[n])``; points : (N, 3) float64 in voxels of the field's grid."""
    n0, n1, n2 = field.shape[1:]
    for p in range(a, b):
        i, di, wi = _split(points[p, 0], n0)
        j, dj, wj = _split(points[p, 1], n1)
        k, dk, wk = _split(points[p, 2], n2)
        for c in range(3):
            out[p, c] = _trilinear(field[c], i, di, wi, j, dj, wj, k, dk, wk)


@jit
def warp_image_inverse(  # type: ignore[no-untyped-def]
    image, first, second, field, scale, offset, start, step, order, fill, out, a, b
):
    """``out[x] = image(second · (q + field(q)))`` with ``q = first · (start + step · x)``.

    As `warp_image`, but the displacement is looked up after a matrix, as the inverse of an
    affine that precedes a deformation needs it.
    """
    f0, f1, f2 = field.shape[1:]
    moves = field.size > 0
    for x in range(a, b):
        p0 = start[0] + step[0] * x
        for y in range(out.shape[1]):
            p1 = start[1] + step[1] * y
            for z in range(out.shape[2]):
                p2 = start[2] + step[2] * z
                q0 = first[0, 0] * p0 + first[0, 1] * p1 + first[0, 2] * p2 + first[0, 3]
                q1 = first[1, 0] * p0 + first[1, 1] * p1 + first[1, 2] * p2 + first[1, 3]
                q2 = first[2, 0] * p0 + first[2, 1] * p1 + first[2, 2] * p2 + first[2, 3]
                if moves:
                    i, di, wi = _split((q0 - offset[0]) / scale[0], f0)
                    j, dj, wj = _split((q1 - offset[1]) / scale[1], f1)
                    k, dk, wk = _split((q2 - offset[2]) / scale[2], f2)
                    q0 += _trilinear(field[0], i, di, wi, j, dj, wj, k, dk, wk)
                    q1 += _trilinear(field[1], i, di, wi, j, dj, wj, k, dk, wk)
                    q2 += _trilinear(field[2], i, di, wi, j, dj, wj, k, dk, wk)
                m0 = second[0, 0] * q0 + second[0, 1] * q1 + second[0, 2] * q2 + second[0, 3]
                m1 = second[1, 0] * q0 + second[1, 1] * q1 + second[1, 2] * q2 + second[1, 3]
                m2 = second[2, 0] * q0 + second[2, 1] * q1 + second[2, 2] * q2 + second[2, 3]
                out[x, y, z] = _value_at(image, m0, m1, m2, order, fill)
