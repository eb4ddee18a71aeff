"""The exact divergence against dense matrices, and the constants of the published code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.variational import (
    gaussian_smooth,
    gaussian_taps,
    image_term,
    kl_divergence,
    neighbors,
    precision_term,
    smoothing_sigma,
    trace_factor,
)


def laplacian(shape: tuple[int, ...]) -> np.ndarray:
    """L = D - A of a grid graph, dense."""
    n = math.prod(shape)
    index = np.arange(n).reshape(shape)
    matrix = np.zeros((n, n))
    for axis in range(len(shape)):
        a = np.take(index, np.arange(shape[axis] - 1), axis).ravel()
        b = np.take(index, np.arange(1, shape[axis]), axis).ravel()
        matrix[a, b] = matrix[b, a] = -1
    return matrix - np.diag(matrix.sum(1))


def random_posterior(shape: tuple[int, ...], batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = (batch, len(shape), *shape)
    mean = torch.randn(size, generator=generator, dtype=torch.float64)
    return mean, torch.randn(size, generator=generator, dtype=torch.float64) - 1


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 3), (5, 1)])
def test_exact_against_dense_matrices(shape: tuple[int, ...]) -> None:
    mean, log_variance = random_posterior(shape)
    matrix, lam, total = laplacian(shape), 3.0, 0.0
    for mu, spread in zip(mean[0].numpy(), log_variance[0].numpy(), strict=True):
        variances = np.diag(np.exp(spread.ravel()))
        trace = lam * np.trace(matrix @ variances)
        total += 0.5 * (trace - spread.sum() + lam * mu.ravel() @ matrix @ mu.ravel())
    found = kl_divergence(mean, log_variance, lam)
    assert float(found) == pytest.approx(total / math.prod(shape), rel=1e-12)


def test_a_batch_is_averaged() -> None:
    mean, log_variance = random_posterior((4, 5), batch=3)
    each = [kl_divergence(mean[b : b + 1], log_variance[b : b + 1], 2.0) for b in range(3)]
    torch.testing.assert_close(kl_divergence(mean, log_variance, 2.0), torch.stack(each).mean())


@pytest.mark.parametrize("ndim", [2, 3])
def test_ratio_to_the_published_code(ndim: int) -> None:
    """Smoothness 2·D times too weak (borders aside), image term twice too strong."""
    mean, log_variance = random_posterior((24,) * ndim)
    ratio = precision_term(mean) / precision_term(mean, "reference")
    assert float(ratio) == pytest.approx(2 * ndim * 23 / 24, rel=1e-9)
    flat = torch.zeros_like(mean)
    exact, reference = (
        kl_divergence(flat, log_variance, 2.0, mode) for mode in ("exact", "reference")
    )
    assert float(exact) == pytest.approx(float(reference))
    fixed, moved = torch.rand(2, 1, 1, 5, 5)
    assert float(image_term(fixed, moved, 0.02, "reference")) == pytest.approx(
        2 * float(image_term(fixed, moved, 0.02))
    )


def test_reference_formula_by_hand() -> None:
    """½ D (mean(λ D_p σ² - log σ²) + λ · ½ · Σ_axes mean(diff²) / D), as published."""
    mean, log_variance = random_posterior((5, 6, 4))
    weight = torch.tensor(np.diag(laplacian((5, 6, 4)))).reshape(1, 1, 5, 6, 4)
    sigma_term = (10 * weight * log_variance.exp() - log_variance).mean()
    smooth = sum(mean.diff(dim=axis).square().mean() for axis in (2, 3, 4))
    wanted = 0.5 * 3 * (sigma_term + 10 * 0.5 * smooth / 3)
    torch.testing.assert_close(kl_divergence(mean, log_variance, 10.0, "reference"), wanted)


# λ, σ_c, taps, κ, deviation of the prior, the same with D = 6, the diagonal model's
TABLE = [
    (5, 1.24, 9, 0.01063, 0.471, 0.020, 0.183),
    (10, 1.56, 11, 0.00345, 0.414, 0.010, 0.129),
    (25, 2.12, 15, 0.00077, 0.351, 0.004, 0.082),
    (100, 3.37, 23, 0.00008, 0.276, 0.001, 0.041),
]


@pytest.mark.parametrize(("lam", "sigma", "taps", "kappa", "std", "wrong", "diagonal"), TABLE)
def test_smoothed_posterior(
    lam: float, sigma: float, taps: int, kappa: float, std: float, wrong: float, diagonal: float
) -> None:
    chosen = smoothing_sigma(lam)
    g = gaussian_taps(chosen)
    assert chosen == pytest.approx(sigma, abs=0.006) and len(g) == taps
    assert trace_factor(chosen) == pytest.approx(kappa, abs=6e-6)
    power = float(g.square().sum()) ** 3
    for weight, expected in ((trace_factor(chosen), std), (6, wrong)):
        assert math.sqrt(power / (lam * weight)) == pytest.approx(expected, abs=6e-4)
    assert math.sqrt(1 / (6 * lam)) == pytest.approx(diagonal, abs=6e-4)


def test_the_spread_that_minimises_the_loss() -> None:
    """d² = 1 / (λ κ) for the smoothed posterior, so that the marginal is the table's."""
    sigma, size = smoothing_sigma(10), (1, 3, 4, 4, 4)
    best = -math.log(10 * trace_factor(sigma))
    log_variance = torch.full(size, best, dtype=torch.float64, requires_grad=True)
    kl_divergence(torch.zeros_like(log_variance), log_variance, 10, smoothing=sigma).backward()
    assert log_variance.grad is not None and log_variance.grad.abs().max() < 1e-9


@pytest.mark.parametrize("ndim", [2, 3])
def test_trace_factor_against_a_dense_kernel(ndim: int) -> None:
    impulse = torch.zeros((1, 1, *[13] * ndim), dtype=torch.float64)
    impulse[(0, 0, *[6] * ndim)] = 1
    kernel = gaussian_smooth(impulse, gaussian_taps(1.1)).numpy().ravel()
    wanted = kernel @ laplacian((13,) * ndim) @ kernel
    assert trace_factor(1.1, ndim) == pytest.approx(wanted, rel=1e-9)


def test_neighbors() -> None:
    like = torch.zeros(1)
    wanted = np.diag(laplacian((3, 4, 1))).reshape(3, 4, 1)
    np.testing.assert_array_equal(neighbors((3, 4, 1), like)[0, 0].numpy(), wanted)


def test_gradients() -> None:
    mean, log_variance = (t.requires_grad_() for t in random_posterior((3, 4)))
    assert torch.autograd.gradcheck(lambda m, s: kl_divergence(m, s, 2.0), (mean, log_variance))


def test_bad_input() -> None:
    mean = torch.zeros(1, 2, 4, 4)
    with pytest.raises(InputError, match="one shape"):
        kl_divergence(mean, mean[..., :3], 1.0)
    with pytest.raises(InputError, match="mode"):
        kl_divergence(mean, mean, 1.0, "other")  # type: ignore[arg-type]
