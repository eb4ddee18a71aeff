"""A pair on the canvas: before, while it converges, and after."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from psygnal import Signal

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.gui.background.turns import Pieces
from napari_voxelmorph.gui.views.anatomy import PLANES, AnatomyView, Convention, Plane
from napari_voxelmorph.gui.views.display import default_start
from napari_voxelmorph.gui.views.display_grid import Points
from napari_voxelmorph.gui.views.modes import MAP_ROLES, MODES, Mode, ModeSwitch
from napari_voxelmorph.gui.views.pair_layers import Extras, PairLayers, first_scene
from napari_voxelmorph.gui.views.spreads import Spreads
from napari_voxelmorph.gui.views.view_settings import OVERLAYS, ViewSettings

if TYPE_CHECKING:  # torch comes with it, and takes seconds
    from napari_voxelmorph.engine.result import Registration

__all__ = ["MODES", "OVERLAYS", "PLANES", "PairView", "ViewSettings"]


class PairView:
    """Shows one pair in a viewer, lazily and in place.  Main thread only.

    Parameters
    ----------
    viewer : napari.Viewer or ViewerModel
    """

    changed = Signal()  # mode, overlays, plane, settings or pair: for whoever shows buttons

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.settings = ViewSettings()
        self.layers = PairLayers(viewer)
        self.stack = self.layers.stack
        self.modes = ModeSwitch(viewer, self.stack)
        self.anatomy = AnatomyView(viewer)
        self.spreads = Spreads()  # how uncertain the results are
        self._before: Registration | None = None
        self._result: Registration | None = None
        #: Whether the state before registration is held up for comparison (read only).
        self.showing_before = False
        self.stack.changed.connect(self.changed.emit)
        viewer.dims.events.order.connect(self._on_turned, position="last")
        viewer.layers.events.inserted.connect(self._on_layers, position="last")
        viewer.layers.events.removed.connect(self._on_layers, position="last")
        self.anatomy.rest()

    def show_pair(self, fixed: Volume, moving: Volume, *args: Any, **kwargs: Any) -> None:
        """Show the state before registration, here and now; parameters as in `showing`."""
        for _ in self.showing(fixed, moving, *args, **kwargs):
            pass

    def showing(
        self,
        fixed: Volume,
        moving: Volume,
        affine: Matrix | None = None,
        moving_labels: Volume | None = None,
        fixed_labels: Volume | None = None,
        moving_landmarks: Points | None = None,
        fixed_landmarks: Points | None = None,
    ) -> Pieces:
        """Show the state before registration, in the present mode and with the same overlays.

        Yields wherever the window may paint before more layers come.

        Parameters
        ----------
        affine : ndarray (D + 1, D + 1), optional
            Fixed world to moving world (mm).  Default: as the headers say or, when the two
            images hardly overlap there, middle on middle.
        moving_labels, fixed_labels : Volume, optional
        moving_landmarks, fixed_landmarks : ndarray (N, D), optional
            World mm of the scan that they belong to.
        """
        from napari_voxelmorph.engine.result import Registration

        mode, overlays = self.mode, [o for o in OVERLAYS if self.is_overlay_on(o)]
        self._take_away(show_hidden=False)
        affine = default_start(fixed, moving) if affine is None else affine
        self._before = Registration(fixed, moving, affine)
        scene = first_scene(self._before, moving_labels, self.settings, self.spreads)
        self.layers.open(scene, Extras(fixed_labels, fixed_landmarks, moving_landmarks))
        self.layers.layer("fixed")
        yield None
        self.stack.hide_others()
        self.anatomy.start(fixed.oriented, fixed.ndim)
        self._on_turned()
        self.layers.to_middle()
        yield None
        for role in ("moved", *self.modes.roles(mode)):
            self.layers.layer(role)
            yield None
        self.layers.select_moved()
        self.set_mode(mode)
        self.modes.fit()
        for overlay in overlays:
            yield None
            self.set_overlay(overlay, True)
        self.changed.emit()

    def back_to_start(self, affine: Matrix | None = None) -> None:
        """Show the pair in view as it lies before registration, in place."""
        from napari_voxelmorph.engine.result import Registration

        assert self._before is not None
        fixed, moving = self._before.fixed, self._before.moving
        start = default_start(fixed, moving) if affine is None else affine
        self._before, self._result = Registration(fixed, moving, start), None
        self.showing_before = False
        self.layers.layer("fixed")
        self.stack.hide_others()
        self.layers.show(self._before, live=False)
        self.set_mode(self.mode)
        self.modes.fit()

    def update(self, registration: Registration, live: bool = False) -> None:
        """Show another result of the same pair, in place.

        Parameters
        ----------
        live : bool
            A passing state: marks and ranges wait, whole volumes (3-D) may be at half resolution.
        """
        if not self.has_pair or self.layers.scene.grid.shape != registration.fixed.shape:
            self.show_pair(registration.fixed, registration.moving)
        self._result = registration
        if not self.showing_before:
            self.layers.show(registration, live)
        if not live:
            self.changed.emit()

    def accepts(self, registration: Registration) -> bool:
        """Whether this is another state of the pair whose result is shown.

        It is not when another pair is in view, or none, or the state before registration.
        """
        result = self._result
        if result is None or self.showing_before or not self.has_pair:
            return False
        return registration.fixed is result.fixed and registration.moving is result.moving

    def preview(self, registration: Registration) -> bool:
        """Show, in passing, another state of the pair whose result is shown; the result stays.

        Returns False, and shows nothing, when it is not accepted.
        """
        if not self.accepts(registration):
            return False
        self.layers.pass_by(registration)
        return True

    @property
    def registration(self) -> Registration | None:
        """The latest result given to `update`."""
        return self._result

    @property
    def has_pair(self) -> bool:
        """Whether a pair is shown."""
        return self.layers.stage is not None

    def show_before(self, on: bool) -> None:
        """Hold up the state before registration; `False` goes back to the result."""
        if self._before is None or self._result is None or on == self.showing_before:
            return
        self.showing_before = on
        self.layers.show(self._before if on else self._result, live=False)
        self.changed.emit()

    def clear(self) -> None:
        """Take the pair away; leave the viewer as it was found."""
        self._take_away(show_hidden=True)
        self.anatomy.rest()
        self.changed.emit()

    def close(self) -> None:
        """Let go of the viewer, for a window that is closing."""
        self.modes.flicker.stop()
        self.layers.let_go()
        self.viewer.dims.events.order.disconnect(self._on_turned)
        self.viewer.layers.events.inserted.disconnect(self._on_layers)
        self.viewer.layers.events.removed.disconnect(self._on_layers)

    # Modes, overlays, planes ------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """How the pair is shown."""
        return self.modes.mode

    def set_mode(self, mode: Mode) -> None:
        """Overlay, checkerboard, swipe, flicker, difference or side by side."""
        if mode not in MODES:
            raise InputError(f"set_mode: expected one of {', '.join(MODES)}, got {mode!r}.")
        if self.has_pair:
            self.layers.make(self.modes.roles(mode))
            self.modes.apply(mode)
        else:
            self.modes.mode = mode
        self.changed.emit()

    def can_show(self, overlay: str) -> bool:
        """Whether there is anything to show for an overlay."""
        return self.has_pair and self.layers.has_something(overlay)

    def is_overlay_on(self, overlay: str) -> bool:
        """Whether an overlay's layers are there, with their eyes open."""
        return any(self.stack.is_shown(role) for role in OVERLAYS[overlay])

    def set_overlay(self, overlay: str, on: bool) -> None:
        """Show or hide an overlay; nothing is shown when it has nothing to show."""
        if self.can_show(overlay) or (self.has_pair and not on):
            self.layers.set_shown(OVERLAYS[overlay], on)
            if overlay in MAP_ROLES:
                self.modes.one_map(overlay)
            self.modes.arrange()
        self.changed.emit()

    def configure(self, **settings: Any) -> None:
        """Change `ViewSettings` by name, for instance ``configure(grid_spacing=5)``."""
        self.settings = replace(self.settings, **settings)
        self.modes.flicker.interval = self.settings.flicker_interval
        self.layers.arrow_spacing = self.settings.arrow_spacing
        names = ("grid_spacing", "checker_size", "swipe", "unsure_above", "hide_unsure")
        if self.has_pair and any(name in settings for name in names):
            self.layers.change(**{name: getattr(self.settings, name) for name in names})
        if self.has_pair and "arrow_spacing" in settings:
            self.layers.redraw_marks()
        self.changed.emit()

    def fade(self, share: float) -> None:
        """0: only the fixed image, 1: only the moved one, 0.5: both in full (overlay mode)."""
        self.stack.set_opacity("fixed", 2 - 2 * share)
        self.stack.set_opacity("moved", 2 * share)

    def set_plane(self, plane: Plane) -> None:
        """Axial, coronal or sagittal slices."""
        self.viewer.dims.ndisplay = 2
        self.anatomy.set_plane(plane)
        self.modes.fit()  # napari fits all layers, far ones and hidden ones too
        self.changed.emit()

    def next_plane(self) -> None:
        """Axial → coronal → sagittal → axial."""
        self.set_plane(PLANES[(PLANES.index(self.anatomy.plane) + 1) % 3])

    def set_convention(self, convention: Convention) -> None:
        """Radiological or neurological; turns the camera, never the data."""
        self.anatomy.set_convention(convention)
        self._on_turned()
        self.changed.emit()

    # Inside -----------------------------------------------------------------------------

    def _take_away(self, show_hidden: bool) -> None:
        mode = self.mode
        self.modes.stop()
        self.modes.mode = mode
        self.layers.close_pair(show_hidden)
        self._before = self._result = None
        self.showing_before = False

    def _on_turned(self, event: Any = None) -> None:
        if self.has_pair:
            axis, end = self.anatomy.screen_left
            self.layers.change(swipe_axis=axis, swipe_from=end)
            self.changed.emit()

    def _on_layers(self, event: Any) -> None:
        if not self.has_pair:
            self.anatomy.rest()
        elif event.value not in [layer for _, layer in self.stack]:
            self.modes.arrange()
