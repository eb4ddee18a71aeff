"""What a training consumes: pairs of images on one grid, drawn by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from napari_voxelmorph.engine.networks.space import Space


@dataclass(frozen=True, eq=False)
class Sample:
    """One pair on the model's grid; all tensors on the CPU.

    Parameters
    ----------
    moving, fixed : Tensor (1, *S), float32
        Intensities about 0 to 1.
    moving_labels, fixed_labels : Tensor (*S), int16, optional
        Indices into `PairSource.labels` plus one; 0 is background and every other id.
    moving_landmarks, fixed_landmarks : Tensor (P, D), float32, optional
        Matching points, voxels of the model's grid, array order.
    displacement : Tensor (D, *S), float32, optional
        The known displacement (voxels) of a supervised pair.
    names : (str, str)
        Of the moving and the fixed subject.
    """

    moving: Tensor
    fixed: Tensor
    moving_labels: Tensor | None = None
    fixed_labels: Tensor | None = None
    moving_landmarks: Tensor | None = None
    fixed_landmarks: Tensor | None = None
    displacement: Tensor | None = None
    names: tuple[str, str] = ("moving", "fixed")


class PairSource(Protocol):
    """Pairs for a training.  The same numbers give the same pair, in any process."""

    @property
    def space(self) -> Space:
        """Grid and intensities of the samples; they go into the model's card."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of every sample."""

    @property
    def labels(self) -> tuple[int, ...]:
        """Ids of the segmentations' structures; empty without segmentations."""

    @property
    def description(self) -> Mapping[str, Any]:
        """JSON values for the card and the run folder: where from, how many, licence."""

    @property
    def pairs_per_epoch(self) -> int:
        """Training pairs that are counted as one epoch."""

    def draw(self, number: int) -> Sample:
        """Training pair of this number (0, 1, 2, ...), augmented; depends on the number only."""

    @property
    def validation_count(self) -> int:
        """Held-out pairs; may be 0."""

    def validation(self, index: int) -> Sample:
        """A held-out pair, never augmented."""


@dataclass
class PairsInMemory:
    """Samples that are all at hand: for tests, and for pairs made on the spot."""

    training: list[Sample]
    held_out: list[Sample] = field(default_factory=list)
    labels: tuple[int, ...] = ()
    space: Space = field(default_factory=Space)
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.training[0].fixed.shape[1:])

    @property
    def pairs_per_epoch(self) -> int:
        return len(self.training)

    def draw(self, number: int) -> Sample:
        return self.training[number % len(self.training)]

    @property
    def validation_count(self) -> int:
        return len(self.held_out)

    def validation(self, index: int) -> Sample:
        return self.held_out[index]
