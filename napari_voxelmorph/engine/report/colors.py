"""Numbers to colours, without a plotting library.  Images are (H, W, 3) floats, 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

# Eleven stops of viridis, and a blue-white-red scale of equal lightness on both sides.
_VIRIDIS = np.array(
    [
        (68, 1, 84), (72, 36, 117), (65, 68, 135), (53, 95, 141), (42, 120, 142), (33, 145, 140),
        (34, 168, 132), (68, 191, 112), (122, 209, 81), (189, 223, 38), (253, 231, 37),
    ]
) / 255  # fmt: skip
_DIVERGING = np.array(
    [(20, 60, 140), (70, 130, 190), (160, 200, 225), (246, 246, 246), (244, 190, 160),
     (215, 105, 80), (150, 25, 45)]
) / 255  # fmt: skip

MAGENTA: Picture = np.array((1.0, 0.0, 1.0), dtype=np.float32)
GREEN: Picture = np.array((0.0, 1.0, 0.0), dtype=np.float32)
FOLD: Picture = np.array((1.0, 0.9, 0.0), dtype=np.float32)
LINE: Picture = np.array((1.0, 0.85, 0.3), dtype=np.float32)


def scale(values: NDArray[np.generic], colormap: str = "viridis") -> Picture:
    """Colours (..., 3) of values already scaled to 0 ... 1."""
    stops = _VIRIDIS if colormap == "viridis" else _DIVERGING
    at = np.clip(np.nan_to_num(np.asarray(values, np.float32)), 0, 1) * (len(stops) - 1)
    low = np.minimum(at.astype(np.intp), len(stops) - 2)
    part = (at - low)[..., None]
    return np.asarray(stops[low] * (1 - part) + stops[low + 1] * part, dtype=np.float32)


def grey(values: NDArray[np.generic]) -> Picture:
    """Grey levels (..., 3) of values already scaled to 0 ... 1."""
    levels = np.clip(np.nan_to_num(np.asarray(values, np.float32)), 0, 1)
    return np.repeat(levels[..., None], 3, axis=-1)


def overlay(fixed: NDArray[np.generic], moved: NDArray[np.generic]) -> Picture:
    """Fixed in magenta, moved in green: where they agree, the sum is grey."""
    return grey(fixed) * MAGENTA + grey(moved) * GREEN


def blend(below: Picture, above: Picture, cover: NDArray[np.generic]) -> Picture:
    """`above` over `below`, with opacity `cover` (H, W)."""
    share = np.clip(np.asarray(cover, np.float32), 0, 1)[..., None]
    return np.asarray(below * (1 - share) + above * share, dtype=np.float32)
