"""Numba kernels: size, middle and overlap of all labels in one pass."""

from __future__ import annotations

from numba import njit

jit = njit(nogil=True, cache=True)


@jit
def tally(places, sums, a, b):  # type: ignore[no-untyped-def]
    """Voxels and summed coordinates of each label, of slabs ``a … b`` of the first axis.

    places : (*S) integers; sums : (slabs, labels, 4) int64, written per layer.
    """
    for i in range(a, b):
        for j in range(places.shape[1]):
            for k in range(places.shape[2]):
                place = places[i, j, k]
                if place:
                    sums[i, place, 0] += 1
                    sums[i, place, 1] += i
                    sums[i, place, 2] += j
                    sums[i, place, 3] += k


@jit
def nearest_voxels(places, centroids, spacing, best, found, a, b):  # type: ignore[no-untyped-def]
    """The voxel of each label nearest its centroid, per layer of the first axis.

    centroids : (labels, 3) float64 voxels; best : (layers, labels) float64 mm², infinite;
    found : (layers, labels, 3) int64.
    """
    for i in range(a, b):
        for j in range(places.shape[1]):
            for k in range(places.shape[2]):
                place = places[i, j, k]
                if place:
                    away = (
                        ((i - centroids[place, 0]) * spacing[0]) ** 2
                        + ((j - centroids[place, 1]) * spacing[1]) ** 2
                        + ((k - centroids[place, 2]) * spacing[2]) ** 2
                    )
                    if away < best[i, place]:
                        best[i, place] = away
                        found[i, place, 0], found[i, place, 1], found[i, place, 2] = i, j, k


@jit
def count_shared(fixed, moved, shared, a, b):  # type: ignore[no-untyped-def]
    """Voxels of each label that both have; shared : (layers, labels) int64."""
    for i in range(a, b):
        for j in range(fixed.shape[1]):
            for k in range(fixed.shape[2]):
                place = fixed[i, j, k]
                if place and place == moved[i, j, k]:
                    shared[i, place] += 1
