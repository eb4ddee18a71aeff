"""How far each pair lies apart, before and now, and how far it may by the result's own spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Matrix
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.uncertainty.spread import Spread

Numbers = NDArray[np.float64]
#: Share of the answers that the ellipse of a landmark holds.
SHARE = 0.95


@dataclass(frozen=True, eq=False)
class Predicted:
    """By the spread of the result, per pair.

    Parameters
    ----------
    deviation : ndarray (N,)
        Standard deviation of where the fixed point goes, mm, per direction.
    radii : ndarray (N, D)
        Semi-axes of the ellipse that holds `SHARE` of it, mm, longest first.
    within : ndarray (N,) of bool
        Whether the partner lies within that ellipse.
    """

    deviation: Numbers
    radii: Numbers
    within: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Distances:
    """mm, one per whole pair."""

    before: Numbers
    after: Numbers
    predicted: Predicted | None = None


NOTHING = Distances(np.zeros(0), np.zeros(0))


def distances(
    result: Registration,
    start: Matrix,
    fixed: Numbers,
    moving: Numbers,
    spread: Spread | None = None,
) -> Distances:
    """Measure pairs (N, D), world mm; `start` is how the images lay before."""
    from napari_voxelmorph.engine.evaluation.metrics import target_registration_error

    if not len(fixed):
        return NOTHING
    before = replace(result, affine=start, field=None)
    return Distances(
        target_registration_error(before, fixed, moving),
        target_registration_error(result, fixed, moving),
        None if spread is None else predicted(result, spread, fixed, moving),
    )


def predicted(result: Registration, spread: Spread, fixed: Numbers, moving: Numbers) -> Predicted:
    """What the spread says of each pair; the error is looked at in the fixed world."""
    from napari_voxelmorph.engine.uncertainty.ellipse import chi_square_quantile, ellipse

    covariance = spread.covariance_at(fixed, result.fixed)
    ndim = covariance.shape[-1]
    away = np.linalg.solve(result.affine[:-1, :-1], (moving - result.fixed_to_moving(fixed)).T).T
    # A place of which the answers are all the same still has some width.
    safe = covariance + 1e-6 * np.eye(ndim)
    squares = np.einsum("ni,ni->n", away, np.linalg.solve(safe, away[..., None])[..., 0])
    return Predicted(
        np.sqrt(np.trace(covariance, axis1=1, axis2=2) / ndim),
        ellipse(covariance, SHARE).radii,
        squares <= chi_square_quantile(SHARE, ndim),
    )
