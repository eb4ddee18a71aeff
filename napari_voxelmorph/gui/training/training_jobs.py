"""What the engine thread does for the Train dock.  No Qt here; heavy imports come late."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.background.preloading import preload_torch
from napari_voxelmorph.gui.training.training_choice import DataChoice, Found, write_choice
from napari_voxelmorph.gui.training.training_data import look, pairs
from napari_voxelmorph.gui.training.training_preview import Picture, PreviewMaker

if TYPE_CHECKING:
    from napari_voxelmorph.engine.training.config import TrainingConfig
    from napari_voxelmorph.engine.training.events import TrainedModel, TrainingStep
    from napari_voxelmorph.engine.training.samples import PairSource
    from napari_voxelmorph.gui.training.training_history import TrainingHistory


@dataclass(frozen=True)
class ModelName:
    """A model of the shelf, for a drop-down."""

    name: str
    title: str
    about: str


@dataclass(frozen=True)
class Task:
    """All that a training needs to know."""

    choice: DataChoice
    config: TrainingConfig
    folder: Path
    resume: bool = False


@dataclass(frozen=True)
class Progress:
    """A step for the window; `partial` makes its picture, in the engine thread."""

    phase: str
    fraction: float
    seconds_left: float | None
    step: TrainingStep | None = None
    partial: Callable[[], Picture | None] | None = None


class TrainingJobs:
    """Its methods run in the engine thread only.

    Parameters
    ----------
    preview : threading.Event
        Set while the window wants pictures of the held-out pair.
    """

    def __init__(self, preview: threading.Event) -> None:
        self._preview = preview

    def begin(self) -> tuple[list[str], list[ModelName]]:
        """Load the libraries; devices of this machine, best first, and models to start from."""
        preload_torch()
        from napari_voxelmorph.engine.device import available_devices

        return available_devices(), self.models()

    def models(self) -> list[ModelName]:
        """What there is on the shelf."""
        from napari_voxelmorph.engine.shelf import shelf

        found = []
        for entry in shelf():
            if entry.card is not None:
                card = entry.card
                about = ". ".join(t for t in (card.description, card.domain) if t)
                found.append(ModelName(entry.name, entry.name, about or entry.name))
        return found

    def look(self, choice: DataChoice, model: str) -> Generator[Progress, None, Found]:
        """Read every scan once and say what is there; `model`: that is trained further."""
        preload_torch()
        return (yield from _as_progress(look(choice, model)))

    def measure(self, found: Found, config: TrainingConfig) -> Generator[None, None, str]:
        """Memory and time of a training, in words, from a step on a small grid."""
        preload_torch()
        with fewer_threads():
            from napari_voxelmorph.gui.training.training_needs import needs

            return (yield from needs(found, config))

    def train(
        self, task: Task, history: TrainingHistory
    ) -> Generator[Progress, None, TrainedModel]:
        """Prepare the scans and train; every step goes into `history`, shown or not."""
        preload_torch()
        with fewer_threads():
            source = yield from _as_progress(pairs(task.choice, task.config))
            return (yield from self._steps(task, source, history))

    def _steps(
        self, task: Task, source: PairSource, history: TrainingHistory
    ) -> Generator[Progress, None, TrainedModel]:
        from napari_voxelmorph.engine.training.loop import train

        maker = PreviewMaker(source, self._preview)
        kept = task.resume
        steps = train(source, task.config, task.folder, resume=task.resume)
        with contextlib.closing(steps):
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
                if not kept:  # the folder is there now, and ours
                    write_choice(task.folder, task.choice)
                    kept = True
                history.add(step)
                done = step.step / max(step.steps, 1)
                picture = partial(maker.picture, step)
                yield Progress(step.phase, done, step.seconds_left, step, picture)


def _as_progress(steps: Generator[Any, None, Any]) -> Generator[Progress, None, Any]:
    """Pass the steps of a preparation on, in words."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            words = f"{step.phase}: {step.done + 1:,} of {step.total:,} · {step.subject}"
            yield Progress(words, step.fraction, step.seconds_left)


def save_to_shelf(
    folder: Path, name: str, licence: str, description: str, domain: str
) -> Callable[[], str]:
    """Return the job that puts the best weights of a run onto the shelf; it gives their name."""

    def work() -> str:
        from napari_voxelmorph.engine.training.saving import to_shelf

        entry = to_shelf(folder, name, licence=licence, description=description, domain=domain)
        return entry.name

    return work


@contextlib.contextmanager
def fewer_threads() -> Iterator[None]:
    """Leave a core to the window: torch's team waits for its slowest member, and so would it."""
    import torch

    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(max(1, min(before, (cores or 2) - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
