"""Measures the spread of the result in view, in the engine thread, behind everything else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background.engine_thread import EngineThread
from napari_voxelmorph.gui.views.views import PairView

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.uncertainty.spread import Spread

    Masks = tuple[Volume | None, Volume | None]

LANE = "uncertainty"


def _no_masks() -> Masks:
    return None, None


class SpreadWork:
    """Draws samples once the map is shown; perturbs when it is asked to.

    A new run, another result or pair, and the end of the window stop it.

    Parameters
    ----------
    view : PairView
    engine : EngineThread
    masks : callable
        (moving, fixed) that the result in view was registered with.
    """

    changed = Signal()

    def __init__(
        self, view: PairView, engine: EngineThread, masks: Callable[[], Masks] = _no_masks
    ) -> None:
        self._view, self._engine, self._masks = view, engine, masks
        self._of: Registration | None = None
        self._posteriors: WeakKeyDictionary[Registration, bool] = WeakKeyDictionary()
        #: What is being done, or why it could not be; for the window.
        self.progress, self.problem = "", ""
        view.changed.connect(self.consider)
        engine.busy_changed.connect(self._on_busy)

    @property
    def working(self) -> bool:
        """Whether something is being measured."""
        return self._of is not None

    @property
    def knows(self) -> bool:
        """Whether there is anything to show of the result in view."""
        return self._view.spreads.has(self._view.registration)

    @property
    def spread(self) -> Spread | None:
        """How uncertain the result in view is, as far as it is known."""
        return self._view.spreads.of(self._view.registration)

    @property
    def is_shown(self) -> bool:
        """Whether the picture shows anything of the uncertainty."""
        view = self._view
        uncertain = view.settings.hide_unsure or view.is_overlay_on("uncertainty")
        return view.has_pair and (uncertain or self.is_entropy_shown)

    @property
    def is_entropy_shown(self) -> bool:
        """Whether the picture shows where the answers differ about the segmentation."""
        return self._view.has_pair and self._view.is_overlay_on("label entropy")

    def consider(self) -> None:
        """Stop what is no longer asked for, and begin what is."""
        result = self._view.registration
        if self._of is not None and self._of is not result:
            self._drop()
        spreads = self._view.spreads
        wanted = self.is_shown and not spreads.is_measured(result)
        if self.is_entropy_shown and self._view.layers.scene.moving_labels is not None:
            # It may have been measured before there was a segmentation.
            wanted = wanted or not (self.working or self.problem or spreads.tells_labels(result))
        if wanted and result is not None and self._has_posterior(result):
            self.estimate()
        self.changed.emit()

    def _has_posterior(self, result: Registration) -> bool:
        """Whether samples can be drawn, be it after another pass of the model; looked up once."""
        if result not in self._posteriors:
            from napari_voxelmorph.engine.uncertainty.measuring import has_posterior

            try:
                self._posteriors[result] = has_posterior(result)
            except VoxelMorphError:  # the model is gone; `estimate` says so to who asks
                self._posteriors[result] = False
        return self._posteriors[result]

    def estimate(self) -> None:
        """Measure the result in view, whatever way there is."""
        result = self._view.registration
        if result is None or result.field is None or self._engine.busy or self.working:
            return
        self._begin(result)

    def leave(self) -> None:
        """The dock is gone: ask and answer nothing any more."""
        self._view.changed.disconnect(self.consider, missing_ok=True)
        with suppress(RuntimeError, TypeError):  # the window is gone, and its signals
            self._engine.busy_changed.disconnect(self._on_busy)
        self._engine.forget(LANE)

    def _drop(self) -> None:
        self._engine.forget(LANE)
        self._of, self.progress, self.problem = None, "", ""

    def _begin(self, result: Registration) -> None:
        from napari_voxelmorph.gui.register.spread_job import measured_spread

        labels, masks = self._view.layers.scene.moving_labels, self._masks()
        self._of = result
        self.progress, self.problem = "Measuring the spread…", ""
        self._engine.submit(
            lambda: measured_spread(result, labels, masks),
            lane=LANE,
            gives_way=1,
            on_step=self._on_step,
            on_done=lambda spread: self._on_done(result, spread),
            on_error=lambda sentence, details: self._end("", sentence),
        )
        self.changed.emit()

    def _on_step(self, step: Any, partial: Spread | None) -> None:
        self.progress = f"Measuring the spread: {step.words}…"
        self.changed.emit()

    def _on_done(self, result: Registration, spread: Spread) -> None:
        view = self._view
        view.spreads.put(result, spread)
        self._end("", "")
        if view.has_pair and view.layers.scene.registration is result:
            view.layers.change()
            view.layers.suit_colours()
        view.changed.emit()

    def _end(self, progress: str, problem: str) -> None:
        if problem and self._of is not None:
            self._posteriors[self._of] = False  # not again and again
        self._of = None
        self.progress, self.problem = progress, problem
        self.changed.emit()

    def _on_busy(self, busy: bool) -> None:
        if busy and self.working:
            self._drop()
        self.consider()
