"""The curves over λ as plain numbers, for a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from napari_voxelmorph.engine.lambda_sweep.knots import Knot


@dataclass(frozen=True)
class LambdaCurves:
    """How good the fields of several λ are; lists are equally long, λ rising.

    Parameters
    ----------
    name : str
        What is varied, such as “λ”.
    values : tuple of float
    positions : tuple of float
        Where each lies on the slider, 0 to 1.
    similarity : tuple of float
        Mean squared local correlation, 0 to 1.
    folding_percent : tuple of float
        Folded volume of the content.
    mean_dice : tuple of float
        Empty where the pair has no two segmentations.
    chosen : float or None
        The λ of the result.
    pins : dict
        Name -> λ.
    """

    name: str
    values: tuple[float, ...]
    positions: tuple[float, ...]
    similarity: tuple[float, ...]
    folding_percent: tuple[float, ...]
    mean_dice: tuple[float, ...] = ()
    chosen: float | None = None
    pins: dict[str, float] = field(default_factory=dict)

    def position(self, value: float) -> float:
        """Where a λ lies, by the knots around it."""
        return float(np.interp(value, self.values, self.positions))


def curves_of_knots(
    name: str, knots: Iterable[Knot], chosen: float | None, pins: dict[str, float]
) -> LambdaCurves | None:
    """The curves of the knots that have been measured; None while there are less than two."""
    known = [(k, k.scores) for k in knots if k.scores is not None]
    if len(known) < 2:
        return None
    dice = tuple(scores.mean_dice for _, scores in known)
    return LambdaCurves(
        name,
        tuple(k.value for k, _ in known),
        tuple(k.position for k, _ in known),
        tuple(scores.similarity for _, scores in known),
        tuple(scores.ndv for _, scores in known),
        dice if np.isfinite(dice).all() else (),
        chosen,
        dict(pins),
    )
