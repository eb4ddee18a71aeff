"""Calibration: against scipy, and on normal errors whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.uncertainty.calibration import (
    coverage,
    discrimination,
    mahalanobis,
    negative_log_likelihood,
    reliability,
    sparsification,
    spearman,
    temperature,
)

N = 20_000


def errors(ndim: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Normal errors, each with a covariance of its own; `scale` is how far it is too small."""
    rng = np.random.default_rng(ndim)
    root = rng.normal(size=(N, ndim, ndim)) + 2 * np.eye(ndim)
    drawn = (root @ rng.normal(size=(N, ndim, 1)))[..., 0]
    return scale * drawn, root @ np.swapaxes(root, 1, 2)


@pytest.mark.parametrize("ndim", [2, 3])
def test_normal_errors_are_covered_as_stated(ndim: int) -> None:
    for share, found in coverage(*errors(ndim)).items():
        assert found == pytest.approx(share, abs=0.012)
    squared = mahalanobis(*errors(ndim))
    assert stats.kstest(squared, stats.chi2(ndim).cdf).pvalue > 0.01


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_temperature_mends_overconfidence(ndim: int) -> None:
    wrong, covariance = errors(ndim, 2.5)
    assert coverage(wrong, covariance)[0.8] < 0.4
    tau = temperature(wrong, covariance)
    assert tau == pytest.approx(2.5, rel=0.02)
    assert coverage(wrong, tau**2 * covariance)[0.8] == pytest.approx(0.8, abs=0.012)
    values = [negative_log_likelihood(wrong, (t * tau) ** 2 * covariance) for t in (0.9, 1, 1.1)]
    assert values[1] < min(values[0], values[2])


def test_the_likelihood_is_scipys() -> None:
    found, covariance = errors(3)
    expected = [
        -stats.multivariate_normal(np.zeros(3), c).logpdf(e)
        for e, c in zip(found[:200], covariance[:200], strict=True)
    ]
    assert negative_log_likelihood(found[:200], covariance[:200]) == pytest.approx(
        np.mean(expected), rel=1e-9
    )


def test_rank_correlation_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 20, 500).astype(float)
    second = first + rng.normal(0, 8, 500)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))


def test_sparsification_of_a_perfect_a_useless_and_a_reversed_order() -> None:
    rng = np.random.default_rng(0)
    length = rng.exponential(size=N)
    assert sparsification(length, length).area == pytest.approx(0, abs=1e-12)
    useless, backwards = (sparsification(d, length) for d in (rng.random(N), -length))
    np.testing.assert_allclose(useless.left[:90], 1, atol=0.07)
    # Of exponential errors, the rest after removing the share f: 1 + f ln f' / f' with f' = 1 - f.
    kept = 1 - useless.removed[1:]
    expected = 1 + (1 - kept) * np.log(1 - kept) / kept
    np.testing.assert_allclose(useless.best[1:], expected, atol=0.03)
    assert 0.4 < useless.area < backwards.area


def test_reliability_bins_and_their_error() -> None:
    rng = np.random.default_rng(0)
    stated = rng.random(N)
    right = rng.random(N) < stated
    honest = reliability(stated, right)
    assert honest.error < 0.015
    assert honest.count.sum() == N
    boasting = reliability(np.clip(stated + 0.2, 0, 1), right)
    assert boasting.error == pytest.approx(0.18, abs=0.02)
    certain = reliability(np.ones(10), np.array([True] * 7 + [False] * 3))
    assert certain.error == pytest.approx(0.3)
    assert np.isnan(certain.true[0])


def test_discrimination_is_the_rank_test() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.random(800) < 0.3
    score = np.round(rng.normal(size=800) + wrong, 1)
    u = stats.mannwhitneyu(score[wrong], score[~wrong]).statistic
    assert discrimination(score, wrong) == pytest.approx(u / (wrong.sum() * (~wrong).sum()))
    assert np.isnan(discrimination(score, np.zeros(800, bool)))


def test_bad_figures_are_refused() -> None:
    with pytest.raises(InputError, match="N, D"):
        coverage(np.zeros((4, 3)), np.zeros((4, 2, 2)))
    with pytest.raises(InputError, match="above 0"):
        temperature(np.zeros((4, 2)), np.zeros((4, 2, 2)))
    with pytest.raises(InputError, match="as many"):
        reliability(np.zeros(3), np.zeros(2, bool))
