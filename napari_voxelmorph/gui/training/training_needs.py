"""Memory and time of a training in words, for the Train dock.  Heavy imports late."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from napari_voxelmorph.gui.training.train_words import duration

if TYPE_CHECKING:
    from napari_voxelmorph.engine.training.config import TrainingConfig
    from napari_voxelmorph.gui.training.training_choice import Found


def needs(found: Found, config: TrainingConfig) -> Generator[None, None, str]:
    """Measure a step, and say what the training will take."""
    from napari_voxelmorph.engine.device import describe_device, free_memory, pick_device
    from napari_voxelmorph.engine.training.estimate import measure

    measured = yield from measure(found.shape, config, found.structures)
    device = pick_device(config.device)
    time = duration(measured.seconds_per_step * config.steps)
    each = f"{measured.seconds_per_step:.2g}"
    words = (
        f"{describe_device(device)}: about {measured.bytes / 1e9:.1f} GB, {time} for "
        f"{config.steps:,} steps ({each} s each, measured)"
    )
    free = free_memory(device)
    if measured.bytes > free:
        words += (
            f"\n⚠ Only {free / 1e9:.1f} GB are free: raise the voxel size, or switch “Save memory” on "
            "in the settings of the recipe."
        )
    return words
