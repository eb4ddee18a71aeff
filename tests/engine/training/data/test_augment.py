"""Augmentation: nothing at strength 0, all parts of a pair go together, same seed same pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_voxelmorph.engine.training.data.augment import (
    augmented,
    change_image,
    change_points,
)
from napari_voxelmorph.engine.training.data.changes import Change, plan
from napari_voxelmorph.engine.training.samples import Sample

SHAPES = [(20, 23, 18), (31, 26)]


def smooth(shape, seed=0):
    noise = np.random.default_rng(seed).random(shape)
    return ndimage.gaussian_filter(noise, 2).astype(np.float32) * 4


def pair(shape):
    image = torch.from_numpy(smooth(shape))[None]
    labels = (image[0] > image.median()).to(torch.int16)
    points = torch.tensor([[n * 0.4 for n in shape], [n * 0.6 for n in shape]])
    return Sample(image, image.clone(), labels, labels.clone(), points, points.clone())


def a_plan(shape, strength=1.0, seed=0, **options):
    return plan(np.random.default_rng(seed), shape, strength, **options)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_strength_changes_nothing(shape) -> None:
    sample = pair(shape)
    changed = augmented(sample, a_plan(shape, 0.0))
    torch.testing.assert_close(changed.moving, sample.moving, atol=2e-4, rtol=0)
    assert torch.equal(changed.fixed_labels, sample.fixed_labels)
    torch.testing.assert_close(changed.moving_landmarks, sample.moving_landmarks)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_resampling_agrees_with_scipy(shape) -> None:
    """Position matrix · (x + u(x)), u linear between nodes; scipy in float64 is the judge."""
    change = a_plan(shape, seed=3).moving
    plain = Change(change.matrix, change.grid.copy(), 1.0, 0.0, 0)
    plain.grid[3] = 1
    image = smooth(shape)
    nodes = plain.grid.shape[1:][3 - len(shape) :]
    x = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(float)
    at = np.stack([g * (m - 1) / (n - 1) for g, n, m in zip(x, shape, nodes, strict=True)])
    grid = plain.grid[3 - len(shape) : 3].reshape(len(shape), *nodes).astype(float)
    there = x + [ndimage.map_coordinates(g, at, order=1, mode="nearest") for g in grid]
    there = np.tensordot(plain.matrix[:-1, :-1], there, 1)
    there += plain.matrix[:-1, -1].reshape(-1, *(1,) * len(shape))
    wanted = ndimage.map_coordinates(image.astype(float), there, order=1, mode="nearest")
    inside = np.all([(t >= 0) & (t <= n - 1) for t, n in zip(there, shape, strict=True)], axis=0)
    found, _ = change_image(torch.from_numpy(image)[None], None, plain)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(found[0].numpy()[inside], wanted[inside], atol=5e-3)
    outside = np.any(
        [(t < -0.6) | (t > n - 0.4) for t, n in zip(there, shape, strict=True)], axis=0
    )
    assert (found[0].numpy()[outside] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_landmarks_go_with_the_image(shape) -> None:
    """A small bright ball stays around its landmark."""
    middle = np.array([0.45 * n for n in shape])
    x = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    ball = np.exp(-((x - middle.reshape(-1, *(1,) * len(shape))) ** 2).sum(0) / 8).astype(
        np.float32
    )
    for seed in range(4):
        change = a_plan(shape, seed=seed).moving
        change.grid[3] = 1
        image, _ = change_image(
            torch.from_numpy(ball)[None], None, Change(change.matrix, change.grid, 1.0, 0.0, 0)
        )
        point = change_points(middle[None], change, shape)[0]
        weights = image[0].double().numpy()
        mass = (x * weights).reshape(len(shape), -1).sum(1) / weights.sum()
        assert np.abs(mass - point).max() < 0.5


def test_both_images_are_mirrored_alike_and_only_left_to_right() -> None:
    shape = (20, 23, 18)
    flips = set()
    for seed in range(20):
        chosen = a_plan(shape, 0.2, seed, orientation="RAS")
        signs = [tuple(np.sign(np.diag(c.matrix)[:3])) for c in (chosen.moving, chosen.fixed)]
        assert signs[0] == signs[1]
        assert signs[0][1:] == (1, 1)
        flips.add(signs[0][0])
    assert flips == {-1, 1}
    along = {tuple(np.sign(np.diag(a_plan(shape, 0.2, s).moving.matrix)[:3])) for s in range(60)}
    assert len(along) == 8


def test_an_atlas_keeps_its_shape() -> None:
    shape = (20, 23, 18)
    sample = pair(shape)
    chosen = a_plan(shape, fixed_stays=True)
    assert np.array_equal(chosen.fixed.matrix, np.eye(4))
    changed = augmented(sample, chosen)
    assert torch.equal(changed.fixed_labels, sample.fixed_labels)
    assert torch.equal(changed.fixed_landmarks, sample.fixed_landmarks)
    assert not torch.equal(changed.moving_labels, sample.moving_labels)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_deformation_does_not_fold(shape) -> None:
    for seed in range(10):
        change = a_plan(shape, seed=seed).moving
        grid = change.grid[3 - len(shape) : 3].reshape(
            len(shape), *(change.grid.shape[-1],) * len(shape)
        )
        step = (np.array(shape) - 1) / (grid.shape[1] - 1)
        jacobian = np.stack([np.stack(np.gradient(g, *step)) for g in grid]) + np.eye(
            len(shape)
        ).reshape(len(shape), len(shape), *(1,) * len(shape))
        assert np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1))).min() > 0.2


def test_threads_do_not_change_the_numbers() -> None:
    from napari_voxelmorph.engine import parallel

    shape = (48, 40, 36)
    sample, before = pair(shape), parallel.thread_count()
    found = []
    try:
        for threads in (1, 3):
            parallel.set_threads(threads)
            found.append(augmented(sample, a_plan(shape)))
    finally:
        parallel.set_threads(before)
    assert torch.equal(found[0].moving, found[1].moving)
    assert torch.equal(found[0].moving_labels, found[1].moving_labels)


def test_noise_is_normal_and_leaves_the_background() -> None:
    shape = (40, 40, 40)
    grid = np.zeros((4, 2, 2, 2), np.float32)
    grid[3] = 1
    image = torch.full((1, *shape), 0.5)
    image[0, :10] = 0
    changed, _ = change_image(image, None, Change(np.eye(4), grid, 1.0, 0.1, 7))
    noise = (changed[0, 10:] - 0.5).numpy() / 0.1
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    assert np.abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.02
    assert (changed[0, :10] == 0).all()
