"""Numbers behind a curve: a list that grows, thinned to the pixels there are, and axis ticks.

No Qt here.  The engine thread appends while the window reads: a reader takes the length
first, and what lies before it never changes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Points:
    """Pairs (x, y) with x not falling, and a running mean of y beside them.

    Parameters
    ----------
    memory : float
        Of the running mean: about this many points count.
    """

    def __init__(self, memory: float = 50.0) -> None:
        self._data = np.empty((3, 256))
        self._count = 0
        self._decay = 1.0 - 1.0 / max(memory, 1.0)
        self._sum = self._weight = 0.0

    def __len__(self) -> int:
        return self._count

    def add(self, x: float, y: float) -> None:
        """Append a point; one that is not finite is left out."""
        if not math.isfinite(y):
            return
        n = self._count
        if n == self._data.shape[1]:
            larger = np.empty((3, 2 * n))
            larger[:, :n] = self._data
            self._data = larger
        self._sum = self._decay * self._sum + y
        self._weight = self._decay * self._weight + 1.0
        self._data[:, n] = x, y, self._sum / self._weight
        self._count = n + 1

    def arrays(self) -> tuple[Array, Array, Array]:
        """x, y and the running mean of y, as they are now (views)."""
        n, data = self._count, self._data
        return data[0, :n], data[1, :n], data[2, :n]


def thinned(x: Array, y: Array, low: float, high: float, columns: int) -> tuple[Array, Array]:
    """What `columns` pixels can show of a curve: least and largest y of each of them.

    Parameters
    ----------
    x, y : ndarray (N,)
        x not falling.
    low, high : float
        The x at both ends of the axis.

    Returns
    -------
    (x, y)
        The points themselves when they are few, else two per column that holds any.
    """
    if len(x) <= 2 * columns or high <= low:
        return x, y
    edges = low + np.arange(columns) * ((high - low) / columns)
    starts = np.searchsorted(x, edges)
    starts[0] = 0
    starts = np.unique(starts[starts < len(x)])
    ends = np.stack([np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)], axis=1)
    # Falling curves are drawn downwards, so that neighbours join at their near ends.
    falls = y[starts] > y[np.append(starts[1:], len(y)) - 1]
    ends[falls] = ends[falls, ::-1]
    return np.repeat(x[starts], 2), ends.ravel()


#: Least height of an axis, as a share of the values on it.
_LEAST_SPAN = 0.005


def value_range(values: list[Array]) -> tuple[float, float]:
    """Least and largest of all, without the wildest hundredth of many (first steps, outliers)."""
    lows, highs = [], []
    for array in values:
        if len(array) > 200:
            step = max(1, len(array) // 5000)
            low, high = np.percentile(array[::step], (0.5, 99.0))
        elif len(array):
            low, high = array.min(), array.max()
        else:
            continue
        lows.append(float(low))
        highs.append(float(high))
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    largest = max(abs(low), abs(high))
    if high - low < 1e-9 * max(1.0, largest):
        room = max(largest, 1e-3) * 0.05
        return low - room, high + room
    # Numbers of four digits must tell the ticks apart, and noise is not to look like a change.
    room = max(0.0, _LEAST_SPAN * largest - (high - low)) / 2
    return low - room, high + room


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them."""
    span = high - low
    if span <= 0 or most < 1:
        return []
    rough = span / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten from `low` to `high`, with 2 and 5 times them where there is room."""
    if low <= 0 or high <= low:
        return []
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        found = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
        if 2 <= len(found) <= most:
            return found
    return found[:: max(1, math.ceil(len(found) / most))] if len(found) > 1 else [low, high]


def in_short(value: float, step: float = 0.0) -> str:
    """A number for an axis: ``"0.25"``, ``"12k"``, ``"3e-5"``.

    With the `step` between two ticks: as many decimals as tell neighbours apart.
    """
    size = abs(value)
    if size < 1e-12:
        return "0"
    if size >= 1e6:
        return f"{value / 1e6:g}M"
    if size >= 1e4:
        return f"{value / 1e3:g}k"
    if step >= 1e-4:
        return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"
    return f"{value:.3g}" if size >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")
