"""The numbers of a training as they come: appended in the engine thread, read by the window."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.charts.curve_points import Points

if TYPE_CHECKING:
    from napari_voxelmorph.engine.training.events import TrainingStep, Validation

#: Curves of the validation, by the name of their field.
SCORES = ("loss", "dice", "ndv", "similarity")


class TrainingHistory:
    """Curves of one run.  No step is lost, however rarely the window looks."""

    def __init__(self) -> None:
        self.loss = Points()
        self.scores = {name: Points() for name in SCORES}
        #: The latest validation, and the best, as plain values.
        self.latest: dict[str, Any] | None = None
        self.best: dict[str, Any] | None = None
        #: When something was added last; the window redraws when it has changed.
        self.version = 0

    def add(self, step: TrainingStep) -> None:
        """Take in what a step brought."""
        last = self.loss.arrays()[0][-1] if len(self.loss) else -1
        if step.terms and step.step > last:  # a validation brings no terms
            self.loss.add(step.step, step.loss)
        if step.validation is not None:
            self.add_validation(_values(step.validation))
        self.version += 1

    def add_validation(self, values: dict[str, Any]) -> None:
        """Take in the scores of a validation; the same one twice counts once."""
        if self.latest is not None and values["step"] <= self.latest["step"]:
            return
        for name, points in self.scores.items():
            if values.get(name) is not None:
                points.add(values["step"], values[name])
        self.latest = values
        if values.get("best") or self.best is None:
            self.best = values
        self.version += 1


def _values(validation: Validation) -> dict[str, Any]:
    return {f.name: getattr(validation, f.name) for f in fields(validation)}


def read_history(folder: Path, until: int) -> TrainingHistory:
    """The curves that a run folder holds, up to a step: what comes later will be done again."""
    from napari_voxelmorph.engine.training import run_folder

    history = TrainingHistory()
    for values in run_folder.read_history(folder):
        if values["step"] <= until:
            _take(history, values)
    return history


def _take(history: TrainingHistory, values: dict[str, Any]) -> None:
    found = values.get("validation")
    if isinstance(found, dict):
        history.add_validation({**found, "step": values["step"]})
    loss = values.get("loss")
    if isinstance(loss, int | float):
        history.loss.add(values["step"], float(loss))
        history.version += 1
