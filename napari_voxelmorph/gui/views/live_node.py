"""Pictures drawn on napari's canvas with next to no work for OpenGL: no colour tables, no limits.

What they show lies where it is told in the canvas's own coordinates (-1 to 1, y upwards).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy import gloo
from vispy.scene import Node
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

Picture = NDArray[np.uint8]
_ABOVE_ALL = 10_000
_VERTEX = """
attribute vec2 a_place;
attribute vec2 a_texel;
varying vec2 v_texel;
void main() { v_texel = a_texel; gl_Position = vec4(a_place, 0.0, 1.0); }
"""
_FRAGMENT = """
uniform sampler2D u_picture;
varying vec2 v_texel;
void main() { gl_FragColor = texture2D(u_picture, v_texel); }
"""
#: Two triangles over a unit square, (x, y).
_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)
_TILE = 64


class PictureVisual(Visual):
    """A picture of premultiplied colours over what has been drawn before.

    Parameters
    ----------
    picture : (rows, columns, 4) uint8
    places : (6 N, 2) float32
        Corners of the triangles on the canvas.
    texels : (6 N, 2) float32
        The same in the picture, (x, y), 0 to 1 from its first pixel.
    smooth : bool
        Linear interpolation between pixels.
    solid : bool
        Nothing shines through: there is nothing to mix.
    """

    def __init__(
        self,
        picture: Picture,
        places: NDArray[Any],
        texels: NDArray[Any],
        smooth: bool = False,
        solid: bool = False,
    ) -> None:
        Visual.__init__(self, vcode=_VERTEX, fcode=_FRAGMENT)
        self._picture = gloo.Texture2D(
            picture, interpolation="linear" if smooth else "nearest", wrapping="clamp_to_edge"
        )
        self.shared_program["u_picture"] = self._picture
        self.shared_program["a_place"] = gloo.VertexBuffer(places.astype(np.float32))
        self.shared_program["a_texel"] = gloo.VertexBuffer(texels.astype(np.float32))
        self._draw_mode = "triangles"
        self.set_gl_state(
            depth_test=False, cull_face=False, blend=not solid, blend_equation="func_add",
            blend_func=("one", "one_minus_src_alpha"),
        )  # fmt: skip
        self.freeze()

    def show(self, picture: Picture) -> None:
        """Another picture of the same size."""
        self._picture.set_data(picture)

    def _prepare_transforms(self, view: Any) -> None:
        """There are none."""

    def _compute_bounds(self, axis: int, view: Any) -> None:
        return None


PictureNode: Any = create_visual_node(PictureVisual)


def on_corners(
    picture: Picture, corners: NDArray[Any], smooth: bool, solid: bool, parent: Node
) -> Any:
    """A picture whose corners (first pixel, along its first row, opposite) lie at `corners`."""
    first, right, opposite = np.asarray(corners, np.float64)
    places = first + _SQUARE[:, :1] * (right - first) + _SQUARE[:, 1:] * (opposite - right)
    return PictureNode(picture, places, _SQUARE, smooth, solid, parent=parent)


def over_canvas(picture: Picture, parent: Node) -> Any | None:
    """A picture of the whole canvas, drawn only where it holds anything; None if nowhere."""
    height, width = picture.shape[:2]
    rows, columns = np.arange(0, height, _TILE), np.arange(0, width, _TILE)
    most = np.maximum.reduceat(np.maximum.reduceat(picture.max(axis=2), rows, 0), columns, 1)
    tiles = np.argwhere(most > 0)
    if not len(tiles):
        return None
    low = tiles[:, ::-1] * _TILE / (width, height)
    high = np.minimum((tiles[:, ::-1] + 1) * _TILE / (width, height), 1)
    texels = (low[:, None] + _SQUARE * (high - low)[:, None]).reshape(-1, 2)
    return PictureNode(picture, (texels * 2 - 1) * (1, -1), texels, parent=parent)


class LiveNode(Node):
    """Holds pictures; `before` is called when they are about to be drawn."""

    def __init__(self, before: Callable[[], None], parent: Node) -> None:
        super().__init__(parent=parent, name="voxelmorph live")
        self.order = _ABOVE_ALL
        self._before = before

    def draw(self) -> None:
        """Called by the canvas ahead of the pictures."""
        self._before()
