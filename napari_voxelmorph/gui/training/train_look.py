"""Looks at the data that are chosen in the Train dock, and measures what a training would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background.engine_thread import EngineThread
from napari_voxelmorph.gui.training.training_choice import DataChoice, Found
from napari_voxelmorph.gui.training.training_jobs import Progress, TrainingJobs

if TYPE_CHECKING:
    from napari_voxelmorph.gui.training.train_data_section import TrainDataSection
    from napari_voxelmorph.gui.training.train_recipe_section import TrainRecipeSection

LANES = ("look", "measure step")


class DataLook:
    """Asks the engine for a look; the newest wins, and `changed` is called when one has ended.

    Parameters
    ----------
    data, recipe
        Sections of the dock: what is chosen, and where the answers are shown.
    changed : callable
        Called when what is known has changed.
    """

    def __init__(
        self,
        engine: EngineThread,
        jobs: TrainingJobs,
        data: TrainDataSection,
        recipe: TrainRecipeSection,
        changed: Callable[[], None],
    ) -> None:
        self._engine, self._jobs = engine, jobs
        self._data, self._recipe = data, recipe
        self._changed = changed
        self._choice: DataChoice | None = None
        self._model = ""
        self.found: Found | None = None
        self.looking = False

    def look(self) -> None:
        """Look closer at the chosen data, unless it is the same as before."""
        if self._engine.works_on("train"):
            return
        try:
            choice = self._data.choice()
        except VoxelMorphError as error:
            self._choice, self.found = None, Found(problem=str(error))
            self._data.show_found(self.found)
            self._changed()
            return
        model = self._recipe.start_from.currentData() or ""
        if choice.same_as(self._choice) and model == self._model:
            self._changed()
            return
        self._choice, self._model, self.found = choice, model, None
        self.looking = choice.is_made and not self._data.missing
        if self.looking:
            self._data.show_looking()
            self._engine.submit(
                lambda: self._jobs.look(choice, model),
                lane="look",
                on_step=self._on_look_step,
                on_done=self._on_found,
                on_error=self._on_look_error,
            )
        else:
            self._engine.cancel("look")
            self._data.show_found(None)
        self._changed()

    def _on_look_step(self, progress: Progress, _: Any) -> None:
        self._data.show_looking(progress.phase)

    def _on_look_error(self, sentence: str, details: str) -> None:
        self._on_found(Found(problem=sentence))
        self._data.message.show_text("error", sentence, details)

    def _on_found(self, found: Found) -> None:
        self.looking, self.found = False, found
        self._data.show_found(found)
        self._changed()
        self.measure()

    def measure(self) -> None:
        """Estimate memory and time, by a step on a small grid."""
        found, recipe = self.found, self._recipe
        if self._engine.works_on("train") or found is None or found.problem or not found.shape:
            self._engine.cancel("measure step")
            recipe.show_needs("")
            return
        try:
            config = recipe.config()
        except VoxelMorphError:
            return
        recipe.show_needs("Memory and time: measuring…")
        self._engine.submit(
            lambda: self._jobs.measure(found, config),
            lane="measure step",
            on_done=recipe.show_needs,
            on_error=lambda sentence, _: recipe.show_needs(
                f"Memory and time: not known. {sentence}"
            ),
        )
