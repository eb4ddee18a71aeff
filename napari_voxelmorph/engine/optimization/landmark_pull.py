"""Landmarks pull the field: a smooth, local motion that brings each warped point to its partner.

In every iteration the image asks for a step ``s``.  At a landmark, where the warped point is
still ``e`` from its partner, the step becomes the mean of both wishes, ``(s + w e) / (1 + w)``:
with weight 1 image and landmark pull alike, with a large one the point is taken as certain.  The
difference is spread by radial basis functions of compact support (Wendland 1995; Fornefett,
Rohr & Stiehl, Image and Vision Computing 19, 2001), so that a landmark moves its neighbourhood
and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.geometry.field import pad_3d
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.landmarks import LandmarkPairs
from napari_voxelmorph.engine.optimization.field_ops import Ops
from napari_voxelmorph.engine.optimization.work_grid import Level, WorkGrid

Floats = NDArray[np.float64]

#: Radius of a landmark's neighbourhood, in cells of the field (equal in mm along all axes).
REACH = 10.0
#: Share of noise in the interpolation: two points side by side that disagree meet half-way.
_RIDGE = 0.05
#: Half the distance (cells) over which the warp's slope at a landmark is measured.
_HALF = 0.5
#: The warp is not undone where it compresses by more than this.
_LEAST_STRETCH = 0.25


class LandmarkPull:
    """Points of one level and the motion they ask for.

    Parameters
    ----------
    ops : Ops
    points, goals : ndarray (N, 3)
        Where landmarks lie and where the warp shall take them, cells of the field.
    shape : tuple
        Cells of the field.
    reach : ndarray (3,)
        Radius of the neighbourhood, cells.
    weight : float
        Against the image's step; above 0.
    longest : float
        Cells that a landmark may ask for in one iteration.
    """

    def __init__(
        self,
        ops: Ops,
        points: Floats,
        goals: Floats,
        shape: tuple[int, ...],
        reach: Floats,
        weight: float,
        longest: float,
    ) -> None:
        self._ops, self._shape = ops, shape
        # Beyond its edge a field goes on as it is there: that edge is what must move.
        self._points = np.clip(points, 0, np.array(shape) - 1.0)
        self._goals = goals - points + self._points
        self._share = weight / (1 + weight)
        self._longest = longest
        apart = (self._points[:, None] - self._points[None]) / reach
        gram = wendland(np.linalg.norm(apart, axis=2)) + _RIDGE * np.eye(len(points))
        self._solve = np.linalg.inv(gram)
        self._boxes = [_box(point, reach, shape) for point in self._points]

    def residuals(self, displacement: Any) -> Floats:
        """(N, 3) cells from the warped points to their goals."""
        there = self._ops.at(displacement, self._points)
        return np.asarray(self._goals - self._points - there)

    def step(self, displacement: Any, step: Any) -> Any:
        """What is to be added to the image's `step` (3, *S), for the warp ``id + displacement``."""
        wanted = self._wanted(displacement) - self._ops.at(step, self._points)
        return self._ops.array(self._spread(self._solve @ (self._share * wanted)))

    def _wanted(self, displacement: Any) -> Floats:
        """The step before the warp that would bring each point to its goal, not too long.

        A step d is taken before the warp φ, so the point moves by ``Dφ d``.
        """
        residuals = self.residuals(displacement)
        u, sizes, vt = np.linalg.svd(self._slopes(displacement))
        turned = np.einsum("nji,nj->ni", u, residuals) / np.maximum(sizes, _LEAST_STRETCH)
        wanted = np.einsum("nji,nj->ni", vt, turned)
        lengths = np.linalg.norm(wanted, axis=1, keepdims=True)
        return np.asarray(wanted * np.minimum(1, self._longest / np.maximum(lengths, 1e-12)))

    def _slopes(self, displacement: Any) -> Floats:
        """Jacobian (N, 3, 3) of the warp at the points."""
        slopes = np.zeros((len(self._points), 3, 3))
        limit = np.array(self._shape) - 1.0
        for axis in range(3):
            aside = np.zeros(3)
            aside[axis] = _HALF
            ahead = np.minimum(self._points + aside, limit)
            behind = np.maximum(self._points - aside, 0)
            width = np.maximum(ahead - behind, 1e-9)[:, axis, None]
            rise = self._ops.at(displacement, ahead) - self._ops.at(displacement, behind)
            slopes[:, :, axis] = rise / width
        return slopes + np.eye(3)

    def _spread(self, coefficients: Floats) -> NDArray[np.float32]:
        out = np.zeros((3, *self._shape), np.float32)
        for (cut, bump), numbers in zip(self._boxes, coefficients, strict=True):
            out[(slice(None), *cut)] += numbers.astype(np.float32)[:, None, None, None] * bump
        return out


def wendland(distance: Floats) -> Floats:
    """``(1 - r)⁴ (4 r + 1)`` up to r = 1, then 0: twice differentiable, positive definite in 3-D."""
    return np.asarray(np.maximum(1 - distance, 0) ** 4 * (4 * distance + 1))


class Pulls:
    """The landmarks of a level, for the warp and, in a symmetric run, for its inverse."""

    def __init__(self, ways: tuple[LandmarkPull, ...]) -> None:
        self._ways = ways

    def __bool__(self) -> bool:
        return bool(self._ways)

    def step(self, warps: list[Any], step: Any) -> Any:
        """The image's step with what the landmarks add to it, equally of both ways."""
        if not self._ways:
            return step
        added = self._ways[0].step(warps[0], step)
        if len(self._ways) > 1:
            # A step d of the warp is the step -d of its inverse.
            added = 0.5 * (added - self._ways[1].step(warps[1], -step))
        return step + added

    def apart(self, warps: list[Any]) -> float:
        """Root mean square distance (cells) of the warped landmarks from their partners."""
        if not self._ways:
            return 0.0
        residuals = self._ways[0].residuals(warps[0])
        return float(np.sqrt(np.mean(np.sum(residuals**2, axis=1))))


NO_PULLS = Pulls(())


def pulls_of(
    ops: Ops,
    pairs: LandmarkPairs | None,
    images: tuple[Volume, Matrix],
    grid: WorkGrid,
    level: Level,
    config: RegistrationConfig,
    longest: float,
) -> Pulls:
    """What the landmarks want on a level; nothing without any, or with the weight 0.

    Parameters
    ----------
    images : (fixed, affine)
        The affine takes the fixed world to the moving world.
    longest : float
        Cells that a landmark may ask for in one iteration.
    """
    if pairs is None or not config.landmark_weight:
        return NO_PULLS
    fixed, affine = images
    points = _cells(_back(fixed.affine, pairs.fixed), grid, level)
    goals = _cells(_back(affine @ fixed.affine, pairs.moving), grid, level)
    # Stiffer fields are moved more widely.
    reach = REACH * max(1.0, np.sqrt(config.smoothness)) / level.cell
    ways = [(points, goals), (goals, points)] if config.symmetric else [(points, goals)]
    shape, weight = level.field_shape, config.landmark_weight
    made = (LandmarkPull(ops, a, b, shape, reach, weight, longest) for a, b in ways)
    return Pulls(tuple(made))


def _box(point: Floats, reach: Floats, shape: tuple[int, ...]) -> tuple[Any, NDArray[np.float32]]:
    """The cells that a landmark moves, and how much."""
    cut, squares = [], np.zeros(())
    for axis, n in enumerate(shape):
        low = max(0, int(np.ceil(point[axis] - reach[axis])))
        high = min(n, int(point[axis] + reach[axis]) + 1)
        cut.append(slice(low, high))
        away = (np.arange(low, high) - point[axis]) / reach[axis]
        squares = np.add.outer(squares, away**2)
    return tuple(cut), wendland(np.sqrt(squares)).astype(np.float32)


def _back(matrix: Matrix, points: Floats) -> Floats:
    """Points (N, D) through the inverse of a matrix (D + 1, D + 1)."""
    away = points - matrix[:-1, -1]
    return np.asarray(np.linalg.solve(matrix[:-1, :-1], away.T).T, np.float64)


def _cells(voxels: Floats, grid: WorkGrid, level: Level) -> Floats:
    """Voxels (N, D) of the fixed image as cells (N, 3) of the level's field."""
    lead = 3 - voxels.shape[1]
    padded = np.array([pad_3d(v, 0.0) for v in voxels]).reshape(-1, 3)
    factors = level.factors * level.ratio
    cells = (padded - grid.origin - grid.step * (factors - 1) / 2) / (grid.step * factors)
    cells[:, :lead] = 0
    return np.asarray(cells)
