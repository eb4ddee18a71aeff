"""The learning rate of every step."""

from __future__ import annotations

import math

from napari_voxelmorph.engine.training.config import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Rate of update number `step` (1, 2, ...): a linear rise, then constant or half a cosine.

    The cosine (Loshchilov and Hutter, ICLR 2017, without restarts) ends at a hundredth.
    """
    if step <= config.warm_up:
        return config.learning_rate * step / config.warm_up
    if config.decay == "constant":
        return config.learning_rate
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
