"""Local correlation of a fixed and a moving image under an affine matrix.

The mean over small windows of the squared correlation ``c² / (a b)``, with ``c`` the
covariance and ``a``, ``b`` the variances in the window.  Windows are cubes of fixed voxels
(squares in 2-D), half overlapping, or an even choice of them.  The curvature is that of
Gauss and Newton on the difference of the normalised windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_voxelmorph.engine.optimization.interpolation import look
from napari_voxelmorph.engine.optimization.sampling import Level
from napari_voxelmorph.engine.parallel import run_slabs

#: Voxels along the side of a window, by number of axes.
SIDE = {2: 9, 3: 5}
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@njit(nogil=True, cache=True)
def correlate(points, values, image, mask, outside, matrix, size, forces, a, b):  # type: ignore[no-untyped-def]
    """Sums over the windows a ... b, each of `size` consecutive samples.

    Rows 0 ... 11: curvature; row 12: gradient (when `forces`); row 13: correlation, windows.
    """
    sums = np.zeros((14, 12))
    seen = np.zeros(size)
    slopes = np.zeros((size, 3))
    term = np.zeros(12)
    mean_term = np.zeros(12)
    for window in range(a, b):
        first = window * size
        n, f_sum, m_sum = 0, 0.0, 0.0
        for i in range(size):
            seen[i], slopes[i, 0], slopes[i, 1], slopes[i, 2] = look(
                points, first + i, image, mask, outside, matrix
            )
            if seen[i] >= 0.0:
                n += 1
                f_sum += values[first + i]
                m_sum += seen[i]
        if 2 * n < size:
            continue
        f_mean, m_mean = f_sum / n, m_sum / n
        cross, f_var, m_var = 0.0, 0.01 * n, 0.01 * n
        for i in range(size):
            if seen[i] >= 0.0:
                f, m = values[first + i] - f_mean, seen[i] - m_mean
                cross += f * m
                f_var += f * f
                m_var += m * m
        sums[13, 0] += cross * cross / (f_var * m_var)
        sums[13, 1] += 1.0
        if not forces:
            continue
        gain = 2.0 * cross / (f_var * m_var)
        weight = gain * cross / m_var
        mean_term[:] = 0.0
        for i in range(size):
            if seen[i] < 0.0:
                continue
            f, m = values[first + i] - f_mean, seen[i] - m_mean
            force = gain * (f - cross / m_var * m)
            for p in range(3):
                for q in range(3):
                    term[4 * p + q] = slopes[i, p] * points[first + i, q]
                term[4 * p + 3] = slopes[i, p]
            for p in range(12):
                mean_term[p] += term[p] / n
                sums[12, p] += force * term[p]
                for q in range(12):
                    sums[p, q] += weight * term[p] * term[q]
        for p in range(12):
            for q in range(12):
                sums[p, q] -= weight * n * mean_term[p] * mean_term[q]
    return sums


class WindowCorrelation:
    """Local correlation of one resolution level, as the optimiser wants it (`ascent.Similarity`).

    Parameters
    ----------
    fixed, moving : Level
        Windows whose middle is outside of the fixed mask are left out.
    to_frame : ndarray (4, 4)
        World (mm) to the normalised frame.
    at_most : int
        At most about so many samples in all windows together.
    """

    def __init__(
        self, fixed: Level, moving: Level, to_frame: NDArray[Any], at_most: int, ndim: int
    ) -> None:
        voxels = _windows(fixed, SIDE[ndim], at_most)
        self.n, self.size = voxels.shape[:2]
        x, y, z = voxels.reshape(-1, 3).T
        matrix = to_frame @ fixed.affine
        points = np.empty((len(x), 3), dtype=np.float32)
        for i, (a, b, c, shift) in enumerate(matrix[:3]):
            points[:, i] = a * x + b * y + c * z + shift
        self.to_voxel = np.linalg.inv(moving.affine)
        none = np.zeros((0, 0, 0), dtype=np.uint8)
        mask = none if moving.mask is None else moving.mask.astype(np.uint8)
        self._arguments = (points, fixed.image[x, y, z], moving.image, mask, moving.outside)

    def _sums(self, map_: Float64, forces: bool) -> Float64:
        matrix = np.ascontiguousarray((self.to_voxel @ map_)[:3])
        return np.asarray(
            np.sum(
                run_slabs(correlate, self.n, *self._arguments, matrix, self.size, forces), axis=0
            )
        )

    def value(self, map_: Float64) -> tuple[float, float]:
        """Mean squared correlation and share of windows used."""
        total, count = self._sums(map_, False)[13, :2]
        return float(total / max(count, 1.0)), float(count / self.n)

    def slopes(self, map_: Float64, directions: Float64) -> Iterator[tuple[Float64, Float64]]:
        """Gradient (P,) and curvature (P, P) along `directions` (P, 4, 4)."""
        sums = self._sums(map_, True)
        sums /= max(sums[13, 1], 1.0)
        matrix = (self.to_voxel @ map_)[:3]
        change = (matrix @ directions).reshape(len(directions), 12)
        yield change @ sums[12], change @ sums[:12] @ change.T


def _windows(level: Level, side: int, at_most: int) -> NDArray[np.intp]:
    """Voxels (W, size, 3) of half-overlapping windows, evenly thinned."""
    sides = [min(side, n) for n in level.image.shape]
    starts = [
        np.arange(0, n - s + 1, (s + 1) // 2) for n, s in zip(level.image.shape, sides, strict=True)
    ]
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 3)
    inner = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), axis=-1).reshape(-1, 3)
    if level.mask is not None:
        x, y, z = (corners + np.array(sides) // 2).T
        corners = corners[level.mask[x, y, z]] if level.mask[x, y, z].any() else corners
    budget = max(1, at_most // len(inner))
    if len(corners) > budget:
        edges = np.linspace(0, len(corners), budget + 1)
        jitter = np.random.default_rng(0).random(budget)
        corners = corners[(edges[:-1] + jitter * np.diff(edges)).astype(np.intp)]
    return np.asarray(corners[:, None, :] + inner[None, :, :], dtype=np.intp)
