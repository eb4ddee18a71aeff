"""Show a structure in the views: fly to it, and let the others fade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_voxelmorph.engine.evaluation.structures import Voxel
from napari_voxelmorph.engine.review.rows import Row
from napari_voxelmorph.gui.qa.structure_colors import MAGENTA, ColorScale, colormap_of
from napari_voxelmorph.gui.ticker import Ticker

if TYPE_CHECKING:
    from napari_voxelmorph.gui.views.views import PairView

_AFTER_MS = 120
#: The middle of the canvas: a structure outside of it is brought there.
_MIDDLE = 0.8


class Looking:
    """Colours and places of the structures of one view.  Main thread only.

    Parameters
    ----------
    viewer : napari.Viewer or ViewerModel
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._view: PairView | None = None
        self._rows: Sequence[Row] = ()
        self._edited: Labels | None = None
        self._scale: ColorScale | None = None
        self._chosen: int | None = None
        self._hovered: int | None = None
        self._own: dict[int, tuple[Labels, Any]] = {}
        self._painted: tuple[Any, ...] = ()
        self._later = Ticker(viewer, self.paint, _AFTER_MS)

    def show(self, view: PairView | None, rows: Sequence[Row], edited: Labels | None) -> None:
        """The rows of another result, or of none."""
        self._view, self._rows, self._edited = view, rows, edited
        self._painted = ()
        if self._chosen not in {row.id for row in rows}:
            self._chosen = None
        self._hovered = None
        self.paint()

    def color_by(self, scale: ColorScale | None) -> None:
        """Colour the moved structures by a column."""
        self._scale = scale
        self.paint()

    def choose(self, row: Row | None) -> None:
        """Highlight a structure and fly to it."""
        self._chosen = None if row is None else row.id
        self._hovered = None
        if row is not None:
            self.fly_to(row.place)
        self._later.start()

    def hover(self, row: Row | None) -> None:
        """Highlight a structure for as long as the mouse rests on it."""
        self._hovered = None if row is None else row.id
        self._later.start()

    def fly_to(self, voxel: Voxel) -> None:
        """Slice through a voxel of the fixed image; the camera follows when it must."""
        view = self._view
        if not voxel or view is None or not view.has_pair:
            return
        grid, affine = view.layers.scene.grid, view.layers.scene.registration.fixed.affine
        if len(voxel) != grid.ndim:
            return
        world = affine[:-1, :-1] @ np.array(voxel, float) + affine[:-1, -1]
        at = grid.world_to_display(world)[0] * grid.scale + grid.translate
        dims = self._viewer.dims
        extra = dims.ndim - grid.ndim
        dims.set_point(range(extra, dims.ndim), at)
        if dims.ndisplay == 2 and not self._viewer.canvas.grid.enabled:
            self._bring_in(np.array([at[a - extra] for a in dims.displayed if a >= extra]))

    def _bring_in(self, at: Any) -> None:
        camera, size = self._viewer.scene.camera, np.array(self._viewer.canvas.size, float)
        if len(at) != 2 or camera.zoom <= 0:
            return
        away = np.abs(at - np.array(camera.center[-2:]))
        if (away > _MIDDLE * size / (2 * camera.zoom)).any():
            camera.center = (camera.center[0], *at)

    def paint(self) -> None:
        """Give the layers their colours; nothing happens when these are as they should be."""
        chosen = self._chosen if self._hovered is None else self._hovered
        wanted = (chosen, self._scale, id(self._rows), *map(id, self._layers()))
        if wanted == self._painted:
            return
        self._painted = wanted
        for layer in self._layers():
            plain = MAGENTA if layer is self._layer("fixed labels") else None
            scale = None if plain is not None else self._scale
            self._paint(layer, colormap_of(self._rows, scale, chosen, plain))

    def _layers(self) -> list[Labels]:
        found = (self._layer("fixed labels"), self._layer("moved labels"), self._edited)
        return [layer for layer in found if layer is not None and layer in self._viewer.layers]

    def _layer(self, role: str) -> Labels | None:
        layer = None if self._view is None else self._view.stack.get(role)
        return layer if isinstance(layer, Labels) else None

    def _paint(self, layer: Labels, colormap: Any) -> None:
        own = self._own.setdefault(id(layer), (layer, layer.colormap))[1]
        layer.colormap = own if colormap is None or not self._rows else colormap

    def let_go(self) -> None:
        """Give the layers their own colours back."""
        self._later.stop()
        for layer, own in self._own.values():
            if layer in self._viewer.layers:
                layer.colormap = own
        self._own = {}
