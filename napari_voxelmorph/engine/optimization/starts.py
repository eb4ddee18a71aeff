"""Where to start an alignment: positions and rotations worth a look, and the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.optimization.rigid_motion import (
    angle,
    nearby_rotations,
    quarter_turns,
)
from napari_voxelmorph.engine.optimization.sampling import Level

Float64 = NDArray[np.float64]

#: Rotations up to this angle (degrees) count as near the headers' orientation.
NEAR = 55.0
#: Farther rotations must beat the near ones by this factor: heads and bodies are nearly
#: symmetric, and headers are seldom wrong.
FAR_HANDICAP = 0.93


@dataclass(frozen=True)
class Content:
    """Where the foreground of an image lies: centroid (3,), covariance (3, 3), world mm."""

    center: Float64
    covariance: Float64
    middle: Float64  # of the field of view

    @property
    def radius(self) -> float:
        """Root mean square distance from the centroid."""
        return float(np.sqrt(np.trace(self.covariance)))

    @property
    def frame(self) -> Float64:
        """From content-sized units about the centroid to world mm, (4, 4)."""
        matrix = np.diag([self.radius] * 3 + [1.0])
        matrix[:3, 3] = self.center
        return matrix


def content_of(level: Level) -> Content:
    """First and second moments of the foreground."""
    voxels = np.argwhere(level.foreground)
    places = voxels @ level.affine[:3, :3].T + level.affine[:3, 3]
    center = places.mean(axis=0)
    spread = places - center
    cell = level.affine[:3, :3]
    covariance = spread.T @ spread / len(places) + 1e-3 * cell @ cell.T
    middle = cell @ ((np.array(level.image.shape) - 1) / 2) + level.affine[:3, 3]
    return Content(center, covariance, middle)


def candidate_maps(
    fixed: Content, moving: Content, start: str | Float64, ndim: int
) -> tuple[Float64, NDArray[np.bool_]]:
    """World maps (K, 4, 4) to try, and which of them lie far from the given orientation.

    Parameters
    ----------
    start : "auto", "header", "centers" or ndarray (4, 4)
        "auto" tries three positions (headers, middle on middle, content on content) and
        far rotations as well; the others keep their position.
    """
    base = start if isinstance(start, np.ndarray) else np.eye(4)
    near = nearby_rotations(ndim, NEAR, 15.0)
    maps = []
    named = start if isinstance(start, str) else "matrix"
    if named != "centers":
        goal = base[:3, :3] @ fixed.center + base[:3, 3]
        maps.append(_turns(base[:3, :3] @ near, fixed.center, goal))
        turns = base[:3, :3] @ nearby_rotations(ndim, NEAR, 25.0)
        for shift in _shifts(ndim, fixed.radius):
            maps.append(_turns(turns, fixed.center, goal + shift))
    if named in ("auto", "centers"):
        maps.append(_turns(near, fixed.middle, moving.middle))
    far = np.zeros((0, 3, 3))
    if named == "auto":
        maps.append(_turns(near, fixed.center, moving.center))
        far = np.concatenate([quarter_turns(ndim)[1:], _principal_rotations(fixed, moving, ndim)])
        if ndim == 2:
            far = np.concatenate([far, nearby_rotations(2, 180.0, 15.0)])
        far = far[np.array([angle(r) > NEAR for r in far], dtype=bool)]
        maps.append(_turns(far, fixed.center, moving.center))
    is_far = np.zeros(sum(map(len, maps)), bool)
    is_far[len(is_far) - len(far) :] = len(far) > 0
    return np.concatenate(maps), is_far


def _shifts(ndim: int, radius: float) -> Float64:
    """Displacements (K, 3) of up to about 0.6 of the content's radius, without the zero one."""
    steps = [[-1, 0, 1] if axis >= 3 - ndim else [0] for axis in range(3)]
    return np.array([s for s in product(*steps) if any(s)]) * 0.35 * radius


def _turns(rotations: Float64, pivot: Float64, goal: Float64) -> Float64:
    """Maps (K, 4, 4) that turn about `pivot` and take it to `goal`."""
    maps = np.tile(np.eye(4), (len(rotations), 1, 1))
    maps[:, :3, :3] = rotations
    maps[:, :3, 3] = goal - rotations @ pivot
    return maps


def _principal_rotations(fixed: Content, moving: Content, ndim: int) -> Float64:
    """Rotations (K, 3, 3) of principal axes to principal axes; none when these are ambiguous."""
    low = 3 - ndim
    frames = []
    for content in (fixed, moving):
        lengths, axes = np.linalg.eigh(content.covariance[low:, low:])
        if (lengths[1:] / lengths[:-1]).min() < 1.3:
            return np.zeros((0, 3, 3))
        frames.append(axes)
    found = []
    for turn in quarter_turns(ndim):
        signs = np.diag(turn)[low:]
        if np.abs(signs).min() < 1:
            continue
        rotation = np.eye(3)
        rotation[low:, low:] = frames[1] @ np.diag(signs) @ frames[0].T
        if np.linalg.det(rotation) < 0:
            rotation[low:, low:] = frames[1] @ np.diag([*signs[:-1], -signs[-1]]) @ frames[0].T
        found.append(rotation)
    return np.stack(found)


def best_apart(
    maps: Float64, ranks: Float64, pivot: Float64, distance: float, keep: int
) -> list[int]:
    """Indices of the best maps, each unlike the better ones (by 20 degrees or `distance` mm)."""
    chosen: list[int] = []
    for index in np.argsort(-ranks, kind="stable"):
        if len(chosen) == keep:
            break
        here = maps[index]
        if all(
            angle(np.linalg.solve(maps[other][:3, :3], here[:3, :3])) > 20.0
            or np.linalg.norm((here - maps[other])[:3] @ [*pivot, 1.0]) > distance
            for other in chosen
        ):
            chosen.append(int(index))
    return chosen
