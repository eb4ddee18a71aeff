"""Which way is left: planes, the direction of the camera, and the letters on the canvas.

Radiological and neurological display differ in the camera only; data are never flipped.
"""

from __future__ import annotations

from typing import Any, Literal

from napari.components import ViewerModel
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels

from napari_voxelmorph.engine.preferences import current
from napari_voxelmorph.gui.views.display import is_upright
from napari_voxelmorph.gui.views.display_grid import AXIS_LABELS

Plane = Literal["axial", "coronal", "sagittal"]
Convention = Literal["radiological", "neurological"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_OPPOSITE = {"S": "I", "A": "P", "R": "L"}
_SIDES = {
    "left": "middle_left",
    "right": "middle_right",
    "top": "top_center",
    "bottom": "bottom_center",
}
_PREFIX = "voxelmorph_"


def screen_letters(
    order: tuple[int, ...], orientation: tuple[Any, ...], ndisplay: int = 2
) -> dict[str, str]:
    """The anatomical letter at each side of a slice of an upright (S, A, R) volume.

    Parameters
    ----------
    order : tuple of int
        `viewer.dims.order`; our three axes are the last three dimensions.
    orientation : (depth, vertical, horizontal)
        `camera.orientation`.

    Returns
    -------
    dict
        left, right, top, bottom; empty when the slice plane is not one of ours (or in 3-D).
    """
    extra = len(order) - 3
    vertical, horizontal = (axis - extra for axis in order[-2:])
    if ndisplay != 2 or extra < 0 or vertical < 0 or horizontal < 0:
        return {}
    up, right = AXIS_LABELS[vertical], AXIS_LABELS[horizontal]
    letters = {"top": up, "bottom": _OPPOSITE[up], "right": right, "left": _OPPOSITE[right]}
    if str(orientation[1]) == "down":
        letters["top"], letters["bottom"] = letters["bottom"], letters["top"]
    if str(orientation[2]) == "left":
        letters["left"], letters["right"] = letters["right"], letters["left"]
    return letters


def camera_orientation(order: tuple[int, ...], convention: Convention) -> tuple[str, str, str]:
    """(depth, vertical, horizontal) that shows (S, A, R) axes upright and never mirrored.

    Radiological: the patient's right is at the left of the screen, and the front in a
    sagittal slice; in 3-D the depth direction follows, so that the head stays a real one.
    """
    extra = len(order) - 3
    ours = [axis - extra for axis in order if axis >= extra]
    even = tuple(ours) in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    horizontal = "left" if convention == "radiological" else "right"
    towards = even == (horizontal == "right")
    return ("towards" if towards else "away", "up", horizontal)


class AnatomyView:
    """Turns the camera and keeps the letters and the scale bar of one viewer right.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.convention: Convention = current().convention
        self._oriented = False
        self._ndim = 3
        self._camera_before: Any = None

    def start(self, oriented: bool, ndim: int) -> None:
        """Show a volume: camera, letters (when left and right are known), scale bar in mm."""
        self._oriented, self._ndim = oriented, ndim
        if self._camera_before is None:
            self._camera_before = self.viewer.scene.camera.orientation
            self._scale_bar_before = self.viewer.canvas.overlays.scale_bar.visible
            self.viewer.dims.events.order.connect(self._on_view_change)
            self.viewer.dims.events.ndisplay.connect(self._on_view_change)
            self.viewer.scene.camera.events.orientation.connect(self._on_camera_change)
            self.viewer.canvas.grid.events.enabled.connect(self._on_camera_change)
        self.viewer.canvas.overlays.scale_bar.visible = True
        self._on_view_change()

    def rest(self) -> None:
        """Without a pair: upright when every image is a scan of ours, else as it was found."""
        images = [la for la in self.viewer.layers if isinstance(la, Image | Labels)]
        if images and all(is_upright(layer) for layer in images):
            self.start(True, 3)
        else:
            self.stop()

    def stop(self) -> None:
        """Leave the viewer as it was found."""
        if self._camera_before is None:
            return
        self.viewer.dims.events.order.disconnect(self._on_view_change)
        self.viewer.dims.events.ndisplay.disconnect(self._on_view_change)
        self.viewer.scene.camera.events.orientation.disconnect(self._on_camera_change)
        self.viewer.canvas.grid.events.enabled.disconnect(self._on_camera_change)
        self.viewer.scene.camera.orientation = self._camera_before
        self.viewer.canvas.overlays.scale_bar.visible = self._scale_bar_before
        self._camera_before = None
        for side in _SIDES:
            self.viewer.canvas.overlays.pop(_PREFIX + side, None)

    def set_convention(self, convention: Convention) -> None:
        """Radiological (right of the patient at the left of the screen) or neurological."""
        self.convention = convention
        self._on_view_change()

    @property
    def plane(self) -> Plane:
        """The plane shown now, by the axis that the slider runs along."""
        if self._ndim != 3 or self.viewer.dims.ndim < 3:
            return "axial"
        axis = self.viewer.dims.order[-3] - (self.viewer.dims.ndim - 3)
        return PLANES[axis] if 0 <= axis < 3 else "axial"

    def set_plane(self, plane: Plane) -> None:
        """Show another plane; each axis keeps its slice."""
        ndim = self.viewer.dims.ndim
        if self._ndim != 3 or ndim < 3:
            return
        axis = PLANES.index(plane)
        order = (axis, *(a for a in range(3) if a != axis))
        extra = ndim - 3
        self.viewer.dims.order = (*range(extra), *(a + extra for a in order))

    @property
    def screen_left(self) -> tuple[int, Literal["start", "end"]]:
        """The displayed axis along the screen, and which of its ends is at the left."""
        ndim = self.viewer.dims.ndim
        axis = self.viewer.dims.order[-1] - (ndim - self._ndim)
        rightwards = str(self.viewer.scene.camera.orientation[2]) == "right"
        return max(axis, 0), "start" if rightwards else "end"

    def _on_view_change(self, event: Any = None) -> None:
        if self._camera_before is None:
            return
        if self._oriented and self._ndim == 3 and self.viewer.dims.ndim >= 3:
            self.viewer.scene.camera.orientation = camera_orientation(
                self.viewer.dims.order, self.convention
            )
        elif self._oriented and self._ndim == 2:
            self.viewer.scene.camera.orientation = ("towards", "up", "right")
        else:
            self.viewer.scene.camera.orientation = self._camera_before
        self._on_camera_change()

    def _on_camera_change(self, event: Any = None) -> None:
        letters = {}
        if self._oriented and self._ndim == 3:
            letters = screen_letters(
                self.viewer.dims.order,
                self.viewer.scene.camera.orientation,
                self.viewer.dims.ndisplay,
            )
        if self.viewer.canvas.grid.enabled:
            letters.pop("bottom", None)  # the scale bar needs the foot of a narrow cell
        for side, position in _SIDES.items():
            self._letter(side, position).visible = side in letters
            self._letter(side, position).text = letters.get(side, "")

    def _letter(self, side: str, position: str) -> TextOverlay:
        overlays = self.viewer.canvas.overlays
        if _PREFIX + side not in overlays:
            overlays[_PREFIX + side] = TextOverlay(
                position=position, font_size=14, color="yellow", box=False, gridded=True
            )
        return overlays[_PREFIX + side]
