"""Mutual information of fixed samples and a moving image under an affine matrix.

The joint histogram follows Mattes et al. (2003): the fixed intensity falls into one bin,
the moving intensity is spread over four by a cubic B-spline, so that the histogram, and
with it the mutual information, is smooth in the matrix.  Its exact gradient is a sum over
samples of ``score * d(moving intensity)``, where the score is the slope of
``log p(fixed, moving) / p(moving)``; the mean outer product of the same terms is the
Fisher information, which serves as curvature (Berndt, Hall, Hall and Hausman, 1974).

Every kernel releases the GIL and works on samples (or candidates) ``[a, b)``.
Intensities are in bins already, see `sampling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_voxelmorph.engine.optimization.interpolation import look
from napari_voxelmorph.engine.optimization.sampling import N_BINS, Level, Samples
from napari_voxelmorph.engine.parallel import run_slabs

#: So few samples are quicker without threads.
FEW = 30_000
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@njit(nogil=True, cache=True)
def count_pairs(points, bins, image, mask, outside, matrix, a, b):  # type: ignore[no-untyped-def]
    """Joint histogram (N_BINS, N_BINS): rows fixed, columns moving."""
    histogram = np.zeros((N_BINS, N_BINS))
    for n in range(a, b):
        value, _x, _y, _z = look(points, n, image, mask, outside, matrix)
        if value < 0.0:
            continue
        low = int(value)
        t = value - low
        s = 1.0 - t
        row = histogram[bins[n]]
        row[low - 1] += s * s * s / 6.0
        row[low] += 2.0 / 3.0 - t * t + t * t * t / 2.0
        row[low + 1] += 2.0 / 3.0 - s * s + s * s * s / 2.0
        row[low + 2] += t * t * t / 6.0
    return histogram


@njit(nogil=True, cache=True)
def score_matrices(points, bins, image, mask, outside, matrices, a, b):  # type: ignore[no-untyped-def]
    """Mutual information (nats) and share of samples used, for each of the matrices a ... b."""
    scores = np.zeros((b - a, 2))
    for c in range(a, b):
        h = count_pairs(points, bins, image, mask, outside, matrices[c], 0, len(points))
        total = h.sum()
        scores[c - a, 1] = total / max(len(points), 1)
        if total == 0.0:
            continue
        rows, columns = h.sum(axis=1), h.sum(axis=0)
        for i in range(N_BINS):
            for j in range(N_BINS):
                if h[i, j] > 0.0:
                    scores[c - a, 0] += (
                        h[i, j] / total * np.log(h[i, j] * total / (rows[i] * columns[j]))
                    )
    return scores


@njit(nogil=True, cache=True)
def sum_forces(points, bins, image, mask, outside, matrix, table, a, b):  # type: ignore[no-untyped-def]
    """Fisher information (rows 0 ... 11) and gradient (row 12) in the 12 matrix entries.

    Not yet divided by the number of samples.
    """
    sums = np.zeros((13, 12))
    slope = np.zeros(3)
    terms = np.zeros(12)
    for n in range(a, b):
        value, slope[0], slope[1], slope[2] = look(points, n, image, mask, outside, matrix)
        if value < 0.0:
            continue
        low = int(value)
        t = value - low
        s = 1.0 - t
        row = table[bins[n]]
        score = (
            -0.5 * s * s * row[low - 1]
            + (1.5 * t - 2.0) * t * row[low]
            - (1.5 * s - 2.0) * s * row[low + 1]
            + 0.5 * t * t * row[low + 2]
        )
        for i in range(3):
            force = score * slope[i]
            for j in range(3):
                terms[4 * i + j] = force * points[n, j]
            terms[4 * i + 3] = force
        for p in range(12):
            sums[12, p] += terms[p]
            for q in range(12):
                sums[p, q] += terms[p] * terms[q]
    return sums


class MutualInformation:
    """Mutual information of one resolution level, as the optimiser wants it.

    Parameters
    ----------
    samples : Samples
        Points and intensities of the fixed image.
    moving : Level
        The moving image of this level.
    """

    def __init__(self, samples: Samples, moving: Level) -> None:
        self.n = len(samples.points)
        self.to_voxel = np.linalg.inv(moving.affine)
        none = np.zeros((0, 0, 0), dtype=np.uint8)
        mask = none if moving.mask is None else moving.mask.astype(np.uint8)
        self._arguments = (samples.points, samples.bins, moving.image, mask, moving.outside)

    def scores(self, maps: Float64) -> Float64:
        """Similarity (nats) and share of samples used, (K, 2), for K maps (K, 4, 4)."""
        matrices = np.ascontiguousarray((self.to_voxel @ maps)[:, :3])
        return np.concatenate(run_slabs(score_matrices, len(maps), *self._arguments, matrices))

    def _sum(self, kernel: Callable[..., Float64], *arguments: Float64) -> Float64:
        if self.n < FEW:
            return kernel(*self._arguments, *arguments, 0, self.n)
        return np.asarray(np.sum(run_slabs(kernel, self.n, *self._arguments, *arguments), axis=0))

    def value(self, map_: Float64) -> tuple[float, float]:
        """Similarity (nats) and share of samples used for a map (4, 4) to the moving world."""
        matrix = np.ascontiguousarray((self.to_voxel @ map_)[:3])
        histogram = self._sum(count_pairs, matrix)
        total = histogram.sum()
        if total == 0:
            return 0.0, 0.0
        joint = histogram / total
        rows, columns = joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)
        tiny = 1e-3 / total  # an empty cell weighs as a thousandth of a sample
        self._table = np.log((joint + tiny) / (columns + N_BINS * tiny))
        full = joint > 0
        information = np.sum(joint[full] * np.log((joint / (rows @ columns + 1e-300))[full]))
        return float(information), float(total / self.n)

    def slopes(self, map_: Float64, directions: Float64) -> Iterator[tuple[Float64, Float64]]:
        """Gradient (P,) and curvature (P, P) along `directions` (P, 4, 4).

        To be asked at the map that `value` saw last.
        """
        matrix = np.ascontiguousarray((self.to_voxel @ map_)[:3])
        sums = self._sum(sum_forces, matrix, self._table) / self.n
        change = (matrix @ directions).reshape(len(directions), 12)
        yield change @ sums[12], change @ sums[:12] @ change.T
