"""Whether a spread can be believed: against errors that are known.

An error is the difference between the displacement found and the true one; landmarks and
borders of segmentations give it at some places, synthetic deformations everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.uncertainty.ellipse import chi_square_quantile

Array = NDArray[np.float64]
SHARES = (0.5, 0.8, 0.95)
_BINS = 10


def mahalanobis(errors: Array, covariance: Array) -> Array:
    """Squared Mahalanobis lengths ``eᵀ Σ⁻¹ e`` (N,) of errors (N, D), covariance (N, D, D).

    Raises
    ------
    InputError
        When a covariance is not positive definite, or the shapes differ.
    """
    errors, covariance = np.asarray(errors, np.float64), np.asarray(covariance, np.float64)
    if errors.ndim != 2 or covariance.shape != (*errors.shape, errors.shape[1]):
        raise InputError(
            f"Calibration needs errors (N, D) and covariances (N, D, D); got {errors.shape} and "
            f"{covariance.shape}."
        )
    if len(errors) == 0 or (np.linalg.eigvalsh(covariance)[:, 0] <= 0).any():
        raise InputError("Calibration needs at least one place, and a spread above 0 everywhere.")
    solved = np.linalg.solve(covariance, errors[..., None])[..., 0]
    return np.asarray((errors * solved).sum(axis=1), np.float64)


def coverage(
    errors: Array, covariance: Array, shares: tuple[float, ...] = SHARES
) -> dict[float, float]:
    """For each nominal share, how many errors lie within the ellipse that should hold it."""
    squared, ndim = mahalanobis(errors, covariance), errors.shape[1]
    return {p: float((squared <= chi_square_quantile(p, ndim)).mean()) for p in shares}


def temperature(errors: Array, covariance: Array) -> float:
    """The factor τ on all standard deviations that makes the errors most likely.

    Of a normal distribution with covariance ``τ² Σ``: ``τ² = mean(eᵀ Σ⁻¹ e) / D``.
    """
    return float(np.sqrt(mahalanobis(errors, covariance).mean() / errors.shape[1]))


def negative_log_likelihood(errors: Array, covariance: Array) -> float:
    """Mean over the places, of ``N(0, Σ)``, nats."""
    squared, ndim = mahalanobis(errors, covariance), errors.shape[1]
    logs = np.linalg.slogdet(covariance)[1]
    return float(0.5 * (squared + logs + ndim * np.log(2 * np.pi)).mean())


def spearman(deviation: Array, length: Array) -> float:
    """Rank correlation of the spread with the length of the error; NaN without variation."""
    first, second = rankdata(deviation), rankdata(length)
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / norm) if norm > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class Sparsification:
    """Mean error of what is left when the most uncertain places are taken out.

    Parameters
    ----------
    removed : ndarray (K,)
        Shares from 0 on.
    left : ndarray (K,)
        Mean error of the rest, over the mean of all.
    best : ndarray (K,)
        The same, had the places been sorted by their errors themselves.
    """

    removed: Array
    left: Array
    best: Array

    @property
    def area(self) -> float:
        """Area between the two (AUSE): 0 is perfect order."""
        return float(np.trapezoid(self.left - self.best, self.removed))


def sparsification(deviation: Array, length: Array, points: int = 100) -> Sparsification:
    """Sort out places by their spread (Ilg et al., ECCV 2018)."""
    removed = np.arange(points) / points
    mean = float(np.mean(length))

    def curve(order: Array) -> Array:
        sorted_by = np.asarray(length, np.float64)[np.argsort(order, kind="stable")]
        sums = np.cumsum(sorted_by)
        left = np.maximum(1, np.round((1 - removed) * len(sorted_by)).astype(np.int64))
        return np.asarray(sums[left - 1] / left / (mean if mean > 0 else 1.0), np.float64)

    return Sparsification(removed, curve(deviation), curve(length))


@dataclass(frozen=True, eq=False)
class Reliability:
    """Stated and true share, bin by bin.

    Parameters
    ----------
    stated, true : ndarray (K,)
        Mean probability, and share that was right; NaN where a bin is empty.
    count : ndarray (K,)
    """

    stated: Array
    true: Array
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |stated - true| over all places."""
        full = self.count > 0
        gap = np.abs(self.stated[full] - self.true[full])
        return float((gap * self.count[full]).sum() / self.count.sum())


def reliability(probability: Array, right: NDArray[np.bool_], bins: int = _BINS) -> Reliability:
    """Do labels that are given with probability p come out right in a share p of the places?"""
    probability = np.asarray(probability, np.float64).ravel()
    right = np.asarray(right, bool).ravel()
    if len(probability) == 0 or len(probability) != len(right):
        raise InputError("reliability: expected as many probabilities as answers, and some.")
    which = np.minimum((probability * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        stated = np.bincount(which, probability, bins) / count
        true = np.bincount(which, right, bins) / count
    return Reliability(stated, true, count)


def discrimination(score: Array, wrong: NDArray[np.bool_]) -> float:
    """How often a wrong place has the higher score than a right one (area under the ROC curve)."""
    wrong = np.asarray(wrong, bool).ravel()
    ranks = rankdata(np.asarray(score, np.float64).ravel())
    n, m = int(wrong.sum()), int((~wrong).sum())
    if n == 0 or m == 0:
        return float("nan")
    return float((ranks[wrong].sum() - n * (n + 1) / 2) / (n * m))
