"""Numba kernels over samples: covariance and folding in one pass, labels at many places."""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import _split, _trilinear, jit


@jit
def add_sample(u, matrix, count, mean, moment, folded, a, b):  # type: ignore[no-untyped-def]
    """Welford's update (Technometrics, 1962) of mean and second moments by one displacement.

    u : (3, *S) float32, voxels of its own grid; matrix : (3, 3) to mm; count : samples with
    this one; mean : (3, *S); moment : (6, *S), sums of products of deviations; folded : (*S)
    float32, samples with a determinant ≤ 0 (central differences).
    """
    n0, n1, n2 = u.shape[1:]
    w, d, e = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    j = np.empty((3, 3), np.float32)
    one = np.float32(1.0)
    share = one / np.float32(count)
    for x in range(a, b):
        xm, xp = max(x - 1, 0), min(x + 1, n0 - 1)
        for y in range(n1):
            ym, yp = max(y - 1, 0), min(y + 1, n1 - 1)
            for z in range(n2):
                zm, zp = max(z - 1, 0), min(z + 1, n2 - 1)
                for c in range(3):
                    w[c] = (
                        matrix[c, 0] * u[0, x, y, z]
                        + matrix[c, 1] * u[1, x, y, z]
                        + matrix[c, 2] * u[2, x, y, z]
                    )
                    d[c] = w[c] - mean[c, x, y, z]
                    mean[c, x, y, z] += d[c] * share
                    e[c] = w[c] - mean[c, x, y, z]
                    j[c, 0] = (u[c, xp, y, z] - u[c, xm, y, z]) / max(1, xp - xm)
                    j[c, 1] = (u[c, x, yp, z] - u[c, x, ym, z]) / max(1, yp - ym)
                    j[c, 2] = (u[c, x, y, zp] - u[c, x, y, zm]) / max(1, zp - zm)
                    j[c, c] += one
                moment[0, x, y, z] += d[0] * e[0]
                moment[1, x, y, z] += d[0] * e[1]
                moment[2, x, y, z] += d[0] * e[2]
                moment[3, x, y, z] += d[1] * e[1]
                moment[4, x, y, z] += d[1] * e[2]
                moment[5, x, y, z] += d[2] * e[2]
                determinant = (
                    j[0, 0] * (j[1, 1] * j[2, 2] - j[1, 2] * j[2, 1])
                    - j[0, 1] * (j[1, 0] * j[2, 2] - j[1, 2] * j[2, 0])
                    + j[0, 2] * (j[1, 0] * j[2, 1] - j[1, 1] * j[2, 0])
                )
                if determinant <= 0:
                    folded[x, y, z] += one


@jit
def labels_at(image, matrix, field, scale, offset, places, ids, out, a, b):  # type: ignore[no-untyped-def]
    """Nearest label at ``matrix · (p + field(p))`` for fixed voxels p; 0 outside the image.

    Returns the sum of each label's trilinear share, (ids,): nearest labels alone do not
    notice shifts of less than half a voxel.

    image : (M0, M1, M2) float32, labels below `ids`; matrix : (3, 4) float64; field, scale,
    offset : see `geometry.kernels.sample_field`; places : (N, 3) int32; out : (N,) int32.
    """
    f0, f1, f2 = field.shape[1:]
    n0, n1, n2 = image.shape
    one = np.float32(1.0)
    sums = np.zeros(ids, np.float64)
    for n in range(a, b):
        p0, p1, p2 = places[n, 0], places[n, 1], places[n, 2]
        i, di, wi = _split((p0 - offset[0]) / scale[0], f0)
        j, dj, wj = _split((p1 - offset[1]) / scale[1], f1)
        k, dk, wk = _split((p2 - offset[2]) / scale[2], f2)
        q0 = p0 + _trilinear(field[0], i, di, wi, j, dj, wj, k, dk, wk)
        q1 = p1 + _trilinear(field[1], i, di, wi, j, dj, wj, k, dk, wk)
        q2 = p2 + _trilinear(field[2], i, di, wi, j, dj, wj, k, dk, wk)
        m0 = matrix[0, 0] * q0 + matrix[0, 1] * q1 + matrix[0, 2] * q2 + matrix[0, 3]
        m1 = matrix[1, 0] * q0 + matrix[1, 1] * q1 + matrix[1, 2] * q2 + matrix[1, 3]
        m2 = matrix[2, 0] * q0 + matrix[2, 1] * q1 + matrix[2, 2] * q2 + matrix[2, 3]
        if not (-0.5 <= m0 < n0 - 0.5 and -0.5 <= m1 < n1 - 0.5 and -0.5 <= m2 < n2 - 0.5):
            out[n] = 0
            sums[0] += one
            continue
        out[n] = int(
            image[int(np.floor(m0 + 0.5)), int(np.floor(m1 + 0.5)), int(np.floor(m2 + 0.5))]
        )
        i, di, wi = _split(m0, n0)
        j, dj, wj = _split(m1, n1)
        k, dk, wk = _split(m2, n2)
        for x in range(2):
            for y in range(2):
                for z in range(2):
                    share = (wi if x else one - wi) * (wj if y else one - wj)
                    label = int(image[i + di * x, j + dj * y, k + dk * z])
                    sums[label] += share * (wk if z else one - wk)
    return sums


@jit
def count_labels(found, slots, counts, a, b):  # type: ignore[no-untyped-def]
    """One more answer per place; a place remembers its first few different labels.

    found : (N,) int32; slots : (N, K) int32, -1 empty; counts : (N, K) uint16.
    """
    for n in range(a, b):
        for s in range(slots.shape[1]):
            if slots[n, s] == -1:
                slots[n, s] = found[n]
            if slots[n, s] == found[n]:
                counts[n, s] += 1
                break


@jit
def settle(slots, counts, total, label, share, entropy, a, b):  # type: ignore[no-untyped-def]
    """Most frequent label per place, its share of `total` answers, and the entropy in bits.

    slots, counts : see `count_labels`; label : (N,) int32; share, entropy : (N,) float32.
    """
    for n in range(a, b):
        best, bits = 0, 0.0
        for s in range(slots.shape[1]):
            if counts[n, s] > counts[n, best]:
                best = s
            if counts[n, s] > 0:
                p = counts[n, s] / total
                bits -= p * np.log2(p)
        label[n] = slots[n, best]
        share[n] = counts[n, best] / total
        entropy[n] = bits
