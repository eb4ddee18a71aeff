"""The kernels of the training's local correlation against torch in double precision."""

import pytest
import torch

from napari_voxelmorph.engine.losses.lncc import lncc


@pytest.mark.parametrize("radius", [1, 4])
@pytest.mark.parametrize("shape", [(12, 9, 14), (21, 17), (5, 40, 3)])
def test_value_and_gradient_of_torch(shape, radius):
    generator = torch.Generator().manual_seed(0)
    fixed, moved = torch.rand(2, 3, 1, *shape, generator=generator)
    moved = 0.5 * moved + fixed
    results = []
    for dtype in (torch.float32, torch.float64):  # float64 is computed by torch
        image = moved.to(dtype, copy=True).requires_grad_()
        loss = lncc(fixed.to(dtype), image, radius)
        (2 * loss).backward()
        results.append((loss.detach().double(), image.grad.double()))
    (ours, our_slope), (exact, slope) = results
    assert ours == pytest.approx(float(exact), abs=2e-6)
    assert (our_slope - slope).abs().max() < 1e-5 * slope.abs().max()


def test_constant_images_have_no_gradient():
    image = torch.full((1, 1, 9, 9, 9), 0.3, requires_grad=True)
    loss = lncc(torch.rand(1, 1, 9, 9, 9), image)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6) and torch.isfinite(image.grad).all()


def test_nan_is_not_hidden():
    image = torch.rand(1, 1, 12, 12, 12)
    broken = image.clone()
    broken[0, 0, 5, 5, 5] = float("nan")
    assert torch.isnan(lncc(image, broken)) and torch.isnan(lncc(broken, image))
