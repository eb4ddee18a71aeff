"""Scaling and squaring, and inverses, against matrix exponentials and each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.ndimage import gaussian_filter

from napari_voxelmorph.engine.geometry.integration import (
    integrate,
    integrate_array,
    squarings_for,
)
from napari_voxelmorph.engine.geometry.inversion import invert, invert_array
from napari_voxelmorph.engine.geometry.warp import compose

SHAPES = [(17, 21), (11, 14, 9)]


def smooth_field(shape, size=2.0, seed=0, fade=True, blur=2.5):
    rng = np.random.default_rng(seed)
    field = np.stack([gaussian_filter(rng.normal(size=shape), blur) for _ in shape])
    if fade:
        for axis, n in enumerate(shape):
            window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
            field *= window.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return (field * size / np.abs(field).max()).astype(np.float32)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 9, 8)])
def test_kernels_agree_with_torch(shape):
    velocity = smooth_field(shape, 4.0, fade=False)
    ours = integrate_array(velocity)
    torchs = integrate(torch.from_numpy(velocity)[None].double())[0].numpy()
    np.testing.assert_allclose(ours, torchs, atol=2e-4)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_linear_velocity_gives_the_matrix_exponential(ndim):
    n, rng = 31 if ndim == 2 else 17, np.random.default_rng(1)
    generator = 0.15 * rng.normal(size=(ndim, ndim))
    grid = np.indices((n,) * ndim) - (n - 1) / 2
    velocity = np.einsum("ij,j...->i...", generator, grid)
    truth = np.einsum("ij,j...->i...", expm(generator) - np.eye(ndim), grid)
    found = integrate(torch.from_numpy(velocity)[None], squarings=8)[0].numpy()
    inner = (slice(None), *[slice(n // 2 - 3, n // 2 + 4)] * ndim)
    np.testing.assert_allclose(found[inner], truth[inner], atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_velocity_is_its_displacement_up_to_the_edge(shape):
    velocity = np.full((len(shape), *shape), 2.75, np.float32)
    np.testing.assert_allclose(integrate_array(velocity), velocity, atol=1e-5)


@pytest.mark.parametrize("shape", [(41, 37), (23, 25, 21)])
def test_the_negative_velocity_is_the_inverse(shape):
    velocity = torch.from_numpy(smooth_field(shape, 1.5, blur=4.0))[None]
    gap = compose(integrate(velocity), integrate(-velocity)).abs()
    assert float(gap.amax()) < 0.08
    assert float(gap.mean()) < 0.01


def test_a_slice_is_a_thin_volume():
    velocity = smooth_field((15, 13), 3.0)
    slab = np.zeros((3, 1, 15, 13), np.float32)
    slab[1:, 0] = velocity
    np.testing.assert_allclose(integrate_array(slab)[1:, 0], integrate_array(velocity), atol=1e-6)


def test_steps_adapt_to_the_largest_vector():
    assert squarings_for(0.0) == squarings_for(0.1) == 0
    assert squarings_for(0.1000001) == 1
    for largest in (0.3, 1.0, 7.7, 50.0):
        n = squarings_for(largest)
        assert largest / 2**n <= 0.1 < largest / 2 ** (n - 1)
    assert squarings_for(1e9) == 12
    assert squarings_for(float("nan")) == squarings_for(float("inf")) == 0


def test_integration_is_differentiable():
    velocity = torch.from_numpy(smooth_field((5, 6), 0.7)).double()[None].requires_grad_(True)
    assert torch.autograd.gradcheck(lambda v: integrate(v, 2), velocity)


@pytest.mark.parametrize("shape", SHAPES)
def test_fixed_point_inverse_undoes(shape):
    displacement = torch.from_numpy(smooth_field(shape, 1.2))[None]
    inverse = invert(displacement)
    assert float(compose(displacement, inverse).abs().amax()) < 5e-3
    np.testing.assert_array_equal(invert_array(displacement[0].numpy()), inverse[0].numpy())


def test_inverse_of_a_folded_field_ends():
    assert np.isfinite(invert_array(smooth_field((16, 16), 30.0))).all()
