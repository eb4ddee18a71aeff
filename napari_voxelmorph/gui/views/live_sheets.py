"""Which layers can be drawn as plain pictures while a result moves, and those pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import NDArray

from napari_voxelmorph.gui.views.layer_colors import (
    Colors,
    LayerColors,
    blend,
    can_color,
    interpolation,
    slice_of,
)
from napari_voxelmorph.gui.views.lazy import LazyArray

#: Blendings that a picture of transparent colours can stand for.
_OVER = ("translucent", "translucent_no_depth", "opaque")


@dataclass(frozen=True)
class Plan:
    """The visible layers, from the bottom: left to napari, drawn as pictures, left to napari."""

    below: tuple[Layer, ...]
    live: tuple[Layer, ...]
    above: tuple[Layer, ...]


def plan(viewer: ViewerModel) -> Plan | None:
    """What to draw as pictures: all that changes, and what lies between; None if impossible."""
    visible = [layer for layer in viewer.layers if layer.visible]
    changing = [i for i, layer in enumerate(visible) if isinstance(layer.data, LazyArray)]
    flat = viewer.dims.ndisplay == 2 and not any(viewer.dims.thickness)
    if not changing or not flat or viewer.canvas.grid.enabled:
        return None
    can = [can_color(layer) for layer in visible]
    first, last = changing[0], changing[-1]
    if not all(can[first : last + 1]):
        return None
    while first > 0 and can[first - 1]:
        first -= 1
    above = visible[last + 1 :]
    if any(str(layer.blending) not in _OVER for layer in above):
        return None
    return Plan(tuple(visible[:first]), tuple(visible[first : last + 1]), tuple(above))


class Sheet:
    """Neighbouring layers with their pixels in the same places: one picture.

    Attributes
    ----------
    corners : (3, 2) float64
        On the canvas: first pixel, end of the first row, end of the last row.
    smooth : bool
        Whether the canvas interpolates between pixels.
    ground : bool
        Whether nothing lies below; there napari adds to black, and not to the background.
    """

    def __init__(
        self, viewer: ViewerModel, corners: NDArray[Any], smooth: bool, ground: bool
    ) -> None:
        self._viewer, self._ground = viewer, ground
        self.corners, self.smooth = corners, smooth
        self._layers: list[tuple[Layer, LayerColors]] = []
        #: Whether something was added whose sum with what lies below must not pass 1 later on.
        self._glows = False
        self._start: Colors | None = None
        #: Layers that do not change are mixed once.
        self._started = 0

    def takes(self, layer: Layer, corners: NDArray[Any]) -> bool:
        """Whether a layer may join."""
        if self._glows and str(layer.blending) != "additive":
            return False  # what glows is first added to what is there, which ends at white
        smooth = interpolation(layer) == "linear"
        return smooth == self.smooth and np.allclose(corners, self.corners, atol=1e-6)

    def add(self, layer: Layer) -> None:
        """Draw this layer, too, over the others."""
        colors = LayerColors(layer)
        self._ground = self._ground and (bool(self._layers) or colors.additive)
        self._glows = colors.additive and not self._ground
        self._layers.append((layer, colors))

    @property
    def solid(self) -> bool:
        """Whether nothing that lies below can be seen through it."""
        return self._ground

    def picture(self) -> NDArray[np.uint8] | None:
        """(rows, columns, 4), premultiplied; None where the slice holds nothing."""
        mixed = None if self._start is None else self._start.copy()
        for number, (layer, colors) in enumerate(self._layers):
            if self._start is not None and number < self._started:
                continue
            pixels = slice_of(layer, self._viewer.dims.point, self._viewer.dims.displayed)
            if pixels is None:
                return None
            over = colors.of(pixels)
            if mixed is None:
                mixed = np.zeros_like(over)
                mixed[..., 3] = self._ground
            mixed = blend(mixed, over, colors)
            if number == self._started and not isinstance(layer.data, LazyArray):
                self._start, self._started = mixed.copy(), number + 1
        if mixed is None:
            return None
        mixed *= 255
        mixed += 0.5
        return mixed.astype(np.uint8)
