"""Numba kernels of the field optimiser: warp on a level, force, smoothing, Lie bracket.

All arrays are float32; a field is (3, Z, Y, X) in voxels of its own grid.  Slabs ``[a, b)``
are of the first spatial axis of the output.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split, _trilinear, jit


@jit
def warp_level(image, field, ratio, out, a, b):  # type: ignore[no-untyped-def]
    """``out(x) = image(x + u(x))``, edge clamped; u lies on a grid coarser by whole factors.

    ratio : (3,) int64 voxels per cell of `field`, cell centred: ``g = (x - (r - 1) / 2) / r``.
    The field is interpolated once per row across the first two axes, then along the row.
    """
    depth, height, width = image.shape
    f0, f1, f2 = field.shape[1:]
    row = np.empty((3, f2), np.float32)
    one = np.float32(1.0)
    for z in range(a, b):
        i, di, wi = _split((z - 0.5 * (ratio[0] - 1)) / ratio[0], f0)
        for y in range(height):
            j, dj, wj = _split((y - 0.5 * (ratio[1] - 1)) / ratio[1], f1)
            for c in range(3):
                size = np.float32(ratio[c])
                w00, w01 = (one - wi) * (one - wj) * size, (one - wi) * wj * size
                w10, w11 = wi * (one - wj) * size, wi * wj * size
                for g in range(f2):
                    row[c, g] = (
                        field[c, i, j, g] * w00
                        + field[c, i, j + dj, g] * w01
                        + field[c, i + di, j, g] * w10
                        + field[c, i + di, j + dj, g] * w11
                    )
            for x in range(width):
                k, dk, wk = _split((x - 0.5 * (ratio[2] - 1)) / ratio[2], f2)
                u0 = row[0, k] * (one - wk) + row[0, k + dk] * wk
                u1 = row[1, k] * (one - wk) + row[1, k + dk] * wk
                u2 = row[2, k] * (one - wk) + row[2, k + dk] * wk
                s, ds, ws = _split(z + u0, depth)
                t, dt, wt = _split(y + u1, height)
                p, dp, wp = _split(x + u2, width)
                out[z, y, x] = _trilinear(image, s, ds, ws, t, dt, wt, p, dp, wp)


@jit
def extend_edges(image, matrix, start, step, covered, out, a, b):  # type: ignore[no-untyped-def]
    """Where `covered` is 0, the nearest value of `image`, so that no edge appears at its border.

    matrix : (3, 4) from voxel ``start + step · x`` of the output to a voxel of the image.
    """
    n0, n1, n2 = image.shape
    for x in range(a, b):
        p0 = start[0] + step[0] * x
        for y in range(out.shape[1]):
            p1 = start[1] + step[1] * y
            for z in range(out.shape[2]):
                if covered[x, y, z] > 0:
                    continue
                p2 = start[2] + step[2] * z
                m0 = matrix[0, 0] * p0 + matrix[0, 1] * p1 + matrix[0, 2] * p2 + matrix[0, 3]
                m1 = matrix[1, 0] * p0 + matrix[1, 1] * p1 + matrix[1, 2] * p2 + matrix[1, 3]
                m2 = matrix[2, 0] * p0 + matrix[2, 1] * p1 + matrix[2, 2] * p2 + matrix[2, 3]
                i, di, wi = _split(m0, n0)
                j, dj, wj = _split(m1, n1)
                k, dk, wk = _split(m2, n2)
                out[x, y, z] = _trilinear(image, i, di, wi, j, dj, wj, k, dk, wk)


@jit
def pooled_force(slope, moved, ratio, out, a, b):  # type: ignore[no-untyped-def]
    """Add to ``out[c]`` the mean over each cell of slope · ∂moved/∂x_c (central differences).

    slope, moved : (Z, Y, X); ratio : (3,) int64; out : (3, ceil(Z / r0), …).
    """
    depth, height, width = moved.shape
    n = np.float32(0.5) / np.float32(ratio[0] * ratio[1] * ratio[2])
    for cz in range(a, b):
        for cy in range(out.shape[2]):
            for cx in range(out.shape[3]):
                f0 = np.float32(0.0)
                f1 = np.float32(0.0)
                f2 = np.float32(0.0)
                for z in range(cz * ratio[0], min((cz + 1) * ratio[0], depth)):
                    zm, zp = max(z - 1, 0), min(z + 1, depth - 1)
                    for y in range(cy * ratio[1], min((cy + 1) * ratio[1], height)):
                        ym, yp = max(y - 1, 0), min(y + 1, height - 1)
                        for x in range(cx * ratio[2], min((cx + 1) * ratio[2], width)):
                            g = slope[z, y, x]
                            xm, xp = max(x - 1, 0), min(x + 1, width - 1)
                            f0 += g * (moved[zp, y, x] - moved[zm, y, x])
                            f1 += g * (moved[z, yp, x] - moved[z, ym, x])
                            f2 += g * (moved[z, y, xp] - moved[z, y, xm])
                out[0, cz, cy, cx] += f0 * n
                out[1, cz, cy, cx] += f1 * n
                out[2, cz, cy, cx] += f2 * n


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


@jit
def add_with_bracket(velocity, update, out, a, b):  # type: ignore[no-untyped-def]
    """``out = v + d + ½ [v, d]``, ``[v, d] = Dv · d - Dd · v``: log of exp(v) ∘ exp(d).

    Baker-Campbell-Hausdorff to first order (Vercauteren et al., MICCAI 2008).
    """
    depth, height, width = velocity.shape[1:]
    quarter = np.float32(0.25)  # ½ of the bracket times ½ of the central difference
    for z in range(a, b):
        zm, zp = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            ym, yp = max(y - 1, 0), min(y + 1, height - 1)
            for x in range(width):
                xm, xp = max(x - 1, 0), min(x + 1, width - 1)
                d0, d1, d2 = update[0, z, y, x], update[1, z, y, x], update[2, z, y, x]
                v0, v1, v2 = velocity[0, z, y, x], velocity[1, z, y, x], velocity[2, z, y, x]
                for c in range(3):
                    v, d = velocity[c], update[c]
                    bracket = (
                        (v[zp, y, x] - v[zm, y, x]) * d0
                        - (d[zp, y, x] - d[zm, y, x]) * v0
                        + (v[z, yp, x] - v[z, ym, x]) * d1
                        - (d[z, yp, x] - d[z, ym, x]) * v1
                        + (v[z, y, xp] - v[z, y, xm]) * d2
                        - (d[z, y, xp] - d[z, y, xm]) * v2
                    )
                    out[c, z, y, x] = v[z, y, x] + d[z, y, x] + quarter * bracket


@jit
def compose_fields(first, second, out, a, b):  # type: ignore[no-untyped-def]
    """``out(x) = second(x) + first(x + second(x))``."""
    n0, n1, n2 = first.shape[1:]
    for x in range(a, b):
        for y in range(n1):
            for z in range(n2):
                u0, u1, u2 = second[0, x, y, z], second[1, x, y, z], second[2, x, y, z]
                i, di, wi = _split(x + u0, n0)
                j, dj, wj = _split(y + u1, n1)
                k, dk, wk = _split(z + u2, n2)
                out[0, x, y, z] = u0 + _trilinear(first[0], i, di, wi, j, dj, wj, k, dk, wk)
                out[1, x, y, z] = u1 + _trilinear(first[1], i, di, wi, j, dj, wj, k, dk, wk)
                out[2, x, y, z] = u2 + _trilinear(first[2], i, di, wi, j, dj, wj, k, dk, wk)
