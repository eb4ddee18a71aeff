"""Numba kernels: surface elements of all labels in one pass, and distances between surfaces.

A cell (i, j, k) has the eight voxels ``i - 1 … i`` along each axis as corners; outside the image
is background.  An image of one slice is taken as endless along its first axis.
"""

from __future__ import annotations

import numpy as np
from numba import njit

jit = njit(nogil=True, cache=True)


@jit
def _at(places, i, j, k):  # type: ignore[no-untyped-def]
    n0, n1, n2 = places.shape
    if n0 == 1:
        i = 0
    if i < 0 or j < 0 or k < 0 or i >= n0 or j >= n1 or k >= n2:
        return 0
    return places[i, j, k]


@jit
def _corners(places, i, j, k, out):  # type: ignore[no-untyped-def]
    """The labels at the corners, first axis first; False when all are the same."""
    n0, n1, n2 = places.shape
    if n0 > 1 and 0 < i < n0 and 0 < j < n1 and 0 < k < n2:
        for c in range(8):
            out[c] = places[i - 1 + (c >> 2), j - 1 + ((c >> 1) & 1), k - 1 + (c & 1)]
    else:
        for c in range(8):
            out[c] = _at(places, i - 1 + (c >> 2), j - 1 + ((c >> 1) & 1), k - 1 + (c & 1))
    for c in range(1, 8):  # noqa: SIM110 (numba knows no any)
        if out[c] != out[0]:
            return True
    return False


@jit
def _code(corners, place):  # type: ignore[no-untyped-def]
    code = 0
    for c in range(8):
        if corners[c] == place:
            code |= 128 >> c
    return code


@jit
def _is_first(corners, c):  # type: ignore[no-untyped-def]
    for d in range(c):  # noqa: SIM110
        if corners[d] == corners[c]:
            return False
    return True


@jit
def count_surfels(places, counts, a, b):  # type: ignore[no-untyped-def]
    """``counts[i, label] = `` surface cells of each label in layer i of the cells.

    places : (*S) integers, 0 for background; counts : (layers, labels) int64.
    """
    corners = np.zeros(8, np.int64)
    for i in range(a, b):
        for j in range(places.shape[1] + 1):
            for k in range(places.shape[2] + 1):
                if _corners(places, i, j, k, corners):
                    for c in range(8):
                        if corners[c] and _is_first(corners, c):
                            counts[i, corners[c]] += 1


@jit
def list_surfels(places, areas, starts, cells, area, a, b):  # type: ignore[no-untyped-def]
    """Write the surface cells of layers ``a … b`` and their areas.

    areas : (256,) by code; starts : (layers, labels), where each label of a layer begins in
    cells (N, 3) int16 and area (N,) float32.  `starts` is used up.
    """
    corners = np.zeros(8, np.int64)
    for i in range(a, b):
        for j in range(places.shape[1] + 1):
            for k in range(places.shape[2] + 1):
                if not _corners(places, i, j, k, corners):
                    continue
                for c in range(8):
                    place = corners[c]
                    if place and _is_first(corners, c):
                        at = starts[i, place]
                        starts[i, place] = at + 1
                        cells[at, 0], cells[at, 1], cells[at, 2] = i, j, k
                        area[at] = areas[_code(corners, place)]


@jit
def _lower_envelope(line, out, step, vertex, edge):  # type: ignore[no-untyped-def]
    """``out[q] = min_p line[p] + (step (q - p))²`` (Felzenszwalb & Huttenlocher 2012)."""
    n = line.size
    count = 0
    weight = step * step
    for q in range(n):
        if line[q] == np.inf:
            continue
        while count:
            p = vertex[count - 1]
            cross = ((line[q] - line[p]) / weight + q * q - p * p) / (2.0 * (q - p))
            if cross > edge[count - 1]:
                edge[count] = cross
                break
            count -= 1
        if count == 0:
            edge[0] = -np.inf
        vertex[count] = q
        count += 1
    at = 0
    for q in range(n):
        if count == 0:
            out[q] = np.inf
            continue
        while at + 1 < count and edge[at + 1] < q:
            at += 1
        out[q] = line[vertex[at]] + weight * (q - vertex[at]) ** 2


@jit
def _spread(target, low, size, spacing):  # type: ignore[no-untyped-def]
    """Squared distance (mm²) to `target` within each plane of the first axis of a box."""
    box = np.full((size[0], size[1], size[2]), np.inf, np.float32)
    for n in range(target.shape[0]):
        box[target[n, 0] - low[0], target[n, 1] - low[1], target[n, 2] - low[2]] = 0.0
    longest = max(size[1], size[2])
    line, out = np.empty(longest), np.empty(longest)
    vertex, edge = np.empty(longest, np.int64), np.empty(longest + 1)
    for i in range(size[0]):
        for j in range(size[1]):
            near = np.inf
            for k in range(size[2]):
                near = 0.0 if box[i, j, k] == 0.0 else near + spacing[2]
                box[i, j, k] = near
            near = np.inf
            for k in range(size[2] - 1, -1, -1):
                near = min(near + spacing[2], box[i, j, k])
                box[i, j, k] = near * near
        for k in range(size[2]):
            line[: size[1]] = box[i, :, k]
            _lower_envelope(line[: size[1]], out[: size[1]], spacing[1], vertex, edge)
            box[i, :, k] = out[: size[1]]
    return box


@jit
def surface_distances(cells, target, spacing):  # type: ignore[no-untyped-def]
    """Distance (mm) from each cell to the nearest cell of `target`, exact.

    cells, target : (N, 3), (M, 3) int16; spacing : (3,) float64.  Infinite without a target.
    """
    out = np.full(cells.shape[0], np.inf, np.float32)
    if target.shape[0] == 0 or cells.shape[0] == 0:
        return out
    low, size = np.empty(3, np.int64), np.empty(3, np.int64)
    for d in range(3):
        low[d] = min(cells[:, d].min(), target[:, d].min())
        size[d] = max(cells[:, d].max(), target[:, d].max()) - low[d] + 1
    planes = _spread(target, low, size, spacing)
    for n in range(cells.shape[0]):
        i, j, k = cells[n, 0] - low[0], cells[n, 1] - low[1], cells[n, 2] - low[2]
        best = planes[i, j, k]
        for away in range(1, size[0]):
            apart = np.float32((away * spacing[0]) ** 2)
            if apart >= best:
                break
            if i >= away:
                best = min(best, planes[i - away, j, k] + apart)
            if i + away < size[0]:
                best = min(best, planes[i + away, j, k] + apart)
        out[n] = np.sqrt(best)
    return out
