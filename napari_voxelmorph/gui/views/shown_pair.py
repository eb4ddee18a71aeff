"""What the window shows of a pair, and how to put the window back as it was."""

from __future__ import annotations

import zlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.gui.background.turns import Pieces
from napari_voxelmorph.gui.register.jobs import Outcome, Pair
from napari_voxelmorph.gui.views.views import PairView

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration


class ShownPair:
    """Drives a `PairView`, and remembers the window as it was before a run."""

    def __init__(self, view: PairView) -> None:
        self._view = view
        self._pair: Pair | None = None
        self._outcome: Outcome | None = None
        self._start: Matrix | None = None
        self._painted: tuple[int, ...] = ()
        self._saved: tuple[Any, ...] | None = None

    @property
    def outcome(self) -> Outcome | None:
        """The result on show, or None."""
        return self._outcome

    def show(self, pair: Pair | None, outcome: Outcome | None, start: Matrix | None = None) -> None:
        """Show a result; without one the pair as it lies before; without a pair nothing."""
        for _ in self.showing(pair, outcome, start):
            pass

    def showing(
        self, pair: Pair | None, outcome: Outcome | None, start: Matrix | None = None
    ) -> Pieces:
        """As `show`, in pieces."""
        if pair is None:
            self._view.clear()
        else:
            if not self._shows(pair):
                yield from self._show_pair(pair, start)
            elif outcome is None:
                self._view.back_to_start(start)
            if outcome is not None:
                self._view.update(outcome.registration)
        self._pair, self._outcome, self._start = pair, outcome, start

    def beginning(self, pair: Pair, start: Matrix | None) -> Pieces:
        """Make ready for the pictures of a run; a pair that is shown already stays as it is."""
        if not self._shows(pair):
            yield from self.showing(pair, None, start)

    def _shows(self, pair: Pair) -> bool:
        if self._pair is None or not self._view.has_pair or not same_pair(pair, self._pair):
            return False
        return _painted(pair) == self._painted  # segmentations may be edited in place

    def show_partial(self, partial: Registration) -> None:
        """Show an unfinished state."""
        self._view.update(partial, live=True)

    def save(self) -> None:
        """Remember what is shown and how, before a run changes it."""
        shown = self._pair, self._outcome, self._start
        self._saved = (*shown, _window_state(self._view.viewer))

    def restore(self) -> None:
        """Put everything back to what `save` saw."""
        if self._saved is None:
            return
        *shown, window = self._saved
        self._saved = None
        self.show(*shown)
        _put_back(self._view.viewer, window)

    def _show_pair(self, pair: Pair, start: Matrix | None) -> Pieces:
        self._painted = _painted(pair)
        yield from self._view.showing(
            pair.fixed,
            pair.moving,
            affine=start,
            moving_labels=pair.moving_labels,
            fixed_labels=pair.fixed_labels,
            moving_landmarks=pair.moving_landmarks,
            fixed_landmarks=pair.fixed_landmarks,
        )


def same_pair(first: Pair, second: Pair) -> bool:
    """Whether two pairs were taken from the same layers with nothing changed between."""
    return all(
        _same(getattr(first, part.name), getattr(second, part.name)) for part in fields(Pair)
    )


def same_images(first: Pair, second: Pair) -> bool:
    """Whether two pairs have the same moving and fixed image."""
    return _same(first.moving, second.moving) and _same(first.fixed, second.fixed)


def same_volume(first: Volume, second: Volume) -> bool:
    """Whether two volumes lie alike and share their voxels: taken from one layer."""
    return _same(first, second)


def _painted(pair: Pair) -> tuple[int, ...]:
    """A number per segmentation that changes when it is edited."""
    given = [v for v in (pair.moving_labels, pair.fixed_labels) if v is not None]
    return tuple(zlib.adler32(v.data.tobytes()) for v in given)


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Volume) and isinstance(second, Volume):
        one, other = (v.data.__array_interface__ for v in (first, second))
        keys = ("data", "shape", "strides", "typestr")
        return all(one[k] == other[k] for k in keys) and np.array_equal(first.affine, second.affine)
    if first is None or second is None:
        return first is second
    return isinstance(first, np.ndarray) and np.array_equal(first, second)


def _window_state(viewer: Any) -> dict[str, Any]:
    camera = viewer.scene.camera
    return {
        "visible": [(layer, layer.visible) for layer in viewer.layers],
        "selection": set(viewer.layers.selection),
        "order": viewer.dims.order,
        "ndisplay": viewer.dims.ndisplay,
        "point": viewer.dims.point,
        "camera": (camera.center, camera.zoom, camera.angles),
    }


def _put_back(viewer: Any, state: dict[str, Any]) -> None:
    layers = list(viewer.layers)
    for layer, visible in state["visible"]:
        if layer in layers:
            layer.visible = visible
    viewer.layers.selection = {layer for layer in state["selection"] if layer in layers}
    if len(state["order"]) != viewer.dims.ndim:
        return  # layers were added or taken away meanwhile: the old place means nothing
    viewer.dims.ndisplay = state["ndisplay"]
    viewer.dims.order = state["order"]
    viewer.dims.set_point(range(viewer.dims.ndim), state["point"])
    camera = viewer.scene.camera
    camera.center, camera.zoom, camera.angles = state["camera"]
