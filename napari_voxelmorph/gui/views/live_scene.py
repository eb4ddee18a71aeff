"""The one place that reaches into napari's canvas: hides what it draws, and draws in its stead.

napari has no public way to its vispy scene; whoever calls this expects any error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import NDArray

from napari_voxelmorph.gui.background.pace import canvas_of
from napari_voxelmorph.gui.views.layer_colors import interpolation
from napari_voxelmorph.gui.views.live_sheets import Plan, Sheet


class LiveScene:
    """Pictures on the canvas of a window, in place of napari's own scene.

    Parameters
    ----------
    before : callable
        Called ahead of each painting.

    Raises
    ------
    Exception
        Whatever, where napari or vispy are not as they are known here.
    """

    def __init__(self, viewer: ViewerModel, before: Callable[[], None]) -> None:
        from napari_voxelmorph.gui.views.live_node import LiveNode

        canvas = viewer.window._qt_viewer.canvas
        self.scene = canvas._scene_canvas
        self._viewer, self._view, self._visuals = viewer, canvas.view, canvas.layer_to_visual
        self._node = LiveNode(before, self.scene.scene)
        self._node.visible = False
        self._shown: list[tuple[Sheet, Any]] = []

    @staticmethod
    def is_possible(viewer: ViewerModel) -> bool:
        """Whether there is a canvas that is seen."""
        canvas = canvas_of(viewer)
        return canvas is not None and bool(canvas.isVisible()) and bool(canvas.isValid())

    def open(self, plan: Plan) -> bool:
        """Draw by this plan from now on; False when there is nothing to draw."""
        from napari_voxelmorph.gui.views.live_node import on_corners, over_canvas

        sheets = self._sheets(plan)
        pictures = [picture for sheet in sheets if (picture := sheet.picture()) is not None]
        if not sheets or len(pictures) < len(sheets):
            return False
        under, over = self._below(plan.below), self._above(plan.above)
        if under is not None:
            over_canvas(under, self._node)
        for sheet, picture in zip(sheets, pictures, strict=True):
            node = on_corners(picture, sheet.corners, sheet.smooth, sheet.solid, self._node)
            self._shown.append((sheet, node))
        over_canvas(over, self._node)
        for number, child in enumerate(self._node.children):
            child.order = number
        self._view.visible, self._node.visible = False, True
        return True

    def draw(self) -> None:
        """Colour the present slices; for `before`."""
        for sheet, node in self._shown:
            picture = sheet.picture()
            if picture is not None:
                node.show(picture)

    def update(self) -> None:
        """Ask for a painting."""
        self.scene.update()

    def close(self) -> None:
        """Give the canvas back."""
        self._view.visible, self._node.visible = True, False
        for child in list(self._node.children):
            child.parent = None
        self._node.parent = None
        self._shown = []
        self.scene.update()

    # Inside -------------------------------------------------------------------------------

    def _sheets(self, plan: Plan) -> list[Sheet]:
        sheets: list[Sheet] = []
        for layer in plan.live:
            corners = self._corners(layer)
            if not sheets or not sheets[-1].takes(layer, corners):
                ground = not sheets and not plan.below
                smooth = interpolation(layer) == "linear"
                sheets.append(Sheet(self._viewer, corners, smooth, ground))
            sheets[-1].add(layer)
        return sheets

    def _corners(self, layer: Layer) -> NDArray[np.float64]:
        """Where the first pixel and the ends of the first and of the last row are drawn."""
        node = self._visuals[layer].node
        width, height = node.size
        to_canvas = node.transforms.get_transform("visual", "render")
        places = to_canvas.map(np.array([[0, 0], [width, 0], [width, height]], np.float64))
        return np.asarray(places[:, :2] / places[:, 3:])

    def _below(self, layers: Iterable[Layer]) -> NDArray[np.uint8] | None:
        """What is under the pictures, background included; None for the background alone."""
        shown = [self._visuals[layer].node for layer in layers]
        if not shown:
            return None
        with self._only(shown):
            picture = np.array(self.scene.render())
        picture[..., 3] = 255
        return picture

    def _above(self, layers: Iterable[Layer]) -> NDArray[np.uint8]:
        """What lies over the pictures, letters and bars included: premultiplied colours.

        Drawn on black and on white: where they differ, it is transparent.
        """
        shown = [self._visuals[layer].node for layer in layers]
        nodes = {visual.node for visual in self._visuals.values()}
        shown += [n for n in (*self._view.children, *self._view.scene.children) if n not in nodes]
        with self._only(shown):
            on_black, on_white = (self.scene.render(bgcolor=color) for color in ("black", "white"))
        picture = np.array(on_black)
        seen_through = (on_white[..., :3].astype(np.int16) - picture[..., :3]).min(axis=2)
        picture[..., 3] = 255 - np.clip(seen_through, 0, 255)
        return picture

    @contextmanager
    def _only(self, shown: list[Any]) -> Iterator[None]:
        """Hide all of napari's scene but these nodes."""
        nodes = [*self._view.children, *self._view.scene.children]
        kept = {id(self._view.scene), *map(id, shown)}
        hidden = [n for n in nodes if id(n) not in kept and n.visible]
        for node in hidden:
            node.visible = False
        try:
            yield
        finally:
            for node in hidden:
                with suppress(RuntimeError):
                    node.visible = True
