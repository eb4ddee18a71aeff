"""The hyperparameters of a step, and how they share out the loss (Hoopes et al., HyperMorph).

With λ and γ from 0 to 1 the loss is ``(1 - λ)(1 - γ) similarity + λ smoothness +
(1 - λ) γ segmentations``, times 2 (or 4 with γ), so that in the middle every term has the
weight that the recipe gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_voxelmorph.engine.networks.hyper import MIDDLE
from napari_voxelmorph.engine.training.config import Hyper, TrainingConfig

INPUTS: dict[Hyper, int] = {"none": 0, "smoothness": 1, "smoothness and segmentations": 2}
#: Share of steps at an end of the range: the ends are what the network must not miss.
_AT_ENDS = 0.2
#: A prior of no precision, or of endless one, has no divergence.
_SOFTEST, _STIFFEST = 0.02, 0.98
_STREAM = 7


@dataclass(frozen=True)
class Balance:
    """By what the terms of the loss are multiplied.

    Parameters
    ----------
    similarity, smoothness, segmentations : float
    data : float
        Landmarks, known fields, and the divergence from a prior, whose precision is multiplied
        by `precision` instead.
    """

    similarity: float = 1.0
    smoothness: float = 1.0
    segmentations: float = 1.0
    data: float = 1.0
    precision: float = 1.0


#: Every term has the weight that the recipe gives it.
EVEN = Balance()


def draw_condition(config: TrainingConfig, step: int) -> tuple[float, ...]:
    """The hyperparameters of a step: uniform, every fifth at an end of the range."""
    rng = np.random.default_rng((config.seed, _STREAM, step))
    return tuple(
        float(rng.integers(2)) if rng.random() < _AT_ENDS else float(rng.random())
        for _ in range(INPUTS[config.hyper])
    )


def balance(condition: tuple[float, ...]) -> Balance:
    """How the terms are weighted for these hyperparameters, (λ,) or (λ, γ)."""
    if not condition:
        return EVEN
    lam, gamma = (*condition, MIDDLE)[:2]
    soft = min(max(lam, _SOFTEST), _STIFFEST)
    return Balance(
        similarity=4 * (1 - lam) * (1 - gamma),
        smoothness=2 * lam,
        segmentations=4 * (1 - lam) * gamma,
        data=2 * (1 - lam),
        precision=soft / (1 - soft),
    )
