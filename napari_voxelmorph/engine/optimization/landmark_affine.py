"""The rigid or affine map that brings landmarks together best, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Matrix
from napari_voxelmorph.engine.landmarks import LandmarkPairs

Points = NDArray[np.float64]


def fit_landmarks(pairs: LandmarkPairs, kind: Literal["affine", "rigid"] = "affine") -> Matrix:
    """Least squares over the pairs; fixed world to moving world, mm.

    An affine map is taken only where it foretells each pair from the others better than a rigid
    one does: of few pairs, or of pairs near one plane, it fits the noise (benchmarks/NOTES.md).
    That needs five pairs at least (2-D: four).  Where a rotation is not pinned either (one pair,
    or all on one line in 3-D) it turns as little as can be.

    Parameters
    ----------
    pairs : LandmarkPairs
        One at least.
    kind : "affine" or "rigid"
        Rigid: rotation and shift (Arun et al., PAMI 1987; Umeyama, PAMI 1991).

    Returns
    -------
    ndarray (D + 1, D + 1)
    """
    fixed, moving = pairs.fixed, pairs.moving
    if kind == "affine" and len(fixed) > fixed.shape[1] + 1:
        whole = _affine(fixed, moving)
        # Mirrored pairs are no alignment of one anatomy.
        if np.linalg.det(whole[:-1, :-1]) > 0:
            misses = [_left_out(fit, fixed, moving) for fit in (_affine, _rigid)]
            if misses[0] < misses[1]:
                return whole
    return _rigid(fixed, moving)


def _left_out(fit: Callable[[Points, Points], Matrix], fixed: Points, moving: Points) -> float:
    """Sum of the squared distances of each pair under the map that the others give."""
    total = 0.0
    for n in range(len(fixed)):
        rest = np.arange(len(fixed)) != n
        matrix = fit(fixed[rest], moving[rest])
        total += float(np.sum((matrix[:-1, :-1] @ fixed[n] + matrix[:-1, -1] - moving[n]) ** 2))
    return total


def _affine(fixed: Points, moving: Points) -> Matrix:
    middle, goal = fixed.mean(axis=0), moving.mean(axis=0)
    return _about(np.linalg.lstsq(fixed - middle, moving - goal, rcond=None)[0].T, middle, goal)


def _rigid(fixed: Points, moving: Points) -> Matrix:
    middle, goal = fixed.mean(axis=0), moving.mean(axis=0)
    return _about(_rotation(fixed - middle, moving - goal), middle, goal)


def _about(linear: Matrix, middle: Points, goal: Points) -> Matrix:
    """The map with a linear part that takes `middle` to `goal`."""
    matrix = np.eye(len(middle) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = goal - linear @ middle
    return matrix


def _rotation(here: Matrix, there: Matrix) -> Matrix:
    """The proper rotation nearest to taking `here` (N, D) to `there`, both about their middle.

    Directions without any points (a line in 3-D) count a little as they are, so that the answer
    is the smallest rotation.
    """
    ndim = here.shape[1]
    covariance = there.T @ here
    largest = float(np.abs(covariance).max(initial=0.0))
    covariance = covariance + 1e-9 * max(largest, 1e-30) * np.eye(ndim)
    u, _, vt = np.linalg.svd(covariance)
    signs = np.ones(ndim)
    signs[-1] = np.sign(np.linalg.det(u @ vt))
    return np.asarray((u * signs) @ vt)
