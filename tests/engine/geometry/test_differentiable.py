"""Kernels and their gradients against torch in double precision."""

import pytest
import torch

from napari_voxelmorph.engine.geometry import differentiable, integration
from napari_voxelmorph.engine.geometry import warp as resampling

SHAPES = [(9, 7, 11), (13, 10), (1, 6, 5)]


def run(function, field, weight):
    """Result and gradient of a weighted sum of it."""
    field = field.clone().requires_grad_()
    result = function(field)
    (result * weight.to(result)).sum().backward()
    return result.detach().double(), field.grad.double()


def random(shape, size=2.0):
    generator = torch.Generator().manual_seed(0)
    ndim = len(shape)
    field = size * torch.randn(2, ndim, *shape, generator=generator)
    return field, torch.rand(2, 1, *shape, generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
def test_warp_is_that_of_torch(shape):
    # 2 voxels of displacement on so small a grid: many positions lie beyond the edge.
    field, image = random(shape)
    weight = image.flip(0)
    ours = run(lambda u: differentiable.warp(image, u), field, weight)
    theirs = run(lambda u: resampling.warp(image.double(), u), field.double(), weight)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("squarings", [0, 1, 6])
def test_integration_is_that_of_torch(shape, squarings):
    velocity, _ = random(shape)
    weight = velocity.flip(0)
    ours = run(lambda v: differentiable.integrate(v, squarings), velocity, weight)
    theirs = run(lambda v: integration.integrate(v, squarings), velocity.double(), weight)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_integration_of_minus_v_undoes_it():
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(1, 3, 4, 4, 4, generator=generator)
    velocity = 2 * torch.nn.functional.interpolate(coarse, size=(24, 24, 24), mode="trilinear")
    there, back = (differentiable.integrate(v, 7) for v in (velocity, -velocity))
    around = resampling.compose(there, back)[..., 6:-6, 6:-6, 6:-6]
    assert around.abs().max() < 0.05 * there.abs().max()


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5)])
def test_nan_comes_out_as_nan(shape):
    # Whoever looks for the neighbours of a place that does not exist reads foreign memory.
    field, image = random(shape)
    field[0, 0, 2, 2] = float("nan")
    field.requires_grad_()
    for result in (differentiable.warp(image, field), differentiable.integrate(field, 3)):
        assert torch.isnan(result).any() and result.shape[2:] == shape
        result.sum().backward()
    assert torch.isnan(field.grad).any()


def test_infinite_positions_are_beyond_the_edge():
    field, image = random((6, 5, 4))
    field[0, 0] = float("inf")
    moved = differentiable.warp(image, field)
    field[0, 0] = 100
    assert torch.equal(moved, differentiable.warp(image, field))


def test_gradient_for_the_image():
    field, image = random((6, 5, 4))
    image.requires_grad_()
    differentiable.warp(image, field).sum().backward()
    assert image.grad.sum() == pytest.approx(image.numel(), rel=1e-5)  # weights sum to 1
