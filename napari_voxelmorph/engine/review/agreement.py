"""How far two readers agree: Cohen's kappa."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.review.verdicts import ANSWERS, Answer, Verdicts

Key = tuple[str, int | None]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two readers' answers to the same questions.

    Parameters
    ----------
    counts : ndarray (3, 3)
        First reader's answer down, second's across: accept, review, reject.
    kappa : float
        Cohen's kappa (1960); 1 full agreement, 0 as by chance; NaN when chance alone would
        agree always.
    weighted : float
        The same with linear weights (Cohen 1968): accept against reject counts as two steps.
    """

    counts: NDArray[np.int64]
    kappa: float
    weighted: float

    @property
    def total(self) -> int:
        """How many questions both answered."""
        return int(self.counts.sum())

    @property
    def observed(self) -> float:
        """Share of equal answers; NaN without any."""
        return float(np.trace(self.counts) / self.total) if self.total else float("nan")


def agreement(first: Mapping[Key, Answer], second: Mapping[Key, Answer]) -> Agreement:
    """Compare the answers that both readers gave."""
    counts = np.zeros((3, 3), np.int64)
    for key in first.keys() & second.keys():
        counts[ANSWERS.index(first[key]), ANSWERS.index(second[key])] += 1
    steps = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    return Agreement(counts, _kappa(counts, (steps > 0).astype(float)), _kappa(counts, steps / 2))


def answers_of(verdicts: Verdicts, structures: bool) -> dict[Key, Answer]:
    """What a reader answered, on cases or on structures."""
    return {
        (v.case, v.structure): v.answer
        for v in verdicts.all()
        if v.answer is not None and (v.structure is not None) == structures
    }


def _kappa(counts: NDArray[np.int64], apart: NDArray[np.float64]) -> float:
    """``1 - observed disagreement / disagreement expected by chance``."""
    total = counts.sum()
    if not total:
        return float("nan")
    chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    expected = float((apart * chance).sum())
    return 1 - float((apart * counts).sum()) / expected if expected > 0 else float("nan")
