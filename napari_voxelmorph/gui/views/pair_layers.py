"""The layers of one pair: made when first needed, refreshed in place, following the slice."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.ticker import Ticker
from napari_voxelmorph.gui.views.commit import labels_on_grid
from napari_voxelmorph.gui.views.display import contrast_limits
from napari_voxelmorph.gui.views.display_grid import DisplayGrid, Points
from napari_voxelmorph.gui.views.layer_stack import LayerStack
from napari_voxelmorph.gui.views.lazy import Scene, Stage
from napari_voxelmorph.gui.views.live_canvas import LiveCanvas
from napari_voxelmorph.gui.views.marks import arrows, near_slice
from napari_voxelmorph.gui.views.overlays import KINDS, LARGEST, make_layer
from napari_voxelmorph.gui.views.spreads import Spreads
from napari_voxelmorph.gui.views.view_settings import ViewSettings

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

#: Drawn for one slice, when it has come to rest.
MARKS = ("arrows", "fixed landmarks", "moved landmarks")
_REST = 80  # ms


@dataclass(frozen=True, eq=False)
class Extras:
    """What belongs to a pair beside its two images (landmarks in world mm of their scan)."""

    fixed_labels: Volume | None = None
    fixed_landmarks: Points | None = None
    moving_landmarks: Points | None = None


class PairLayers:
    """Owns the `LayerStack` of a pair and the `Stage` that its lazy layers read.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.stack = LayerStack(viewer)
        self.quick = LiveCanvas(viewer, self.stack)
        self.stage: Stage | None = None
        self.extras = Extras()
        self.arrow_spacing = 8.0
        self._marks_later = Ticker(viewer, self.redraw_marks, _REST)
        events = viewer.dims.events
        for event in (events.ndisplay, events.order, events.point):
            event.connect(self._on_scrolled, position="last")

    @property
    def scene(self) -> Scene:
        """What the lazy layers show now."""
        assert self.stage is not None
        return self.stage.scene

    def open(self, scene: Scene, extras: Extras) -> None:
        """Begin with a pair; its layers are made by `layer`."""
        self.stage = Stage(scene)
        self.extras = extras

    def layer(self, role: str) -> Layer:
        """The layer of a role, made when it is missing."""
        found = self.stack.get(role)
        if found is not None:
            return found
        assert self.stage is not None
        layer = make_layer(role, self.stage, self._data(role))
        if isinstance(layer, Labels):
            # napari fills outlined labels in 3-D, which is what we want, and warns of it.
            warnings.filterwarnings("ignore", message="Contours are not displayed during 3D")
            layer.contour = 1
        return self.stack.put(role, layer)

    def make(self, roles: tuple[str, ...]) -> None:
        """Make those of `roles` that are missing."""
        for role in roles:
            self.layer(role)

    def has_something(self, overlay: str) -> bool:
        """Whether there is anything to show for an overlay."""
        extras = self.extras
        landmarks = (extras.fixed_landmarks, extras.moving_landmarks)
        return {
            "fixed labels": extras.fixed_labels is not None,
            "moved labels": self.scene.moving_labels is not None,
            "landmarks": any(points is not None for points in landmarks),
            "uncertainty": self.scene.spreads.has(self.scene.registration),
            "label entropy": self._can_tell_labels(),
        }.get(overlay, True)

    def _can_tell_labels(self) -> bool:
        """Whether answers say of the segmentation where they differ, now or after sampling."""
        scene = self.scene
        if scene.moving_labels is None or not scene.spreads.has(scene.registration):
            return False
        return scene.registration.posterior is not None or scene.spreads.tells_labels(
            scene.registration
        )

    def set_shown(self, roles: tuple[str, ...], on: bool) -> None:
        """Open (making them when needed) or close the layers of an overlay."""
        if on:
            self.make(roles)
        for role in roles:
            self.stack.show(role, on)
        if on:
            self.redraw_marks()

    def to_middle(self) -> None:
        """Slice through the middle of the fixed image."""
        grid, dims = self.scene.grid, self.viewer.dims
        middle = np.array(grid.display_shape) // 2 * grid.scale + grid.translate
        extra = dims.ndim - grid.ndim
        dims.set_point(range(extra, dims.ndim), middle)

    def select_moved(self) -> None:
        """Select the moved image: its contrast is what one wants to set."""
        self.viewer.layers.selection = {self.layer("moved")}

    def show(self, registration: Registration, live: bool) -> None:
        """Swap the result and slice again; the rest waits while the result is passing."""
        self.change(registration=registration, coarse=live, _blocks={})
        if live:
            return
        self.redraw_marks()
        self.suit_colours()

    def pass_by(self, registration: Registration) -> None:
        """Swap the result for one of many that follow each other; painted as often as can be."""
        assert self.stage is not None
        passing = replace(self.stage.scene, registration=registration, coarse=True, _blocks={})
        self.stage.scene = passing
        if not self.quick.show():
            self.stack.refresh()

    def suit_colours(self) -> None:
        """Let the colours of the maps in mm reach as far as their values do."""
        for role, largest in LARGEST.items():
            layer: Any = self.stack.get(role)
            if layer is not None:
                top, now = largest(self.scene), layer.contrast_limits[1]
                # Results that differ a little are compared in the same colours.
                if not 0.5 * now <= top <= now:
                    layer.contrast_limits = (0.0, top)

    def change(self, **parts: Any) -> None:
        """Replace parts of the scene, in one assignment, and slice again."""
        assert self.stage is not None
        self.quick.leave(refresh=False)
        self.stage.scene = replace(self.stage.scene, **parts)
        for role, _ in self.stack:
            self.stack.rename(role, KINDS[role].name(self.scene))
        self.stack.refresh()

    def redraw_marks(self) -> None:
        """Arrows and landmarks for the slice in view."""
        if self.stage is None:
            return
        for role in MARKS:
            layer: Any = self.stack.get(role)
            if layer is not None and layer.visible:
                layer.data = self._data(role)

    def close_pair(self, show_hidden: bool) -> None:
        """Remove the layers."""
        self.quick.leave(refresh=False)
        self._marks_later.stop()
        self.stack.clear(show_hidden)
        self.stage, self.extras = None, Extras()

    def let_go(self) -> None:
        """Disconnect from the viewer."""
        self.quick.leave(refresh=False)
        self._marks_later.stop()
        self.stack.close()
        events = self.viewer.dims.events
        for event in (events.ndisplay, events.order, events.point):
            event.disconnect(self._on_scrolled)

    def _data(self, role: str) -> Any:
        """Plain data of the kinds that are not lazy."""
        scene, extras = self.scene, self.extras
        if role == "fixed":
            return scene.grid.to_display(scene.registration.fixed.data)
        if role == "fixed labels":
            assert extras.fixed_labels is not None
            return labels_on_grid(scene, extras.fixed_labels)
        if role == "arrows":
            return arrows(scene, self.arrow_spacing, self._slice_at())
        if role == "fixed landmarks":
            return self._near(extras.fixed_landmarks)
        if role == "moved landmarks" and extras.moving_landmarks is not None:
            return self._near(scene.registration.moving_to_fixed(extras.moving_landmarks))
        return np.zeros((0, scene.grid.ndim))

    def _near(self, points: Points | None) -> NDArray[Any]:
        none = np.zeros((0, self.scene.grid.ndim))
        return none if points is None else near_slice(self.scene, points, self._slice_at())

    def _slice_at(self) -> dict[int, int]:
        """Displayed axis of the fixed image -> slice index, for axes not on the screen."""
        grid, dims = self.scene.grid, self.viewer.dims
        extra = dims.ndim - grid.ndim
        return {
            axis - extra: round(
                (dims.point[axis] - grid.translate[axis - extra]) / grid.scale[axis - extra]
            )
            for axis in dims.not_displayed
            if axis >= extra
        }

    def _on_scrolled(self, event: Any = None) -> None:
        if any(self.stack.is_shown(role) for role in MARKS):
            self._marks_later.start()


def first_scene(
    registration: Registration,
    moving_labels: Volume | None,
    settings: ViewSettings,
    spreads: Spreads,
) -> Scene:
    """The scene of a pair that has just been opened."""
    return Scene(
        registration,
        DisplayGrid.of(registration.fixed),
        moving_labels,
        contrast_limits(registration.fixed.data),
        contrast_limits(registration.moving.data),
        settings.grid_spacing,
        settings.checker_size,
        settings.swipe,
        spreads=spreads,
        unsure_above=settings.unsure_above,
        hide_unsure=settings.hide_unsure,
    )
