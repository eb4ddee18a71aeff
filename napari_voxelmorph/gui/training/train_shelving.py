"""From the best weights of a run to a model on the shelf, which every dock then hears of."""

from __future__ import annotations

from pathlib import Path

from napari_voxelmorph.gui.background.engine_thread import EngineThread
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.models.shelf_events import shelf_events
from napari_voxelmorph.gui.training.train_save_section import TrainSaveSection
from napari_voxelmorph.gui.training.train_words import best_in_words
from napari_voxelmorph.gui.training.training_history import TrainingHistory
from napari_voxelmorph.gui.training.training_jobs import save_to_shelf

SAVE_LANE = "shelf save"


class Shelving:
    """Says what would be saved, and saves it in the engine thread; also while a training runs."""

    def __init__(self, engine: EngineThread, section: TrainSaveSection, message: Message) -> None:
        self._engine, self._section, self._message = engine, section, message

    def show(self, folder: Path | None, history: TrainingHistory | None, running: bool) -> None:
        """Say what the best weights of a run reach, if there are any yet."""
        there = folder is not None and (folder / "best" / "model.json").is_file()
        words = best_in_words(history) or "the weights that were best" if there else ""
        self._section.show_best(words, running)

    def save(self, folder: Path | None) -> None:
        """Put the best weights of a run onto the shelf, with what the user says of them."""
        if folder is None:
            return
        label = self._section.label()
        self._message.clear()
        self._engine.submit(
            save_to_shelf(folder, label.name, label.licence, label.description, label.domain),
            lane=SAVE_LANE,
            on_done=self._on_saved,
            on_error=lambda sentence, details: self._message.show_text("error", sentence, details),
        )

    def _on_saved(self, name: str) -> None:
        self._message.show_text(
            "done", f"“{name}” is on the shelf: choose it in the Register dock."
        )
        shelf_events.changed.emit(name)
