"""The folding measures in one pass, without storing a gradient."""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import jit


@jit
def _det(a0, a1, a2, b0, b1, b2, c0, c1, c2):  # type: ignore[no-untyped-def]
    return a0 * (b1 * c2 - b2 * c1) - a1 * (b0 * c2 - b2 * c0) + a2 * (b0 * c1 - b1 * c0)


@jit
def _column(u, z, y, x, dz, dy, dx, sign, axis, out):  # type: ignore[no-untyped-def]
    """``sign · (φ(p + d) - φ(p))`` into column `axis` of the (3, 3) `out`; clamped at the edge."""
    n0, n1, n2 = u.shape[1:]
    p = min(max(z + dz, 0), n0 - 1)
    q = min(max(y + dy, 0), n1 - 1)
    r = min(max(x + dx, 0), n2 - 1)
    for c in range(3):
        out[c, axis] = sign * (u[c, p, q, r] - u[c, z, y, x])
    out[axis, axis] += 1.0


@jit
def _volume(m):  # type: ignore[no-untyped-def]
    return _det(m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2])


@jit
def _difference(u, z, y, x, e, m, axis):  # type: ignore[no-untyped-def]
    """Column `axis` of `m`: φ at corner offset `e` minus φ at p (no sign, no identity trick)."""
    for c in range(3):
        m[c, axis] = u[c, z + e[0], y + e[1], x + e[2]] - u[c, z, y, x] + e[c]


@jit
def _extra(u, z, y, x, sign, m, e):  # type: ignore[no-untyped-def]
    """The tetrahedra j1* and j2* (Liu et al. 2024): p and three of its face-diagonal corners."""
    for axis in range(3):
        for c in range(3):
            e[c] = sign
        e[axis] = 0
        _difference(u, z, y, x, e, m, axis)
    return _volume(m) * sign


@jit
def folding_slab(u, mask, two_d, a, b):  # type: ignore[no-untyped-def]
    """(folded, looked at) over the slab, (folded, looked at) in the mask, folded volume."""
    n0, n1, n2 = u.shape[1:]
    m = np.zeros((3, 3), np.float32)
    e = np.zeros(3, np.int64)
    result = np.zeros(5, np.float64)
    half = np.float32(0.5)
    for z in range(a, b):
        for y in range(n1):
            for x in range(n2):
                zm, zp = max(z - 1, 0), min(z + 1, n0 - 1)
                ym, yp = max(y - 1, 0), min(y + 1, n1 - 1)
                xm, xp = max(x - 1, 0), min(x + 1, n2 - 1)
                for c in range(3):
                    # One-sided at the edge: the distance is then one voxel, not two.
                    m[c, 0] = (u[c, zp, y, x] - u[c, zm, y, x]) / max(1, zp - zm)
                    m[c, 1] = (u[c, z, yp, x] - u[c, z, ym, x]) / max(1, yp - ym)
                    m[c, 2] = (u[c, z, y, xp] - u[c, z, y, xm]) / max(1, xp - xm)
                    m[c, c] += 1
                folded = _volume(m) <= 0
                result[0] += folded
                result[1] += 1
                edge = y == 0 or y == n1 - 1 or x == 0 or x == n2 - 1
                if not two_d:
                    edge = edge or z == 0 or z == n0 - 1
                if edge or mask[z, y, x] == 0:
                    continue
                result[2] += folded
                result[3] += 1
                lost = np.float32(0.0)
                for corner in range(8):
                    s0 = 1 - 2 * (corner & 1)
                    if two_d and s0 < 0:
                        continue
                    s1 = 1 - (corner & 2)
                    s2 = 1 - ((corner & 4) >> 1)
                    _column(u, z, y, x, s0, 0, 0, s0, 0, m)
                    _column(u, z, y, x, 0, s1, 0, s1, 1, m)
                    _column(u, z, y, x, 0, 0, s2, s2, 2, m)
                    lost += max(np.float32(0.0), -_volume(m))
                if two_d:
                    # Four triangles of half a pixel cover the neighbourhood twice.
                    result[4] += half * lost / 2
                else:
                    lost += max(np.float32(0.0), -_extra(u, z, y, x, 1, m, e))
                    lost += max(np.float32(0.0), -_extra(u, z, y, x, -1, m, e))
                    result[4] += half * lost / 6
    return result
