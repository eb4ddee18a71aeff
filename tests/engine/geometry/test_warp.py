"""Resampling in torch against scipy, closed forms and numerical gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry import warp as w

SHAPES = [(9, 7), (5, 8, 7)]


def random(shape, seed=0, size=1.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, size, shape))


@pytest.mark.parametrize("shape", [*SHAPES, (1, 6, 5), (6, 1)])
@pytest.mark.parametrize("mode, order", [("linear", 1), ("nearest", 0)])
def test_warp_agrees_with_scipy(shape, mode, order):
    image, moves = random(shape), random((len(shape), *shape), 1, size=3.0)
    if mode == "nearest":
        moves = moves + 0.01  # no exact halves: rounding there is free
    seen = w.warp(image[None, None], moves[None], mode)[0, 0].numpy()
    where = np.indices(shape) + moves.numpy()
    np.testing.assert_allclose(
        seen, map_coordinates(image.numpy(), where, order=order, mode="nearest"), atol=1e-12
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_cubic_reproduces_quadratics_and_voxels(shape):
    grid = np.indices(shape).astype(float)
    image = torch.from_numpy(sum((a + 1) * g**2 - 2 * g for a, g in enumerate(grid)))
    inner = torch.full((1, len(shape), *[n - 3 for n in shape]), 0.0, dtype=torch.float64)
    positions = w.identity_grid(tuple(n - 3 for n in shape), inner) + 1.3
    truth = sum((a + 1) * p**2 - 2 * p for a, p in enumerate(positions[0]))
    torch.testing.assert_close(w.sample(image[None, None], positions, "cubic")[0, 0], truth)
    zero = torch.zeros(1, len(shape), *shape, dtype=torch.float64)
    torch.testing.assert_close(w.warp(image[None, None], zero, "cubic")[0, 0], image)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_far_outside_is_the_edge(mode):
    image = random((4, 5))[None, None]
    far = torch.tensor([1e6, 1e6], dtype=torch.float64).reshape(1, 2, 1, 1)
    assert float(w.sample(image, far, mode)) == pytest.approx(float(image[0, 0, -1, -1]))
    assert float(w.sample(image, -far, mode)) == pytest.approx(float(image[0, 0, 0, 0]))


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 3)])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_gradients(shape, mode):
    image = random((1, 1, *shape)).requires_grad_(True)
    moves = (0.25 + 0.1 * random((1, len(shape), *shape), 2)).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda i, u: w.warp(i, u, mode), (image, moves))


@pytest.mark.parametrize("shape", SHAPES)
def test_resize_keeps_linear_functions_and_their_vectors(shape):
    new = tuple(2 * n - 3 for n in shape)
    ramps = w.identity_grid(shape, torch.zeros(1, dtype=torch.float64))
    factor = [(m - 1) / (n - 1) for m, n in zip(new, shape, strict=True)]
    out = w.resize_field(ramps, new)
    torch.testing.assert_close(out, w.identity_grid(new, out))  # "go to the origin" still does
    np.testing.assert_allclose(
        w.resize_field(torch.ones_like(ramps), new).mean((0, *range(2, out.ndim))), factor
    )
    torch.testing.assert_close(w.resize_field(out, shape), ramps)


def test_one_voxel_axes_resize_and_warp():
    field = random((1, 3, 1, 5, 4))
    assert w.resize_field(field, (1, 9, 1)).shape == (1, 3, 1, 9, 1)
    image = random((1, 1, 1, 5, 4))
    torch.testing.assert_close(w.warp(image, torch.zeros_like(field)), image)


def test_compose_is_warp_after_warp():
    """With linear maps both sides are exact away from the edge."""
    grid = w.identity_grid((12, 12), torch.zeros(1, dtype=torch.float64))
    first, second = 0.05 * (grid - 6), -0.1 * (grid.flip(1) - 6)
    image = (grid[:, :1] * 2 + grid[:, 1:])[0][None]
    both = w.warp(w.warp(image, first), second)
    once = w.warp(image, w.compose(first, second))
    torch.testing.assert_close(both[..., 3:9, 3:9], once[..., 3:9, 3:9])


def test_points_go_where_voxels_look():
    grid = w.identity_grid((8, 9), torch.zeros(1, dtype=torch.float64))
    field = 0.1 * grid + 1
    points = torch.tensor([[[2.5, 3.25], [0.0, 8.0]]], dtype=torch.float64)
    torch.testing.assert_close(w.warp_points(points, field), points * 1.1 + 1)


def test_labels_take_the_largest_share():
    labels = torch.tensor([[0, 0, 5, 5], [0, 9, 5, 5], [0, 0, 0, 7]])[None, None]
    field = torch.zeros(1, 2, 3, 4)
    assert torch.equal(w.warp_labels(labels, field), labels)
    field[:, 1] = 0.4
    assert set(torch.unique(w.warp_labels(labels, field)).tolist()) <= {0, 5, 7, 9}


def test_half_precision_positions_are_exact_inside():
    image = torch.arange(3000, dtype=torch.float32).reshape(1, 1, 1, 3000)
    zero = torch.zeros(1, 2, 1, 3000, dtype=torch.bfloat16)
    torch.testing.assert_close(w.warp(image, zero), image, atol=1e-3, rtol=0)
    assert w.warp(image.bfloat16(), zero).dtype == torch.bfloat16


def test_refusals():
    with pytest.raises(InputError, match="share one grid"):
        w.warp(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 5))
    with pytest.raises(InputError, match="2 components"):
        w.sample(torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 4, 4))
