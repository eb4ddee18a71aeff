"""Numba kernel: how sharp an image is along the surface of a structure."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def edge_strength(image, cells, areas, spacing):  # type: ignore[no-untyped-def]
    """Mean length of the image's gradient (per mm) over surface cells, weighted by area.

    image : (*S) float32, 3-D; cells : (N, 3) int16, see `surface_kernels`; cells on the edge of
    the image are left out.  NaN when none is left.
    """
    n0, n1, n2 = image.shape
    total, weight = 0.0, 0.0
    for n in range(cells.shape[0]):
        i, j, k = cells[n, 0], cells[n, 1], cells[n, 2]
        if j < 1 or k < 1 or j >= n1 or k >= n2 or (n0 > 1 and (i < 1 or i >= n0)):
            continue
        low = i - 1 if n0 > 1 else 0
        high = i if n0 > 1 else 0
        g0, g1, g2 = 0.0, 0.0, 0.0
        for c in range(8):
            a, b, d = c >> 2, (c >> 1) & 1, c & 1
            value = image[high if a else low, j - 1 + b, k - 1 + d]
            g0 += value if a else -value
            g1 += value if b else -value
            g2 += value if d else -value
        length = (g0 / spacing[0]) ** 2 + (g1 / spacing[1]) ** 2 + (g2 / spacing[2]) ** 2
        total += areas[n] * np.sqrt(length) / 4
        weight += areas[n]
    return total / weight if weight > 0 else np.nan
