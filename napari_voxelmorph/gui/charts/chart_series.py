"""What a chart shows: curves, their colours, and how values become pixels.  No painting here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.gui.charts.curve_points import value_range

Array = NDArray[np.float64]
_NONE: Array = np.empty(0)


@dataclass(frozen=True)
class Series:
    """One curve.

    Parameters
    ----------
    name : str
        In the legend and beside the mouse.
    color : str
    x, y : ndarray (N,)
        x not falling.
    style : "line", "faint", "dots" or "level"
        A level is one horizontal line at its last y.
    right : bool
        Measured on the right axis.
    unit : str
        Behind the value beside the mouse.
    """

    name: str
    color: str
    x: Array = field(default_factory=lambda: _NONE)
    y: Array = field(default_factory=lambda: _NONE)
    style: Literal["line", "faint", "dots", "level"] = "line"
    right: bool = False
    unit: str = ""


@dataclass(frozen=True)
class ChartColors:
    """Of the axis and its words."""

    background: str = "#262930"
    lines: str = "#414851"
    text: str = "#d0d4da"


@dataclass(frozen=True)
class Scale:
    """From values to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: Any) -> Any:
        """Pixels of values."""
        low, high = self.low, self.high
        if self.log:
            values = np.log10(np.maximum(values, 1e-300))
            low, high = math.log10(low), math.log10(high)
        return self.start + (values - low) * ((self.end - self.start) / (high - low))

    def back(self, pixel: float) -> float:
        """The value at a pixel (linear axes)."""
        return self.low + (pixel - self.start) * (self.high - self.low) / (self.end - self.start)


def make_scales(
    filled: list[Series], box: tuple[float, ...], log: bool, until: float = 1.0
) -> tuple[Scale, ...]:
    """Across, up on the left, up on the right, for curves that have points.

    Parameters
    ----------
    box : (left, top, right, bottom)
        Pixels.
    log : bool
        Of the left axis, whose values must be above 0.
    until : float
        Steps that the axis holds at least.
    """
    x0, top, x1, bottom = box
    last = max(float(s.x[-1]) for s in filled)
    low, high = value_range([s.y for s in filled if not s.right])
    if log:
        left = Scale(low / 1.1, high * 1.1, bottom, top, True)
    else:
        room = 0.06 * (high - low)
        left = Scale(low - room, high + room, bottom, top)
    most = max((float(s.y.max()) for s in filled if s.right), default=1.0)
    right = Scale(0.0, max(1.1 * most, 1e-3), bottom, top)
    return Scale(0.0, max(last, until, 1.0), x0, x1), left, right


def nearest(series: Series, step: float) -> int:
    """Index of the point of a curve that is nearest to a step."""
    i = int(np.clip(np.searchsorted(series.x, step), 0, len(series.x) - 1))
    return i - 1 if i and abs(series.x[i - 1] - step) < abs(series.x[i] - step) else i
