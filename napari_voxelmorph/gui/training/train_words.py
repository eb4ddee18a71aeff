"""What the Train dock says: on its button, beside its bar, about its best weights.  No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_voxelmorph.gui.register.readiness import Readiness

if TYPE_CHECKING:
    from napari_voxelmorph.engine.training.config import TrainingConfig
    from napari_voxelmorph.gui.training.training_choice import Found
    from napari_voxelmorph.gui.training.training_history import TrainingHistory
    from napari_voxelmorph.gui.training.training_jobs import Progress
    from napari_voxelmorph.gui.training.training_runs import LoadedRun


def readiness(
    missing: str,
    looking: bool,
    found: Found | None,
    loaded: LoadedRun | None,
    config: TrainingConfig,
) -> Readiness:
    """What the button says while nothing runs.

    Parameters
    ----------
    missing : str
        What must be chosen first; empty when nothing.
    found : Found or None
        What a look at the data found.
    loaded : LoadedRun or None
        The earlier training that is shown.
    config : TrainingConfig
        As the recipe says now: an earlier training may go on for longer.
    """
    if missing:
        return Readiness(missing, False)
    if loaded is not None and loaded.run.step >= config.steps:
        return Readiness("Finished – to go on, raise “Steps”", False)
    if looking:
        return Readiness("Looking at the scans…", False)
    if found is None or found.problem:
        return Readiness("Mend the data first (see above)", False)
    if config.segmentation_weight > 0 and not found.structures:
        return Readiness("The recipe needs segmentations: choose another", False)
    if config.landmark_weight > 0 and not found.landmarks:
        return Readiness("The recipe needs landmarks: give them in a table", False)
    if config.field_weight > 0 and not found.transforms:
        return Readiness("Known fields need an atlas and a table with transforms", False)
    if loaded is not None:
        return Readiness(f"Resume after step {loaded.run.step:,}", True)
    return Readiness("Start training", True)


def phase_in_words(progress: Progress) -> str:
    """What is done now: “Epoch 3 · step 480 of 4,000 · 0.42 s each”."""
    step = progress.step
    if step is None or not step.phase.startswith("Training"):
        return progress.phase
    pace = step.seconds_per_step
    each = f" · {pace:.2g} s each" if pace < 10 else f" · {pace:.0f} s each"
    return f"Epoch {step.epoch} · step {step.step:,} of {step.steps:,}{each if pace > 0 else ''}"


def best_in_words(history: TrainingHistory | None) -> str:
    """“Dice 0.812 (before 0.561) at step 1,200”; empty before the first validation."""
    best = None if history is None else history.best
    if best is None:
        return ""
    for key, name in (("dice", "Dice"), ("similarity", "similarity")):
        if best.get(key) is not None:
            was = best.get(f"{key}_before")
            before = "" if was is None else f" (before {was:.3f})"
            return f"{name} {best[key]:.3f}{before} at step {best['step']:,}"
    return f"step {best['step']:,}"


def time_left(seconds: float | None) -> str:
    """Words for a rest of time that may take days: ``"40 s left"``, ``"3 h 20 min left"``."""
    return "" if seconds is None else f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """A time in words, two figures at most."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if hours < 10 and minutes else f"{hours} h"
    return f"{hours / 24:.1f} days"
