"""Where the two scans of a phantom pair lie: grids, axis order, pose, world origins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis.solids import Points

Matrix = NDArray[np.float64]

#: Field of view in head coordinates (mm): right, front, up; first and last face.
_LOW, _HIGH = np.array([-96.0, -128.0, -94.0]), np.array([96.0, 96.0, 98.0])
#: Height (mm) of the axial slice that 2-D pairs show.
_SLICE = 7.0


@dataclass(frozen=True, eq=False)
class Plan:
    """One scan: voxel grid, and how its world (mm) relates to the head (mm).

    In 2-D the head coordinates are (back, left): an axial slice as radiologists see it.
    """

    name: str
    shape: tuple[int, ...]
    affine: Matrix
    to_head: Matrix

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Head coordinates (mm) of two opposite corners of the field of view."""
        if len(self.shape) == 3:
            return _LOW.copy(), _HIGH.copy()
        return np.array([-_HIGH[1], -_HIGH[0]]), np.array([-_LOW[1], -_LOW[0]])

    def in_3d(self, head: NDArray[np.float64]) -> Points:
        """Points (N, D) as the (x, y, z) arrays that the anatomy wants."""
        if head.shape[1] == 2:
            head = np.column_stack([-head[:, 1], -head[:, 0], np.full(len(head), _SLICE)])
        x, y, z = (np.ascontiguousarray(c, dtype=np.float32) for c in head.T)
        return x, y, z

    def in_plane(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Anatomical (N, 3) points as (N, D) head coordinates of this plan."""
        return points if len(self.shape) == 3 else -points[:, 1::-1]

    def shows(self, point: tuple[float, float, float]) -> bool:
        """True when the scan contains the point (2-D: close to the slice)."""
        return len(self.shape) == 3 or abs(point[2] - _SLICE) <= 5.5


def plans(ndim: int, spacing: float, rng: np.random.Generator) -> tuple[Plan, Plan, Matrix]:
    """Plan a fixed and a moving scan; also the fixed-to-moving world affine between them."""
    if ndim == 2:
        return _plans_2d(spacing, rng)
    extent = _HIGH - _LOW
    origin = rng.uniform(-15, 15, 3)
    grid = _grid(tuple(np.rint(extent / spacing).astype(int)), np.full(3, spacing), np.eye(3))
    center = (_LOW + _HIGH) / 2
    fixed = Plan("Fixed", grid[0], _shift(center + origin) @ grid[1], _shift(-origin))

    pose = _rotation(rng.uniform(5, 9, 3) * rng.choice([-1, 1], 3))
    size = np.diag(rng.uniform(0.94, 1.06, 3)) + np.triu(rng.uniform(-0.03, 0.03, (3, 3)), 1)
    affine = np.eye(4)
    affine[:3, :3] = pose @ size
    middle = fixed.affine[:3, :3] @ ((np.array(fixed.shape) - 1) / 2) + fixed.affine[:3, 3]
    new_middle = middle + rng.uniform(8, 14, 3) * rng.choice([-1, 1], 3)
    affine[:3, 3] = new_middle - affine[:3, :3] @ middle
    # Sagittal slices, thicker than their pixels: axes to the back, down, and to the left.
    turn = _rotation(rng.uniform(3, 8, 3) * rng.choice([-1, 1], 3))
    axes = turn @ np.array([[0.0, 0, -1], [-1, 0, 0], [0, -1, 0]])
    steps = spacing * np.array([1.0, 1.0, 1.3])
    shape, matrix = _grid(tuple(np.rint(extent[[1, 2, 0]] / steps).astype(int)), steps, axes)
    moving = Plan("Moving", shape, _shift(new_middle) @ matrix, np.eye(4))
    return fixed, moving, affine


def _plans_2d(spacing: float, rng: np.random.Generator) -> tuple[Plan, Plan, Matrix]:
    extent = (_HIGH - _LOW)[[1, 0]]
    shape, matrix = _grid(
        tuple(np.rint(extent / spacing).astype(int)), np.full(2, spacing), np.eye(2)
    )
    center = -(_LOW + _HIGH)[[1, 0]] / 2
    matrix = _shift(extent / 2) @ matrix
    fixed = Plan("Fixed", shape, matrix, _shift(center - extent / 2))
    steps = spacing * np.array([1.1, 0.95])
    shape, matrix = _grid(tuple(np.rint(extent / steps).astype(int)), steps, np.eye(2))
    angle = np.deg2rad(rng.uniform(6, 11) * rng.choice([-1, 1]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine = np.eye(3)
    affine[:2, :2] = turn @ np.diag(rng.uniform(0.94, 1.06, 2))
    new_middle = extent / 2 + rng.uniform(4, 8, 2) * rng.choice([-1, 1], 2)
    affine[:2, 2] = new_middle - affine[:2, :2] @ (extent / 2)
    moving = Plan("Moving", shape, _shift(extent / 2) @ matrix, np.eye(3))
    return fixed, moving, affine


def _grid(
    shape: tuple[int, ...], steps: NDArray[np.float64], axes: Matrix
) -> tuple[tuple[int, ...], Matrix]:
    """A grid centred on zero: its shape and its voxel-to-world matrix."""
    matrix = np.eye(len(shape) + 1)
    matrix[:-1, :-1] = axes * steps
    matrix[:-1, -1] = -matrix[:-1, :-1] @ ((np.array(shape) - 1) / 2)
    return tuple(int(n) for n in shape), matrix


def _shift(by: NDArray[np.float64]) -> Matrix:
    matrix = np.eye(len(by) + 1)
    matrix[:-1, -1] = by
    return matrix


def _rotation(degrees: NDArray[np.float64]) -> Matrix:
    """Rotation by Euler angles about x, then y, then z."""
    result = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result
