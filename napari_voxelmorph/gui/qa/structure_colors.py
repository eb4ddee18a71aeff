"""Colours of structures: their own, or how bad they are in one column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_voxelmorph.engine.review.rows import BY_KEY, Row

Rgba = tuple[float, float, float, float]
#: Good to bad; told apart with any kind of colour vision, and on grey.
_STOPS = np.array([(0.25, 0.62, 1.0), (0.95, 0.95, 0.85), (1.0, 0.36, 0.1)])
_UNKNOWN: Rgba = (0.6, 0.6, 0.6, 1.0)
#: Value that is quite good and value that is quite bad, where these do not depend on the case.
_ENDS = {
    "dice": (0.9, 0.3), "hd95": (1.0, 8.0), "assd": (0.3, 3.0), "difference": (0.0, 50.0),
    "growth": (0.0, math.log(2)), "edge": (1.0, 0.5), "entropy": (0.0, 1.0),
    "uncertainty": (0.0, 2.0), "confidence": (1.0, 0.5),
}  # fmt: skip
#: How much is left of the structures that are not looked at.
_DIM = 0.15
MAGENTA: Rgba = (1.0, 0.0, 1.0, 1.0)
LIME: Rgba = (0.2, 1.0, 0.2, 1.0)


@dataclass(frozen=True)
class ColorScale:
    """Colours for the numbers of one column.

    Parameters
    ----------
    key : str
        The column.
    good, bad : float
        Values at the two ends; beyond them the colour stays.
    """

    key: str
    good: float
    bad: float

    @classmethod
    def of(cls, key: str, rows: Sequence[Row]) -> ColorScale:
        """The scale of a column; sizes go from the smallest to the largest structure."""
        if key in _ENDS:
            return cls(key, *_ENDS[key])
        values = [row.value(key) for row in rows]
        known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
        return cls(key, min(known), max(known))

    def color(self, value: float) -> Rgba:
        """Colour of a value."""
        best = BY_KEY[self.key].best
        if best == "zero":
            value = abs(value)
        elif best == "one":
            value = abs(math.log(value)) if value > 0 else math.nan
        if not math.isfinite(value):
            return _UNKNOWN
        span = self.bad - self.good
        at = float(np.clip((value - self.good) / span if span else 0.0, 0, 1)) * (len(_STOPS) - 1)
        low = min(int(at), len(_STOPS) - 2)
        red, green, blue = _STOPS[low] * (1 - at + low) + _STOPS[low + 1] * (at - low)
        return float(red), float(green), float(blue), 1.0


def colormap_of(
    rows: Sequence[Row], scale: ColorScale | None, chosen: int | None, plain: Rgba | None = None
) -> DirectLabelColormap | None:
    """Colours for a Labels layer; None when the layer's own will do.

    Parameters
    ----------
    scale : ColorScale, optional
        Colour by a column.
    chosen : int, optional
        The structure that is looked at; all others fade.
    plain : rgba, optional
        One colour for all (the fixed segmentation).
    """
    has_own = any(row.color is not None for row in rows)
    if scale is None and chosen is None and plain is None and not has_own:
        return None
    colors: dict[int | None, Any] = {None: (0.5, 0.5, 0.5, 0.5), 0: (0.0, 0.0, 0.0, 0.0)}
    for row in rows:
        red, green, blue, _ = plain or _own_color(row, scale)
        faded = chosen is not None and row.id != chosen
        colors[row.id] = (red, green, blue, _DIM if faded else 1.0)
    if chosen is not None and plain is None and scale is None:
        colors[chosen] = LIME
    return DirectLabelColormap(color_dict=colors)


def _own_color(row: Row, scale: ColorScale | None) -> Rgba:
    if scale is not None:
        return scale.color(row.value(scale.key))
    if row.color is not None:
        red, green, blue = (c / 255 for c in row.color)
        return red, green, blue, 1.0
    # Neighbouring ids get hues far apart: steps of the golden ratio around the circle.
    hue = (row.id * 0.61803398875) % 1
    wheel = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    red, green, blue = (0.35 + 0.65 * float(c) for c in wheel)
    return red, green, blue, 1.0
