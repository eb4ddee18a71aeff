"""Local normalised cross-correlation on the CPU: value and gradient, three passes over memory.

For images i (fixed) and j (moved), box sums over a window of n voxels and variances
``a = Σi² - (Σi)²/n``, ``b`` likewise, ``c = Σij - Σi Σj / n``, the local coefficient is
``cc = c² / ((a + nε)(b + nε))`` (Avants et al., Med. Image Anal. 2008, squared form).  Its
gradient with respect to j is itself made of box sums (algorithm: three adjoint images, one
more box filter), so nothing but the three adjoints is stored.

Window sums run plane by plane: column sums over 2r + 1 planes are updated by adding one
plane and taking one away, so every voxel is read a fixed number of times for any radius.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import jit


@jit
def _add_plane(columns, image, plane, sign):  # type: ignore[no-untyped-def]
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            columns[y, x] += sign * image[plane, y, x]


@jit
def _add_product_plane(columns, first, second, plane, sign):  # type: ignore[no-untyped-def]
    for y in range(first.shape[1]):
        for x in range(first.shape[2]):
            columns[y, x] += sign * (first[plane, y, x] * second[plane, y, x])


@jit
def _window_row(columns, y, radius, rows, out):  # type: ignore[no-untyped-def]
    """Sum `columns` over rows ``y ± radius`` and then along the row."""
    height, width = columns.shape
    rows[:] = 0.0
    for k in range(max(0, y - radius), min(height, y + radius + 1)):
        for x in range(width):
            rows[radius + x] += columns[k, x]
    for x in range(width):
        out[x] = rows[x]
    for d in range(1, 2 * radius + 1):
        for x in range(width):
            out[x] += rows[x + d]


@jit
def box_sums(image, other, radius, out, a, b):  # type: ignore[no-untyped-def]
    """``out = window sums of image · other`` (pass an image of ones for plain sums)."""
    depth, height, width = image.shape
    columns = np.zeros((height, width), np.float32)
    rows = np.zeros(width + 2 * radius, np.float32)
    for z in range(max(0, a - radius), min(depth, a + radius)):
        _add_product_plane(columns, image, other, z, np.float32(1.0))
    for z in range(a, b):
        if z + radius < depth:
            _add_product_plane(columns, image, other, z + radius, np.float32(1.0))
        for y in range(height):
            _window_row(columns, y, radius, rows, out[z, y])
        if z - radius >= 0:
            _add_product_plane(columns, image, other, z - radius, np.float32(-1.0))


@jit
def lncc_adjoints(  # type: ignore[no-untyped-def]
    fixed, moved, weight, count, sum_fixed, var_fixed, radius, floor, adj_a, adj_b, adj_c, a, b
):
    """Sum over the slab of weight · cc, and the three adjoint images of the gradient.

    weight : what each window counts (0 or 1); count : voxels of the window; sum_fixed,
    var_fixed : Σi and the variance sum a + nε; floor : ε.
    """
    depth, height, width = fixed.shape
    col_j = np.zeros((height, width), np.float32)
    col_jj = np.zeros((height, width), np.float32)
    col_ij = np.zeros((height, width), np.float32)
    rows = np.zeros(width + 2 * radius, np.float32)
    s_j = np.empty(width, np.float32)
    s_jj = np.empty(width, np.float32)
    s_ij = np.empty(width, np.float32)
    one = np.float32(1.0)
    zero = np.float32(0.0)
    total = 0.0
    for z in range(max(0, a - radius), min(depth, a + radius)):
        _add_plane(col_j, moved, z, one)
        _add_product_plane(col_jj, moved, moved, z, one)
        _add_product_plane(col_ij, fixed, moved, z, one)
    for z in range(a, b):
        if z + radius < depth:
            _add_plane(col_j, moved, z + radius, one)
            _add_product_plane(col_jj, moved, moved, z + radius, one)
            _add_product_plane(col_ij, fixed, moved, z + radius, one)
        for y in range(height):
            _window_row(col_j, y, radius, rows, s_j)
            _window_row(col_jj, y, radius, rows, s_jj)
            _window_row(col_ij, y, radius, rows, s_ij)
            row_total = zero
            for x in range(width):
                inv_n = one / count[z, y, x]
                var_i = var_fixed[z, y, x]
                cross = s_ij[x] - sum_fixed[z, y, x] * s_j[x] * inv_n
                var_j = max(s_jj[x] - s_j[x] * s_j[x] * inv_n, zero) + floor * count[z, y, x]
                w = weight[z, y, x]
                scale = w / (var_i * var_j)
                row_total += cross * cross * scale
                c_adj = np.float32(2.0) * cross * scale
                b_adj = -cross * cross * scale / var_j
                adj_c[z, y, x] = c_adj
                adj_b[z, y, x] = b_adj
                adj_a[z, y, x] = -inv_n * (
                    sum_fixed[z, y, x] * c_adj + np.float32(2.0) * s_j[x] * b_adj
                )
            total += float(row_total)
        if z - radius >= 0:
            _add_plane(col_j, moved, z - radius, -one)
            _add_product_plane(col_jj, moved, moved, z - radius, -one)
            _add_product_plane(col_ij, fixed, moved, z - radius, -one)
    return total


@jit
def lncc_gradient(  # type: ignore[no-untyped-def]
    fixed, moved, adj_a, adj_b, adj_c, radius, out, a, b
):
    """``out = box(A) + 2 j · box(B) + i · box(C)``: the gradient with respect to `moved`."""
    depth, height, width = fixed.shape
    col_a = np.zeros((height, width), np.float32)
    col_b = np.zeros((height, width), np.float32)
    col_c = np.zeros((height, width), np.float32)
    rows = np.zeros(width + 2 * radius, np.float32)
    s_a = np.empty(width, np.float32)
    s_b = np.empty(width, np.float32)
    s_c = np.empty(width, np.float32)
    one = np.float32(1.0)
    for z in range(max(0, a - radius), min(depth, a + radius)):
        _add_plane(col_a, adj_a, z, one)
        _add_plane(col_b, adj_b, z, one)
        _add_plane(col_c, adj_c, z, one)
    for z in range(a, b):
        if z + radius < depth:
            _add_plane(col_a, adj_a, z + radius, one)
            _add_plane(col_b, adj_b, z + radius, one)
            _add_plane(col_c, adj_c, z + radius, one)
        for y in range(height):
            _window_row(col_a, y, radius, rows, s_a)
            _window_row(col_b, y, radius, rows, s_b)
            _window_row(col_c, y, radius, rows, s_c)
            for x in range(width):
                out[z, y, x] = (
                    s_a[x] + np.float32(2.0) * moved[z, y, x] * s_b[x] + fixed[z, y, x] * s_c[x]
                )
        if z - radius >= 0:
            _add_plane(col_a, adj_a, z - radius, -one)
            _add_plane(col_b, adj_b, z - radius, -one)
            _add_plane(col_c, adj_c, z - radius, -one)
