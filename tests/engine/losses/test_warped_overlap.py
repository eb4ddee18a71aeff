"""The overlap of warped labels against one-hot images in double precision."""

import pytest
import torch

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.losses import warped_overlap
from napari_voxelmorph.engine.losses.overlap import soft_dice
from napari_voxelmorph.engine.losses.warped_overlap import warped_dice


def one_hot(labels, count):
    return torch.stack([(labels == i).double() for i in range(1, count + 1)], 1)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("shape", [(9, 7, 6), (13, 10)])
def test_value_and_gradient_of_one_hot_images(shape, kernels, monkeypatch):
    if not kernels:  # what other devices run
        monkeypatch.setattr(warped_overlap, "for_kernels", lambda field: False)
    generator = torch.Generator().manual_seed(0)
    # -1 and 7 are no labels; 3 is in one image only.
    fixed = torch.randint(-1, 5, (2, *shape), generator=generator).short()
    moving = torch.randint(0, 8, (2, *shape), generator=generator).short()
    moving[moving == 3] = 0
    u = 2 * torch.randn(2, len(shape), *shape, generator=generator)
    weight = torch.rand(2, 4, generator=generator)

    exact = u.double().requires_grad_()
    wanted = soft_dice(one_hot(fixed, 4), warp(one_hot(moving, 4), exact))
    (wanted * weight).sum().backward()
    ours = u.clone().requires_grad_()
    found, present = warped_dice(fixed, moving, ours, 4)
    (found * weight).sum().backward()

    assert present.tolist() == [[1, 1, 0, 1]] * 2
    assert torch.allclose(found.double(), wanted, atol=1e-6)
    assert torch.allclose(ours.grad.double(), exact.grad, atol=1e-6)


def test_partial_labels_say_nothing():
    fixed = torch.zeros(1, 8, 8, dtype=torch.int16)
    moving = fixed.clone()
    fixed[0, 2:5, 2:5] = 1
    u = torch.zeros(1, 2, 8, 8, requires_grad=True)
    overlap, present = warped_dice(fixed, moving, u, 2)
    assert overlap.sum() == 0 and present.sum() == 0
    overlap.sum().backward()
    assert (u.grad == 0).all()


def test_equal_labels_overlap_fully():
    labels = torch.randint(0, 4, (1, 6, 6, 6)).short()
    overlap, _ = warped_dice(labels, labels, torch.zeros(1, 3, 6, 6, 6), 3)
    assert torch.allclose(overlap, torch.ones(1, 3))


def test_shapes_must_match():
    with pytest.raises(InputError, match="one grid"):
        warped_dice(torch.zeros(1, 4, 4), torch.zeros(1, 4, 5), torch.zeros(1, 2, 4, 4), 1)
