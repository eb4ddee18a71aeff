"""The colours of one slice of a layer, as napari's canvas draws them, computed here.

Colours are premultiplied: red, green and blue are already weighted by alpha.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_voxelmorph.gui.views.lazy import LazyArray

Colors = NDArray[np.float32]
#: Steps of a colour table, as many as napari's have.
_STEPS = 1024
#: Pixels of a slice; larger ones are left to napari.
_MOST_PIXELS = 400_000
_BLENDINGS = ("additive", "translucent", "translucent_no_depth", "opaque")


def can_color(layer: Layer) -> bool:
    """Whether `LayerColors` knows all that makes up a layer's look."""
    if not isinstance(layer, Image | Labels) or layer.multiscale or getattr(layer, "rgb", False):
        return False
    if not isinstance(layer.data, np.ndarray | LazyArray) or layer.ndim > 3:
        return False
    if str(layer.blending) not in _BLENDINGS or len(layer.experimental_clipping_planes):
        return False
    if isinstance(layer, Labels):
        return layer.contour in (0, 1)
    return interpolation(layer) in ("nearest", "linear")


def interpolation(layer: Layer) -> str:
    """How the canvas enlarges a layer's pixels."""
    return str(layer.interpolation2d) if isinstance(layer, Image) else "nearest"


def slice_of(layer: Layer, point: Any, displayed: tuple[int, ...]) -> NDArray[Any] | None:
    """The pixels (rows, columns) of a layer that are in view; None when there are none.

    Parameters
    ----------
    point : sequence of float
        `viewer.dims.point`.
    displayed : tuple of int
        `viewer.dims.displayed`: the axes that run down and to the right.
    """
    extra = len(point) - layer.ndim
    rows, columns = (axis - extra for axis in displayed)
    if rows < 0 or columns < 0:
        return None
    at = layer.world_to_data(point)
    key: list[Any] = [slice(None)] * layer.ndim
    for axis in set(range(layer.ndim)) - {rows, columns}:
        key[axis] = round(float(at[axis]))
        if not 0 <= key[axis] < layer.data.shape[axis]:
            return None
    if layer.data.shape[rows] * layer.data.shape[columns] > _MOST_PIXELS:
        return None
    block: NDArray[Any] = layer.data[tuple(key)]
    return block if rows < columns else block.T


class LayerColors:
    """Turns the pixels of one layer into colours; good until the layer's look changes."""

    def __init__(self, layer: Layer) -> None:
        self.opaque = str(layer.blending) == "opaque"
        self.additive = str(layer.blending) == "additive"
        self._layer = layer
        if isinstance(layer, Image):
            low, high = layer.contrast_limits
            self._low, self._per_step = np.float32(low), np.float32(_STEPS / (high - low))
            self._table = self._table_of(layer)

    def _table_of(self, layer: Image) -> Colors:
        """Premultiplied colours: at and below the limits, within, above, and for NaN."""
        within = ((np.arange(_STEPS) + 0.5) / _STEPS) ** layer.gamma
        places = np.concatenate([[0.0], within, [1.0, np.nan]])
        return self._weighted(np.asarray(layer.colormap.map(places)))

    def _weighted(self, colors: NDArray[Any]) -> Colors:
        """Premultiplied by alpha and by the layer's opacity."""
        alpha = np.ones_like(colors[..., 3:]) if self.opaque else colors[..., 3:]
        alpha = alpha * (1.0 if self.opaque else self._layer.opacity)
        out: Colors = np.concatenate([colors[..., :3] * alpha, alpha], -1).astype(np.float32)
        return out

    def of(self, pixels: NDArray[Any]) -> Colors:
        """(rows, columns) to (rows, columns, 4), 0 to 1."""
        if isinstance(self._layer, Labels):
            return self._of_labels(pixels)
        places = (pixels - self._low) * self._per_step
        np.ceil(np.clip(places, 0, _STEPS + 1, out=places), out=places)
        if np.isnan(places.sum()):
            places[np.isnan(places)] = _STEPS + 2
        return np.take(self._table, places.astype(np.int32), axis=0)

    def _of_labels(self, labels: NDArray[Any]) -> Colors:
        layer: Any = self._layer
        out = np.zeros((*labels.shape, 4), np.float32)
        shown = _borders(labels) if layer.contour else np.ones(labels.shape, bool)
        shown &= labels != layer.colormap.background_value
        where = np.nonzero(shown)
        out[where] = self._weighted(np.asarray(layer.colormap.map(labels[where])))
        return out


def _borders(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels with another label above, below or beside them."""
    out = np.zeros(labels.shape, bool)
    down, along = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    out[1:] |= down
    out[:-1] |= down
    out[:, 1:] |= along
    out[:, :-1] |= along
    return out


def blend(under: Colors, over: Colors, colors: LayerColors) -> Colors:
    """One layer's colours drawn over others, in place."""
    if colors.opaque:
        return over
    if colors.additive:
        under[..., :3] += over[..., :3]
        np.minimum(under, 1, out=under)
    else:
        under *= 1 - over[..., 3:]
        under += over
    return under
