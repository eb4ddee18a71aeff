"""Which λ to take, by the curves over λ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_voxelmorph.engine.lambda_sweep.knots import Scores

#: Percent of folded volume above which a field is not to be trusted.
MOST_FOLDING = 0.1
#: Of the gain in similarity, where nothing but the images says what is good.
KEPT_GAIN = 0.95


@dataclass(frozen=True)
class Suggestion:
    """A λ, by its place in the list of knots, and why."""

    index: int
    why: str


def suggest(
    scores: Sequence[Scores], label: int | None = None, name: str = ""
) -> Suggestion | None:
    """The best of fields in the order of rising stiffness; None when nothing can be said.

    With segmentations: the largest overlap (mean, or of one label).  Without them, similarity
    alone would always ask for the loosest field; so the stiffest one is taken that still has
    `KEPT_GAIN` of what similarity gains from the stiffest to the best.  Fields that fold more
    than `MOST_FOLDING` percent count only when all do.

    Parameters
    ----------
    scores : list of Scores
    label : int, optional
        The structure that matters.
    name : str
        What it is called; default: by its label.
    """
    if not scores:
        return None
    firm = [i for i, s in enumerate(scores) if s.ndv <= MOST_FOLDING]
    allowed = firm or list(range(len(scores)))
    caution = "" if firm else f"; every λ folds more than {MOST_FOLDING:g} %"
    overlaps = [s.mean_dice if label is None else s.dice.get(label, np.nan) for s in scores]
    if np.isfinite([overlaps[i] for i in allowed]).any():
        best = max(allowed, key=lambda i: -np.inf if np.isnan(overlaps[i]) else overlaps[i])
        what = "mean Dice" if label is None else f"Dice of {name or f'structure {label}'}"
        return Suggestion(best, f"largest {what}, {overlaps[best]:.3f}{caution}")
    if label is not None:
        return None
    values = [scores[i].similarity for i in allowed]
    if not np.isfinite(values).all():
        return None
    top, stiff = max(values), values[-1]
    enough = stiff + KEPT_GAIN * (top - stiff)
    best = max(i for i, v in zip(allowed, values, strict=True) if v >= enough - 1e-9)
    return Suggestion(
        best, f"stiffest field with {100 * KEPT_GAIN:.0f} % of the similarity gain{caution}"
    )
