"""Maps given voxel by voxel: out of a registration, and back into one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.files.transforms.one_way import OneWay
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.result import Registration

Points = NDArray[np.float64]

#: Points of a grid that are enough to find its affine part.
_FIT_POINTS = 20_000


def vectors_of(way: OneWay, here: Matrix, there: Matrix) -> NDArray[np.float32]:
    """Displacement vectors (D, *S) of a map, in the coordinates of some program.

    Parameters
    ----------
    here : ndarray (D + 1, D + 1)
        Voxels of the grid to the program's coordinates; all zero for absolute positions.
    there : ndarray (D + 1, D + 1)
        World of the other image (RAS mm) to the program's coordinates.
    """
    shape = way.grid.shape
    vectors = np.empty((way.grid.ndim, *shape), np.float32)
    for start in range(shape[0]):  # plane by plane: the positions are float64
        voxels = plane_voxels(start, shape)
        moved = way.move(transformed(way.grid.affine, voxels))
        step = transformed(there, moved) - transformed(here, voxels)
        vectors[:, start] = step.T.reshape(vectors[:, start].shape)
    return vectors


def registration_from(
    move: Callable[[Points], Points], fixed: Volume, moving: Volume
) -> Registration:
    """A `Registration` from any map of fixed world points to moving world points (RAS mm).

    The affine part of the map is taken out (least squares), so that the inverse of what
    remains can be found.
    """

    def at(voxels: Points) -> Points:
        return move(transformed(fixed.affine, voxels))

    some = some_voxels(fixed.shape)
    affine = best_affine(transformed(fixed.affine, some), at(some))
    back = np.asarray(np.linalg.inv(affine @ fixed.affine), np.float64)
    u = np.empty((fixed.ndim, *fixed.shape), np.float32)
    for start in range(fixed.shape[0]):
        plane = plane_voxels(start, fixed.shape)
        step = transformed(back, at(plane)) - plane
        u[:, start] = step.T.reshape(u[:, start].shape)
    field = Field(u, np.ones(fixed.ndim), np.zeros(fixed.ndim), "displacement")
    return Registration(fixed, moving, affine, field)


def plane_voxels(start: int, shape: tuple[int, ...]) -> Points:
    """Indices (N, D) of all voxels with first index `start`, in C order."""
    axes = [np.array([start]), *[np.arange(n) for n in shape[1:]]]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([g.reshape(-1) for g in grid], axis=1).astype(np.float64)


def some_voxels(shape: tuple[int, ...]) -> Points:
    """Indices of a regular selection of voxels, corners included."""
    each = max(2, int(_FIT_POINTS ** (1 / len(shape))))
    axes = [np.unique(np.linspace(0, n - 1, min(n, each)).round()) for n in shape]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([g.reshape(-1) for g in grid], axis=1).astype(np.float64)


def best_affine(here: Points, there: Points) -> Matrix:
    """Affine (D + 1, D + 1) nearest to the map `here` -> `there`; identity when there is none."""
    ndim = here.shape[1]
    affine = np.eye(ndim + 1)
    middle = here.mean(axis=0)
    columns = np.hstack([here - middle, np.ones((len(here), 1))])
    solution, _, rank, _ = np.linalg.lstsq(columns, there, rcond=None)
    linear = solution[:ndim].T
    if rank < ndim + 1 or not 1e-3 < np.linalg.det(linear) < 1e3:
        return affine
    affine[:ndim, :ndim] = linear
    affine[:ndim, ndim] = solution[ndim] - linear @ middle
    return affine


def transformed(matrix: Matrix, points: Points) -> Points:
    """Points (N, D) under an affine matrix."""
    return np.asarray(points @ matrix[:-1, :-1].T + matrix[:-1, -1])
