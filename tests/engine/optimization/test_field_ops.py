"""Kernels of the field optimiser against torch and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d, gaussian_filter, map_coordinates

from napari_voxelmorph.engine.optimization.field_ops import CpuOps, TorchOps, gaussian_taps

CPU, TORCH = CpuOps(), TorchOps(torch.device("cpu"))
#: Shape of the image, voxels per cell.
GRIDS = [
    ((9, 7, 8), (1, 1, 1)),
    ((9, 7, 8), (2, 2, 2)),
    ((1, 11, 8), (1, 2, 2)),
    ((5, 8, 6), (1, 2, 4)),
]


def cells(shape, ratio):
    return tuple(-(-n // r) for n, r in zip(shape, ratio, strict=True))


def field(shape, size=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return (
        size * np.stack([gaussian_filter(rng.normal(size=shape), 1) * 4 for _ in range(3)])
    ).astype(np.float32)


def image(shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def both(method, *args):
    ours = getattr(CPU, method)(*[a.copy() if isinstance(a, np.ndarray) else a for a in args])
    theirs = getattr(TORCH, method)(
        *[
            TORCH.array(a) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a
            for a in args
        ]
    )
    return ours, theirs.numpy() if isinstance(theirs, torch.Tensor) else theirs


@pytest.mark.parametrize("shape, ratio", GRIDS)
def test_warp_of_a_level(shape, ratio):
    ratio = np.array(ratio)
    u = field(cells(shape, ratio))
    ours, theirs = both("warp", image(shape), u, ratio)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    local = [(g - (r - 1) / 2) / r for g, r in zip(np.indices(shape), ratio, strict=True)]
    fine = [
        map_coordinates(c.astype(float) * r, local, order=1, mode="nearest")
        for c, r in zip(u, ratio, strict=True)
    ]
    truth = map_coordinates(
        image(shape).astype(float), np.indices(shape) + fine, order=1, mode="nearest"
    )
    np.testing.assert_allclose(ours, truth, atol=2e-4)


@pytest.mark.parametrize("shape, ratio", GRIDS)
def test_force(shape, ratio):
    ratio = np.array(ratio)
    start = field(cells(shape, ratio), seed=9)
    ours, theirs = both("force", image(shape), image(shape, 4), ratio, start)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("shape", [(9, 7, 8), (1, 11, 8), (2, 3, 1)])
@pytest.mark.parametrize("sigmas", [(1.0, 1.0, 1.0), (0.0, 0.8, 2.5), (0.0, 0.0, 0.0)])
def test_smoothing(shape, sigmas):
    u = field(shape)
    ours, theirs = both("smooth", u, np.array(sigmas))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    truth = u.astype(float)
    for axis, sigma in enumerate(sigmas):
        half = gaussian_taps(sigma)
        truth = correlate1d(truth, np.concatenate([half[:0:-1], half]), axis + 1, mode="nearest")
    np.testing.assert_allclose(ours, truth, atol=1e-5)
    ones = np.ones((3, *shape), np.float32)
    np.testing.assert_allclose(CPU.smooth(ones, np.array(sigmas)), ones, atol=1e-5)


@pytest.mark.parametrize("shape", [(9, 7, 8), (1, 11, 8)])
def test_compositions(shape):
    first, second = field(shape), field(shape, 0.3, 1)
    for method in ("compose", "add_with_bracket"):
        ours, theirs = both(method, first, second)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    zero = np.zeros_like(first)
    np.testing.assert_array_equal(CPU.compose(first, zero), first)
    np.testing.assert_allclose(CPU.compose(zero, second), second)
    # A field commutes with itself: the bracket vanishes.
    np.testing.assert_allclose(CPU.add_with_bracket(first, first), 2 * first, atol=1e-5)


def test_the_bracket_brings_the_log_nearer():
    """exp(v + d + ½[v, d]) is nearer to exp(v) ∘ exp(d) than exp(v + d) is."""
    shape = (15, 14, 13)
    window = np.prod(
        [np.sin(np.pi * (g + 0.5) / n) ** 2 for g, n in zip(np.indices(shape), shape, strict=True)],
        axis=0,
    )
    v, d = (gaussian_filter(field(shape, 4.0, s), (0, 2, 2, 2)) * window for s in (0, 1))
    v, d = v.astype(np.float32), (d / np.abs(d).max() * 0.3).astype(np.float32)
    v *= 1.5 / np.abs(v).max()
    truth = CPU.compose(CPU.integrate(v), CPU.integrate(d))
    plain = np.abs(CPU.integrate(v + d) - truth).mean()
    bracket = np.abs(CPU.integrate(CPU.add_with_bracket(v, d)) - truth).mean()
    assert bracket < 0.7 * plain


def test_resample_length_cap_and_percentile():
    u = field((6, 7, 5), 2.0)
    scale, offset = np.array([2.0, 2.0, 1.0]), np.array([0.5, 0.5, 0.0])
    ours, theirs = both("resample", u, scale, offset, (12, 14, 5))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    ours, theirs = both("length", u)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    ours, theirs = both("capped", u, 0.5)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert CPU.length(ours).max() <= 0.5 + 1e-5
    ours, theirs = both("high_value", image((6, 7, 5)))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert CPU.high_value(np.zeros((2, 2, 2), np.float32)) == 0
    assert TORCH.high_value(torch.zeros(2, 2, 2)) == 0


@pytest.mark.parametrize("sigma", [0.0, 0.8, 1.0, 3.0])
def test_taps_sum_to_one_and_have_their_width(sigma):
    half = gaussian_taps(sigma).astype(float)
    assert half[0] + 2 * half[1:].sum() == pytest.approx(1, abs=1e-6)
    width = np.sqrt(2 * (half * np.arange(half.size) ** 2).sum())
    assert width == pytest.approx(sigma, abs=0.06)
