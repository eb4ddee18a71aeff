"""The progress of a training on stderr: one line that is rewritten, or a line now and then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_voxelmorph.cli.progress import Progress, duration

if TYPE_CHECKING:
    from napari_voxelmorph.engine.training.data.progress import PreparationStep
    from napari_voxelmorph.engine.training.events import TrainingStep, Validation


@dataclass(frozen=True)
class _Line:
    """What `Progress` shows."""

    phase: str
    fraction: float
    seconds_left: float | None


class TrainingProgress:
    """Shows the steps of a preparation and of a training; use it as a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._progress = Progress(quiet)
        self._quiet = quiet
        self._tenth = -1
        self._told = 0
        self.last: Validation | None = None

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.__exit__()

    def note(self, words: str) -> None:
        """A plain message."""
        self._progress.note(words)

    def prepare(self, step: PreparationStep) -> None:
        """One scan is being prepared."""
        words = f"{step.phase} ({step.subject})" if self._progress.live else step.phase
        self._progress(_Line(words, step.fraction, step.seconds_left))

    def train(self, step: TrainingStep) -> None:
        """One step of the training, with what is known of the network so far."""
        if step.validation is not None:
            self.last = step.validation
            self.note(scores_line(step.validation, step.steps))
        for words in step.notes[self._told :]:
            self.note(f"Note: {words}")
        self._told = len(step.notes)
        fraction = step.step / max(step.steps, 1)
        if self._progress.live:
            dice = self.last and self.last.dice
            known = f"  Dice {dice:.3f}" if dice is not None else ""
            words = f"step {step.step}/{step.steps}  loss {step.loss:.4f}{known}"
            if step.phase != "Training":
                words += f"  {step.phase}"
            self._progress(_Line(words, fraction, step.seconds_left))
        elif int(10 * fraction) > self._tenth and step.phase == "Training":
            self._tenth = int(10 * fraction)
            left = "" if step.seconds_left is None else f", {duration(step.seconds_left)} left"
            self.note(f"Step {step.step} of {step.steps}: loss {step.loss:.4f}{left}")


def scores_line(found: Validation, steps: int) -> str:
    """A validation in a line."""
    parts = [f"Validation at step {found.step} of {steps}: loss {found.loss:.4f}"]
    if found.dice is not None:
        before = "" if found.dice_before is None else f" (before {found.dice_before:.3f})"
        parts.append(f"Dice {found.dice:.3f}{before}")
    parts.append(f"folded {found.ndv:.3f} %")
    return ", ".join(parts) + (" - the best so far" if found.best else "")
