"""What the window shows of a pair, and how to put the window back as it was."""

from __future__ import annotations

from typing import Any

from napari_voxelmorph.engine.geometry.volume import Matrix
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.jobs import Outcome, Pair
from napari_voxelmorph.gui.views import PairView


class ShownPair:
    """Drives a `PairView`, and remembers the window as it was before a run."""

    def __init__(self, view: PairView) -> None:
        self._view = view
        self._pair: Pair | None = None
        self._outcome: Outcome | None = None
        self._saved: tuple[Pair | None, Outcome | None, dict[str, Any]] | None = None

    @property
    def outcome(self) -> Outcome | None:
        """The result on show, or None."""
        return self._outcome

    def show(self, pair: Pair | None, outcome: Outcome | None, start: Matrix | None = None) -> None:
        """Show a result; without one the pair as it lies before; without a pair nothing."""
        if pair is None:
            self._view.clear()
        else:
            if pair is not self._pair or outcome is None or not self._view.has_pair:
                self._show_pair(pair, start)
            if outcome is not None:
                self._view.update(outcome.registration)
        self._pair, self._outcome = pair, outcome

    def show_partial(self, partial: Registration) -> None:
        """Show an unfinished state."""
        self._view.update(partial, live=True)

    def save(self) -> None:
        """Remember what is shown and how, before a run changes it."""
        self._saved = (self._pair, self._outcome, _window_state(self._view.viewer))

    def restore(self) -> None:
        """Put everything back to what `save` saw."""
        if self._saved is None:
            return
        pair, outcome, window = self._saved
        self._saved = None
        self.show(pair, outcome)
        _put_back(self._view.viewer, window)

    def _show_pair(self, pair: Pair, start: Matrix | None) -> None:
        self._view.show_pair(
            pair.fixed,
            pair.moving,
            affine=start,
            moving_labels=pair.moving_labels,
            fixed_labels=pair.fixed_labels,
            moving_landmarks=pair.moving_landmarks,
            fixed_landmarks=pair.fixed_landmarks,
        )


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
