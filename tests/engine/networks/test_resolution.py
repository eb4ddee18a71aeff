"""Halving and doubling against torch's own."""

import pytest
import torch
from torch.nn import functional

from napari_voxelmorph.engine.networks import slabs
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.resolution import double, halve


def torch_halve(image):
    return (functional.max_pool3d if image.ndim == 5 else functional.max_pool2d)(image, 2)


def torch_double(image):
    return functional.interpolate(image, scale_factor=2, mode="nearest")


@pytest.mark.parametrize(("ours", "theirs"), [(halve, torch_halve), (double, torch_double)])
@pytest.mark.parametrize("shape", [(4, 6, 10), (8, 4), (5, 7)])
def test_value_and_gradient(ours, theirs, shape):
    # Few different numbers: of equal ones, the same must be chosen.
    image = torch.randint(0, 4, (2, 3, *shape)).float()
    results = []
    for function in (ours, theirs):
        x = image.clone().requires_grad_()
        y = function(x)
        (y * torch.arange(float(y.numel())).reshape(y.shape).to(y) / y.numel()).sum().backward()
        results.append((y.detach(), x.grad))
    (y, slope), (exact, exact_slope) = results
    assert torch.equal(y, exact) and torch.allclose(slope, exact_slope)
    assert torch.equal(ours(image), exact)  # without a gradient


@pytest.mark.parametrize("function", [halve, double])
def test_stays_in_bfloat16(function):
    image = torch.rand(1, 2, 4, 4, 4).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        result = function(image)
    assert result.dtype == torch.bfloat16
    result.sum().backward()
    assert image.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(32, 16, 32), (64, 48), (18, 16, 16)])
def test_slabs_that_are_computed_again_change_no_gradient(shape, monkeypatch):
    network = build(Architecture(ndim=len(shape)), torch.Generator().manual_seed(0), field_std=0.1)
    pair = torch.rand(2, 1, 1, *shape, generator=torch.Generator().manual_seed(1))
    slopes = []
    for largest in (2**40, 4000):
        monkeypatch.setattr(slabs, "LARGEST_AGAIN", largest)
        network.zero_grad()
        network(*pair).square().sum().backward()
        slopes.append(torch.cat([p.grad.reshape(-1) for p in network.parameters()]))
    assert torch.allclose(*slopes, rtol=1e-4, atol=1e-6 * float(slopes[0].abs().max()))
