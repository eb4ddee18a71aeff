"""What a training tells whoever watches: window, command line, test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.network import RegistrationNetwork


@dataclass(frozen=True)
class Validation:
    """Scores of the present weights on the held-out pairs; NaN is never stored, None is.

    Parameters
    ----------
    step : int
    loss : float
    dice, dice_before : float or None
        Mean over pairs and structures, after and before; None without segmentations.
    ndv : float
        Non-diffeomorphic volume, percent of the grid, mean over pairs.
    similarity, similarity_before : float
        Mean over pairs; larger is better.
    best : bool
        No earlier validation was better.
    """

    step: int
    loss: float
    dice: float | None
    dice_before: float | None
    ndv: float
    similarity: float
    similarity_before: float
    best: bool


@dataclass(frozen=True)
class TrainingStep:
    """One update of the weights.

    Parameters
    ----------
    step, steps : int
        Updates done, and to do in all.
    epoch : int
    loss : float
    terms : mapping of str to float
        The weighted parts whose sum is `loss`.
    seconds_per_step : float
        Running median.
    seconds_left : float or None
    phase : str
        In plain words: "Training", "Validating 3/10", "Testing the precision".
    validation : Validation or None
        When this step ended with one.
    snapshot : callable
        A copy of the present (averaged) weights as a network on the CPU, for a preview;
        call it in the thread that iterates, between two steps.
    notes : tuple of str
        What the user should know of this run so far, such as that memory is short.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    seconds_per_step: float
    seconds_left: float | None
    phase: str
    snapshot: Callable[[], RegistrationNetwork]
    terms: Mapping[str, float] = field(default_factory=dict)
    validation: Validation | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainedModel:
    """What a training leaves: the best weights, with their card, and where they are."""

    network: RegistrationNetwork
    card: ModelCard
    folder: Path
