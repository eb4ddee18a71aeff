"""The rigid or affine map that brings landmarks together best, in closed form."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_voxelmorph.engine.geometry.volume import Matrix
from napari_voxelmorph.engine.landmarks import LandmarkPairs

#: Points spread less than this share of their extent along an axis do not span it.
_FLAT = 1e-2


def fit_landmarks(pairs: LandmarkPairs, kind: Literal["affine", "rigid"] = "affine") -> Matrix:
    """Least squares over the pairs; fixed world to moving world, mm.

    An affine map needs four pairs that do not lie in a plane (2-D: three not on a line); with
    fewer it is a rigid one, and where that is not pinned either (one pair, or all on one line in
    3-D) it turns as little as can be.

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
    ndim = fixed.shape[1]
    middle, goal = fixed.mean(axis=0), moving.mean(axis=0)
    here, there = fixed - middle, moving - goal
    extent = np.linalg.svd(here, compute_uv=False)
    spanned = len(extent) == ndim and extent[-1] > _FLAT * max(extent[0], 1e-12)
    if kind == "affine" and spanned and len(fixed) > ndim:
        linear = np.linalg.lstsq(here, there, rcond=None)[0].T
        if np.linalg.det(linear) <= 0:  # mirrored pairs: no alignment of one anatomy
            linear = _rotation(here, there)
    else:
        linear = _rotation(here, there)
    matrix = np.eye(ndim + 1)
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
