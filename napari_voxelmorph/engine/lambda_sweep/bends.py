"""Where lines between knots leave a known path, and what that means for the preview."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Bends:
    """A path over the slider, and how large an error each bend of it turned out to be.

    Parameters
    ----------
    places : (N,)
        Slider positions, rising.
    path : (N, K)
    """

    def __init__(self, places: Array, path: Array) -> None:
        self._places, self._path = places, path
        #: Error of the preview (voxels) per deviation of the path, where both were measured.
        self._ratios: list[float] = []

    def deviation(self, have: list[float]) -> Array:
        """Distance (N,) of the path from straight lines between its points at `have`."""
        knots = np.sort(np.asarray(have, np.float64))
        lines = np.empty_like(self._path)
        for k in range(self._path.shape[1]):
            at = np.interp(knots, self._places, self._path[:, k])
            lines[:, k] = np.interp(self._places, knots, at)
        return np.asarray(np.linalg.norm(self._path - lines, axis=1), np.float64)

    def worst_place(self, have: list[float], nearest: float) -> float | None:
        """Where the deviation is largest, not nearer than `nearest` to a knot."""
        free = np.abs(self._places[:, None] - np.asarray(have)[None]).min(axis=1) >= nearest
        if not free.any():
            return None
        return float(self._places[np.argmax(np.where(free, self.deviation(have), -1.0))])

    def learn(self, have: list[float], place: float, error: float) -> None:
        """The preview between the knots `have` was wrong by `error` at `place`."""
        deviation = float(np.interp(place, self._places, self.deviation(have)))
        if deviation > 1e-9:
            self._ratios.append(error / deviation)

    @property
    def known(self) -> bool:
        """Whether an error can be expected from a deviation."""
        return bool(self._ratios)

    def expected(self, have: list[float]) -> float:
        """The largest error to be expected with these knots."""
        return float(np.median(self._ratios) * self.deviation(have).max())
