"""What is known of a result beyond its own metrics: overlap of labels, error of landmarks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.evaluation.metrics import dice, target_registration_error
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.landmarks import landmarks_of
from napari_voxelmorph.engine.result import Registration

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Stages:
    """One number (or one per structure) before, after pre-alignment, and at the end."""

    before: float
    aligned: float
    after: float


@dataclass(frozen=True)
class Findings:
    """Labels and landmarks of a pair, compared at each stage.

    Parameters
    ----------
    dice : Stages or None
        Mean over the structures that both segmentations hold.
    dice_per_label : mapping
        Label id -> Stages.
    landmark_error_mm : Stages or None
        Mean distance between where landmarks should be and where they are.
    landmark_errors_mm : list
        Distance at the end, one per landmark.
    landmarks_used : bool
        Whether landmarks took part in the registration: their error then says nothing of others.
    """

    dice: Stages | None = None
    dice_per_label: dict[int, Stages] = field(default_factory=dict)
    landmark_error_mm: Stages | None = None
    landmark_errors_mm: list[float] = field(default_factory=list)
    landmarks_used: bool = False

    @property
    def landmark_words(self) -> str:
        """How many landmarks were compared, and whether they are a test."""
        count = len(self.landmark_errors_mm)
        return f"{count} points{' used' if self.landmarks_used else ''}"


def stages_of(
    registration: Registration, start: Matrix | None = None
) -> tuple[Registration, Registration, Registration]:
    """The pair as it lay at the start, pre-aligned only, and as registered.

    `start` is fixed world to moving world, mm; default: as the headers place the pair.
    """
    start = np.eye(registration.ndim + 1) if start is None else start
    unmoved = replace(registration, affine=start, field=None)
    return unmoved, replace(registration, field=None), registration


def find(
    registration: Registration,
    labels: tuple[Volume, Volume] | None = None,
    landmarks: tuple[Points, Points] | None = None,
    start: Matrix | None = None,
) -> Findings:
    """Compare a result with segmentations and landmarks, each given as (moving, fixed).

    Landmarks are world millimetres, (N, D), paired by their order.  `start` is how the pair
    lay before (see `stages_of`).

    Raises
    ------
    InputError
        When there are not as many moving as fixed landmarks.
    """
    stages = stages_of(registration, start)
    found: dict[str, Any] = {}
    if labels is not None:
        scores = [dice(labels[1].data, stage.warp(labels[0], "nearest")) for stage in stages]
        per_label = {
            int(i): Stages(*(float(s.get(i, np.nan)) for s in scores))
            for i in sorted(scores[-1])
            if np.isfinite(scores[-1][i])
        }
        found["dice_per_label"] = per_label
        if per_label:
            found["dice"] = Stages(*(_mean(per_label, name) for name in _NAMES))
    if landmarks is not None:
        found |= _landmark_errors(stages, *landmarks)
        found["landmarks_used"] = landmarks_of(registration.provenance) is not None
    return Findings(**found)


_NAMES = ("before", "aligned", "after")


def _mean(per_label: dict[int, Stages], name: str) -> float:
    return float(np.nanmean([getattr(s, name) for s in per_label.values()]))


def _landmark_errors(
    stages: tuple[Registration, ...], moving: Points, fixed: Points
) -> dict[str, Any]:
    if not len(fixed) and not len(moving):
        return {}
    errors = [target_registration_error(stage, fixed, moving) for stage in stages]
    return {
        "landmark_error_mm": Stages(*(float(e.mean()) for e in errors)),
        "landmark_errors_mm": [float(e) for e in errors[-1]],
    }
