"""Numba kernels for training on the CPU: warp and self-composition, with their gradients.

All arrays are float32 and C-contiguous; a field is (3, Z, Y, X) in voxels of its own grid and
finite (a position that is not a number has no neighbours).  Slabs ``[a, b)`` are of the first
spatial axis.  Positions are clamped to the edge, where the gradient along that axis is 0.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split, _trilinear, jit


@jit
def warp_forward(image, field, out, a, b):  # type: ignore[no-untyped-def]
    """``out(x) = image(x + u(x))``."""
    n0, n1, n2 = image.shape
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                out[x, y, z] = _trilinear(image, i, di, wi, j, dj, wj, k, dk, wk)


@jit
def _slopes(image, i, di, wi, j, dj, wj, k, dk, wk):  # type: ignore[no-untyped-def]
    """Derivatives of `_trilinear` with respect to the three positions."""
    one = np.float32(1.0)
    c000, c001 = image[i, j, k], image[i, j, k + dk]
    c010, c011 = image[i, j + dj, k], image[i, j + dj, k + dk]
    c100, c101 = image[i + di, j, k], image[i + di, j, k + dk]
    c110, c111 = image[i + di, j + dj, k], image[i + di, j + dj, k + dk]
    ui, uj, uk = one - wi, one - wj, one - wk
    s0 = uj * (uk * (c100 - c000) + wk * (c101 - c001))
    s0 += wj * (uk * (c110 - c010) + wk * (c111 - c011))
    s1 = ui * (uk * (c010 - c000) + wk * (c011 - c001))
    s1 += wi * (uk * (c110 - c100) + wk * (c111 - c101))
    s2 = ui * (uj * (c001 - c000) + wj * (c011 - c010))
    s2 += wi * (uj * (c101 - c100) + wj * (c111 - c110))
    return s0, s1, s2


@jit
def warp_backward(image, field, grad, out, a, b):  # type: ignore[no-untyped-def]
    """Gradient of `warp_forward` with respect to the field, from that of its result."""
    n0, n1, n2 = image.shape
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                g = grad[x, y, z]
                s0, s1, s2 = _slopes(image, i, di, wi, j, dj, wj, k, dk, wk)
                out[0, x, y, z], out[1, x, y, z], out[2, x, y, z] = g * s0, g * s1, g * s2


@jit
def compose_self_backward(field, grad, out, a, b):  # type: ignore[no-untyped-def]
    """The part of the gradient of ``u(x) + u(x + u(x))`` that stays at x.

    ``out(x) = g(x) + Jᵀ(x + u(x)) g(x)``; `compose_self_scatter` adds the part that moves.
    """
    n0, n1, n2 = field.shape[1:]
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                t0, t1, t2 = grad[0, x, y, z], grad[1, x, y, z], grad[2, x, y, z]
                for c in range(3):
                    g = grad[c, x, y, z]
                    s0, s1, s2 = _slopes(field[c], i, di, wi, j, dj, wj, k, dk, wk)
                    t0 += g * s0
                    t1 += g * s1
                    t2 += g * s2
                out[0, x, y, z], out[1, x, y, z], out[2, x, y, z] = t0, t1, t2


@jit
def compose_self_scatter(field, grad, a, b):  # type: ignore[no-untyped-def]
    """Each voxel's gradient, shared among the neighbours of where it looked.

    Returns the first row and the rows that this slab reaches, (3, rows, Y, X): slabs overlap,
    so whoever calls adds them, in order.
    """
    n0, n1, n2 = field.shape[1:]
    one = np.float32(1.0)
    low, high = np.float32(0.0), np.float32(0.0)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                low, high = min(low, field[0, x, y, z]), max(high, field[0, x, y, z])
    first = max(0, a - int(min(-low, np.float32(n0))) - 1)
    last = min(n0, b + int(min(high, np.float32(n0))) + 2)
    out = np.zeros((3, last - first, n1, n2), np.float32)
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                i, di, wi = _split(x + field[0, x, y, z], n0)
                j, dj, wj = _split(y + field[1, x, y, z], n1)
                k, dk, wk = _split(z + field[2, x, y, z], n2)
                i -= first
                w00, w01 = (one - wi) * (one - wj), (one - wi) * wj
                w10, w11 = wi * (one - wj), wi * wj
                uk = one - wk
                for c in range(3):
                    g = grad[c, x, y, z]
                    out[c, i, j, k] += w00 * uk * g
                    out[c, i, j, k + dk] += w00 * wk * g
                    out[c, i, j + dj, k] += w01 * uk * g
                    out[c, i, j + dj, k + dk] += w01 * wk * g
                    out[c, i + di, j, k] += w10 * uk * g
                    out[c, i + di, j, k + dk] += w10 * wk * g
                    out[c, i + di, j + dj, k] += w11 * uk * g
                    out[c, i + di, j + dj, k + dk] += w11 * wk * g
    return first, out
