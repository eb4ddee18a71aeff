"""A random smooth deformation whose inverse is known: the ground truth of a phantom pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
PointsMm = NDArray[np.float64]

_STEPS = 6
_KNOTS_MM = 6.0


@dataclass(frozen=True, eq=False)
class Diffeomorphism:
    """A one-to-one map of the head's coordinates (mm), and its inverse.

    Both are stored as displacements in mm on one coarse grid, which is smooth enough
    for cubic interpolation.  `backward` *is* the map; `forward` inverts it numerically.

    Parameters
    ----------
    forward_mm, backward_mm : ndarray (D, *S)
        Spline coefficients of the displacements of the two directions.
    origin : ndarray (D,)
        Position (mm) of the first knot.
    """

    forward_mm: Field
    backward_mm: Field
    origin: NDArray[np.float64]

    def forward(self, points: PointsMm, rounds: int = 4) -> PointsMm:
        """Where points (N, D) go: solves ``backward(y) = x`` by fixed point, to about 1e-4 mm."""
        moved = points + self._at(self.forward_mm, points)
        for _ in range(rounds):
            moved = points - self._at(self.backward_mm, moved)
        return moved

    def backward(self, points: PointsMm) -> PointsMm:
        """Where points (N, D) come from; exact."""
        return points + self._at(self.backward_mm, points)

    def _at(self, coefficients: Field, points: PointsMm) -> PointsMm:
        index = ((points - self.origin) / _KNOTS_MM).T
        values = [
            ndimage.map_coordinates(c, index, order=3, mode="nearest", prefilter=False)
            for c in coefficients
        ]
        return np.stack(values, axis=-1).astype(np.float64)


def random_diffeomorphism(
    low: NDArray[np.float64], high: NDArray[np.float64], largest: float, rng: np.random.Generator
) -> Diffeomorphism:
    """Draw a deformation of the region from `low` to `high` (mm, shape (D,)).

    Smooth Gaussian noise of two scales (28 and 13 mm) is a velocity, scaled so that no
    displacement exceeds about `largest` mm, and integrated by scaling and squaring.
    """
    ndim = len(low)
    shape = tuple(int(n) for n in np.ceil((high - low) / _KNOTS_MM) + 1)
    velocity = np.zeros((ndim, *shape))
    for scale, share in ((28.0, 0.75), (13.0, 0.25)):
        for axis in range(ndim):
            noise = ndimage.gaussian_filter(rng.normal(size=shape), scale / _KNOTS_MM, mode="wrap")
            velocity[axis] += share * noise / noise.std()
    velocity *= largest / np.linalg.norm(velocity, axis=0).max()
    forward, backward = _integrate(velocity / _KNOTS_MM), _integrate(-velocity / _KNOTS_MM)
    return Diffeomorphism(_spline(forward * _KNOTS_MM), _spline(backward * _KNOTS_MM), low)


def _integrate(velocity: NDArray[Any]) -> NDArray[Any]:
    """Displacement (in knots) of the flow of a velocity over unit time."""
    grid = np.indices(velocity.shape[1:], dtype=np.float64)
    displacement: NDArray[Any] = velocity / 2**_STEPS
    for _ in range(_STEPS):
        at = grid + displacement
        displacement = displacement + np.stack(
            [ndimage.map_coordinates(c, at, order=1, mode="nearest") for c in displacement]
        )
    return displacement


def _spline(displacement: NDArray[np.float64]) -> Field:
    return np.stack(
        [ndimage.spline_filter(c, order=3, mode="nearest") for c in displacement]
    ).astype(np.float32)
