"""A closer look at the pair that was just chosen, while the user still looks at it himself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.preferences_page import follow_preferences
from napari_voxelmorph.gui.register.chosen_pair import as_placed, chosen_pair
from napari_voxelmorph.gui.register.history import History
from napari_voxelmorph.gui.register.jobs import Check, Outcome, Pair, RegistrationJobs, measured
from napari_voxelmorph.gui.views.shown_pair import same_images, same_pair

if TYPE_CHECKING:
    from napari_voxelmorph.gui.register.register_dock import RegisterDock


class CloserLook:
    """Warnings, memory, time and start matrix of a pair; and the load of the engine before.

    Parameters
    ----------
    show : callable
        Shows the present result, or this pair without one.
    """

    def __init__(
        self,
        dock: RegisterDock,
        jobs: RegistrationJobs,
        history: History,
        show: Callable[[Pair | None], None],
    ) -> None:
        self._dock, self._engine = dock, dock.engine
        self._jobs, self._history, self._show_present = jobs, history, show

    def warm_up(self) -> None:
        """Load the libraries while the user still looks for the scans."""
        follow_preferences(self._dock.viewer)
        self._engine.submit(
            self._jobs.warm_up,
            lane="warm-up",
            gives_way=True,
            on_done=self._on_warm,
            on_error=self._show_error,
        )

    def _on_warm(self, devices: list[str]) -> None:
        self._dock.method.set_devices(devices)
        self._dock.models.begin()

    def check(self) -> None:
        """Look closer at the pair: warnings, memory, time, start matrix."""
        moving, fixed = (self._dock.inputs.image(role) for role in ("moving", "fixed"))
        axes = {layer.ndim for layer in (moving, fixed) if layer is not None}
        self._dock.method.models.set_pair(axes.pop() if len(axes) == 1 else None)
        if moving is None or fixed is None or moving is fixed or moving.ndim != fixed.ndim:
            self._show_check(Check())
            return
        try:
            pair = chosen_pair(self._dock.inputs)
            config = self._dock.method.config()
            self._dock.method.show_start(pair, as_placed(self._dock.inputs))
            self._dock.method.start_matrix(None)
        except VoxelMorphError as error:
            self._show_check(Check(problem=str(error)))
            return
        self._engine.submit(
            lambda: self._jobs.check(pair, config),
            lane="check",
            on_done=self._show_check,
            on_error=self._show_error,
        )
        self._measure_again(pair)

    def _measure_again(self, pair: Pair) -> None:
        """Judge the present result by segmentations or landmarks that were chosen later."""
        outcome = self._history.present
        if outcome is None or self._engine.busy or not same_images(pair, outcome.pair):
            return
        if not same_pair(pair, outcome.pair):
            self.measure(replace(outcome, pair=pair))

    def measure(self, outcome: Outcome) -> None:
        """Judge a result by the segmentations and landmarks of its pair, while it is shown."""
        self._engine.submit(
            lambda: replace(
                measured(outcome.registration, outcome.pair, outcome.start),
                tuned_from=outcome.tuned_from,
            ),
            lane="measure",
            on_done=self._on_measured,
            on_error=self._show_error,
        )

    def _on_measured(self, outcome: Outcome) -> None:
        if not self._engine.busy and self._history.replace(outcome):
            self._show_present(outcome.pair)

    def _show_check(self, check: Check) -> None:
        message = self._dock.inputs.message
        if check.problem:
            message.show_text("error", check.problem)
        elif check.warnings:
            message.show_text("warning", _listed(check.warnings))
        else:
            message.clear()
        self._dock.method.models.show_warnings(check.about_model)
        self._dock.method.show_needs(check.device, check.needs)
        self._dock.show_readiness()

    def _show_error(self, sentence: str, details: str) -> None:
        self._dock.message.show_text("error", sentence, details)


def _listed(sentences: list[str]) -> str:
    return sentences[0] if len(sentences) == 1 else "\n".join(f"• {text}" for text in sentences)
