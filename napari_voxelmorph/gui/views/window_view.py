"""What a view of a pair shows, as plain numbers; and a view that shows it again."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from napari.utils.colormaps import AVAILABLE_COLORMAPS

from napari_voxelmorph.engine.files.session_window import Look, WindowState
from napari_voxelmorph.gui.background.pace import canvas_of
from napari_voxelmorph.gui.views.modes import MODES
from napari_voxelmorph.gui.views.view_settings import OVERLAYS, ViewSettings
from napari_voxelmorph.gui.views.views import PairView

#: The user sets their contrast and colours; all others are drawn by the plugin.
_LOOKS = ("fixed", "moved")
#: What the fields of the window take.
_RANGES = {
    "grid_spacing": (1, 50),
    "arrow_spacing": (2, 50),
    "checker_size": (2, 200),
    "swipe": (0, 1),
    "flicker_interval": (100, 2000),
    "unsure_above": (0.1, 50),
    "hide_unsure": (0, 1),
}


def seen(view: PairView) -> WindowState | None:
    """What is shown now; None without a pair."""
    if not view.has_pair:
        return None
    viewer = view.viewer
    dims, camera, ndim = viewer.dims, viewer.scene.camera, view.layers.scene.grid.ndim
    extra = dims.ndim - ndim  # a 4-D layer of the user's
    return WindowState(
        mode=view.mode,
        overlays=tuple(name for name in OVERLAYS if view.is_overlay_on(name)),
        settings={name: float(value) for name, value in asdict(view.settings).items()},
        order=tuple(int(axis) - extra for axis in dims.order if axis >= extra),
        point=tuple(float(at) for at in dims.point[extra:]),
        ndisplay=int(dims.ndisplay),
        convention=view.anatomy.convention,
        center=_three(camera.center),
        angles=_three(camera.angles),
        zoom=float(camera.zoom),
        canvas=_canvas(viewer),
        looks={role: look for role in _LOOKS if (look := _look(view, role)) is not None},
    )


def show_again(view: PairView, state: WindowState) -> None:
    """Show the pair in view as it was shown; what this version does not know is left out."""
    if not view.has_pair:
        return
    view.configure(**_settings(state))
    if state.convention in ("radiological", "neurological"):
        view.set_convention(state.convention)  # type: ignore[arg-type]
    view.set_mode("overlay")  # in which the colours are the user's own
    for role, look in state.looks.items():
        _put_on(view.stack.get(role) if role in _LOOKS else None, look)
    for name in OVERLAYS:
        if view.is_overlay_on(name) != (name in state.overlays):
            view.set_overlay(name, name in state.overlays)
    view.set_mode(state.mode if state.mode in MODES else "overlay")
    _place(view, state)
    view.changed.emit()


def _place(view: PairView, state: WindowState) -> None:
    """Slice, plane and camera; the same part of the head fills the canvas, whatever its size."""
    viewer, ndim = view.viewer, view.layers.scene.grid.ndim
    dims, camera = viewer.dims, viewer.scene.camera
    extra = dims.ndim - ndim
    if sorted(state.order) != list(range(ndim)) or len(state.point) != ndim:
        return
    dims.ndisplay = state.ndisplay if ndim == 3 else 2
    dims.order = (*range(extra), *(axis + extra for axis in state.order))
    dims.set_point(range(extra, dims.ndim), state.point)
    then, now = state.canvas, _canvas(viewer)
    known = len(then) == 2 and min(*then, *now) > 0
    share = min(now[0] / then[0], now[1] / then[1]) if known else 1.0
    camera.center, camera.zoom, camera.angles = state.center, state.zoom * share, state.angles
    view.layers.redraw_marks()


def _settings(state: WindowState) -> dict[str, Any]:
    usual = asdict(ViewSettings())
    found = {}
    for name, (low, high) in _RANGES.items():
        value = min(max(state.settings.get(name, usual[name]), low), high)
        found[name] = type(usual[name])(value)
    return asdict(replace(ViewSettings(), **found))


def _look(view: PairView, role: str) -> Look | None:
    layer: Any = view.stack.get(role)
    if layer is None:
        return None
    low, high = (float(end) for end in layer.contrast_limits)
    colormap = view.modes.own_colour(role) or layer.colormap
    return Look(float(layer.opacity), low, high, float(layer.gamma), str(colormap.name))


def _put_on(layer: Any, look: Look) -> None:
    if layer is None:
        return
    layer.opacity, layer.gamma = look.opacity, look.gamma
    layer.contrast_limits = (look.low, look.high)
    if look.colormap in AVAILABLE_COLORMAPS:
        layer.colormap = look.colormap


def _canvas(viewer: Any) -> tuple[int, int]:
    canvas = canvas_of(viewer)
    return (0, 0) if canvas is None else (int(canvas.height()), int(canvas.width()))


def _three(values: Any) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    return (*(0.0,) * (3 - len(found)), *found)
