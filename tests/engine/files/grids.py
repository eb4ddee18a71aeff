"""Grids, images and fields for the tests of files: oblique, anisotropic, flipped, off-centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation


def grid_affine(spacing, degrees, origin, order=(0, 1, 2), flips=(1, 1, 1)) -> np.ndarray:
    """Affine of a 3-D grid: turned, its axes in another order, some of them flipped."""
    axes = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()[:, list(order)]
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(flips) * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def grid_affine_2d(spacing, degrees, origin, flips=(1, 1)) -> np.ndarray:
    """Affine of a 2-D grid."""
    angle = np.deg2rad(degrees)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine = np.eye(3)
    affine[:2, :2] = axes * np.array(flips) * np.array(spacing)
    affine[:2, 2] = origin
    return affine


def smooth_image(shape, seed=0) -> np.ndarray:
    """float32 noise with structure, 0 to 1000."""
    data = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return ((data - data.min()) / np.ptp(data) * 1000).astype(np.float32)


def smooth_field(shape, largest, seed=0) -> np.ndarray:
    """(D, *shape) float32 with vectors of up to `largest` voxels."""
    rng = np.random.default_rng(seed)
    field = np.stack([gaussian_filter(rng.normal(size=shape), 3) for _ in shape])
    return (field / np.abs(field).max() * largest).astype(np.float32)


def world_affine(ndim, seed=0) -> np.ndarray:
    """Rotation, scale and shear that are not small."""
    rng = np.random.default_rng(seed)
    affine = np.eye(ndim + 1)
    if ndim == 3:
        affine[:3, :3] = Rotation.from_euler("xyz", (10, 5, -12), degrees=True).as_matrix()
    else:
        affine[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    affine[:ndim, :ndim] = affine[:ndim, :ndim] @ (
        np.eye(ndim) + rng.uniform(-0.1, 0.1, (ndim, ndim))
    )
    return affine


@dataclass(frozen=True)
class Case:
    """A pair of grids: shapes and affines of fixed and moving."""

    fixed: tuple[tuple[int, ...], np.ndarray]
    moving: tuple[tuple[int, ...], np.ndarray]


CASES = {
    "same grid": Case(
        ((24, 20, 18), grid_affine((2, 2, 2), (0, 0, 0), (-20, -20, -20))),
        ((24, 20, 18), grid_affine((2, 2, 2), (0, 0, 0), (-20, -20, -20))),
    ),
    "oblique": Case(
        ((24, 20, 18), grid_affine((1.5, 2, 2.5), (20, -10, 35), (-20, 10, 5))),
        ((22, 25, 19), grid_affine((2, 1.7, 1.9), (-15, 5, 8), (30, -30, -20))),
    ),
    "anisotropic": Case(
        ((30, 28, 7), grid_affine((1.1, 1.2, 6), (0, 0, 0), (5, 5, 5))),
        ((9, 26, 25), grid_affine((5, 1.3, 1.4), (0, 0, 0), (-7, 3, 9))),
    ),
    "flipped axes": Case(
        ((21, 20, 18), grid_affine((2, 2, 2), (0, 0, 0), (40, 10, 5), flips=(-1, 1, 1))),
        ((19, 22, 20), grid_affine((2, 2, 2), (0, 0, 0), (3, 50, 1), (1, 2, 0), (1, -1, -1))),
    ),
    "oblique and flipped": Case(
        ((21, 20, 18), grid_affine((2, 1, 2), (30, 0, -9), (40, 10, 5), (2, 0, 1), (-1, 1, 1))),
        ((19, 22, 20), grid_affine((1, 2, 2), (-5, 9, 40), (3, 50, 1), (1, 2, 0), (1, -1, -1))),
    ),
    "2-D": Case(
        ((40, 31), grid_affine_2d((1.5, 2), 20, (-20, 10))),
        ((33, 44), grid_affine_2d((2, 1.2), -35, (7, 9), (-1, 1))),
    ),
    "2-D standard": Case(
        ((40, 31), np.diag([-1.0, -1.0, 1.0])),
        ((33, 44), np.diag([-1.2, -0.9, 1.0])),
    ),
}
