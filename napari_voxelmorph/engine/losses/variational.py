"""The loss of the probabilistic model: the exact divergence between posterior and prior.

The prior of a velocity is normal with precision ``Λ = λ L`` per component, L the graph
Laplacian of the voxel grid (L = D - A: number of neighbours less adjacency); it favours smooth
velocities (Dalca et al., MICCAI 2018, MedIA 2019).  Everything is per voxel: divided by the
number of voxels N, so that it goes with a mean squared difference over the image.

The published code differs from its paper by constants: smoothness 2·D times too weak (D axes),
the image term twice too strong.  ``mode="reference"`` reproduces them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.masking import at_least_float32
from napari_voxelmorph.engine.losses.mse import mse

Mode = Literal["exact", "reference"]


def kl_divergence(
    mean: Tensor,
    log_variance: Tensor,
    prior_lambda: float,
    mode: Mode = "exact",
    smoothing: float = 0.0,
) -> Tensor:
    """KL(posterior || prior) per voxel, up to a constant.

    ``½ [ λ mean_N Σ_c w σ²_c - mean_N Σ_c log σ²_c + λ/N Σ_c Σ_edges (μ_p - μ_q)² ]``

    Parameters
    ----------
    mean, log_variance : Tensor (B, D, *S)
        Of the velocity, in voxels of its own grid; log of σ² (of d² when smoothed).
    prior_lambda : float
        λ, the precision of the prior.
    mode : "exact" or "reference"
        reference: the constants of the published code.
    smoothing : float
        Standard deviation (voxels) of the Gaussian in the smoothed posterior
        ``z = μ + G ∗ (d ε)``; 0 is the diagonal one.  The weight w is the number of
        neighbours for the diagonal posterior and κ (`trace_factor`) for the smoothed one.

    Raises
    ------
    InputError
        When the two fields do not match.
    """
    _check(mean, log_variance, mode)
    ndim = mean.ndim - 2
    mean, log_variance = at_least_float32(mean), at_least_float32(log_variance)
    weight = neighbors(tuple(mean.shape[2:]), mean)
    if smoothing > 0:
        weight = torch.full_like(weight, trace_factor(smoothing, ndim))
    spread = prior_lambda * weight * log_variance.exp() - log_variance
    smooth = precision_term(mean, mode)
    return 0.5 * ndim * spread.mean() + prior_lambda * smooth


def _check(mean: Tensor, log_variance: Tensor, mode: str) -> None:
    ndim = mean.ndim - 2
    if mean.shape != log_variance.shape or ndim not in (2, 3) or mean.shape[1] != ndim:
        raise InputError(
            "kl_divergence: expected mean and log-variance of one shape (B, D, *S), got "
            f"{tuple(mean.shape)} and {tuple(log_variance.shape)}."
        )
    if mode not in ("exact", "reference"):
        raise InputError(f"kl_divergence: mode must be exact or reference, got {mode!r}.")


def precision_term(mean: Tensor, mode: Mode = "exact") -> Tensor:
    """``½ μᵀ L μ / N``, averaged over the batch: half the squared differences of neighbours.

    reference: ``¼ Σ_axes mean (μ_p - μ_q)²``, each mean over that axis' own edges and over the
    components: 2·D times less.
    """
    ndim = mean.ndim - 2
    squares = [mean.diff(dim=axis + 2).square() for axis in range(ndim) if mean.shape[axis + 2] > 1]
    if not squares:
        return mean.sum() * 0
    if mode == "reference":
        return 0.25 * torch.stack([s.mean() for s in squares]).sum()
    voxels = mean.shape[0] * math.prod(mean.shape[2:])
    return 0.5 * torch.stack([s.sum() for s in squares]).sum() / voxels


def image_term(fixed: Tensor, moved: Tensor, sigma: float, mode: Mode = "exact") -> Tensor:
    """Negative log-likelihood per voxel of normal noise: ``mse / (2 σ²)``; reference: ``mse / σ²``."""
    factor = 0.5 if mode == "exact" else 1.0
    return mse(fixed, moved) * (factor / sigma**2)


def neighbors(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Number of neighbours inside the grid, (1, 1, *S): the diagonal of L."""
    count = torch.zeros(shape, device=like.device, dtype=like.dtype)
    for axis, n in enumerate(shape):
        along = torch.full((n,), 2.0, device=like.device, dtype=like.dtype)
        along[0] -= 1  # an axis of one voxel loses both
        along[-1] -= 1
        count = count + along.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return count[None, None]


def trace_factor(sigma: float, ndim: int = 3) -> float:
    """κ of the smoothed posterior: ``tr(Λ Σ) = λ κ Σ d²``, borders left out.

    ``κ = ⟨g, L g⟩ = D · Σ (g_i - g_{i+1})² · (Σ g_i²)^(D - 1)`` for the separable kernel g.
    With the number of neighbours instead, the posterior is some forty times over-confident.
    """
    taps = gaussian_taps(sigma)
    padded = functional.pad(taps, (1, 1))
    rough, power = float(padded.diff().square().sum()), float(taps.square().sum())
    return float(ndim * rough * power ** (ndim - 1))


def smoothing_sigma(prior_lambda: float, ndim: int = 3) -> float:
    """The Gaussian whose peak is ``1 / (2 D λ)``: ``σ_c = (2 D λ)^(1/D) / √(2π)`` voxels."""
    return float((2 * ndim * prior_lambda) ** (1 / ndim) / math.sqrt(2 * math.pi))


def gaussian_smooth(field: Tensor, taps: Tensor) -> Tensor:
    """Convolve (B, C, *S) with `taps` along every axis; zeros beyond the edge."""
    for axis in range(2, field.ndim):
        along = field.movedim(axis, -1)  # (B, C, ..., n)
        rows = along.reshape(-1, 1, along.shape[-1])
        rows = functional.conv1d(rows, taps.reshape(1, 1, -1), padding=len(taps) // 2)
        field = rows.reshape(along.shape).movedim(-1, axis)
    return field


def gaussian_taps(sigma: float) -> Tensor:
    """Float64 taps of a Gaussian, cut at three sigma, of sum one."""
    radius = max(1, math.ceil(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    taps = torch.exp(-0.5 * (x / sigma) ** 2)
    return taps / taps.sum()
