"""Landmarks that pull the field: they meet, smoothly, near by, and nothing folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.evaluation.metrics import target_registration_error
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.landmarks import LandmarkPairs
from napari_voxelmorph.engine.optimization import landmark_pull
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.optimization.field_ops import CpuOps, TorchOps
from napari_voxelmorph.engine.optimization.landmark_pull import LandmarkPull, wendland
from napari_voxelmorph.engine.result import Registration

CPU = torch.device("cpu")
QUICK = replace(DEFAULT, affine="none", iterations=(40, 30, 20), landmark_weight=10.0)


def silent(shape, spacing=1.0):
    """A bright frame far from the middle: two of them say nothing about what is within."""
    data = np.full(shape, 50.0, np.float32)
    for axis in range(len(shape)):
        for at in (0, -1):
            data[tuple(at if a == axis else slice(None) for a in range(len(shape)))] = 80.0
    affine = np.diag([*[spacing] * len(shape), 1.0])
    return Volume(data, affine)


def sloping(shape):
    """Silent but for a slope along its border."""
    edge = np.minimum.reduce(
        [np.minimum(g, n - 1 - g) for g, n in zip(np.indices(shape), shape, strict=True)]
    )
    return Volume((50 + 4.0 * np.maximum(8 - edge, 0)).astype(np.float32))


def registered(fixed, moving, pairs, config=QUICK, affine=None, **given):
    matrix = np.eye(fixed.ndim + 1) if affine is None else affine
    steps = deform(fixed, moving, matrix, config, device=CPU, landmarks=pairs, **given)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return Registration(fixed, moving, matrix, end.value)


def apart(result, pairs):
    return target_registration_error(result, pairs.fixed, pairs.moving)


def folds(result):
    """Share of voxels where central differences of the map turn inside out."""
    u = result.displacement
    inner = (slice(1, -1),) * result.ndim
    rows = [[g[inner] for g in np.gradient(c)] for c in u]
    matrix = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) + np.eye(result.ndim)
    return float((np.linalg.det(matrix) <= 0).mean())


def scattered(shape, count, size, seed=0):
    """Points within, and where they go: smooth, up to `size` mm."""
    rng = np.random.default_rng(seed)
    extent = np.array(shape) - 1.0
    fixed = extent * rng.uniform(0.25, 0.75, (count, len(shape)))
    turn = rng.normal(size=(len(shape), len(shape)))
    moves = np.sin(2 * fixed / extent @ turn)
    return LandmarkPairs(fixed, fixed + size * moves / np.abs(moves).max())


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("kind", ["velocity", "displacement"])
@pytest.mark.parametrize("shape", [(61, 72), (36, 41, 38)])
def test_where_the_images_are_silent_the_points_meet(shape, kind, symmetric):
    """To a quarter of a voxel, from four voxels, with a weight of 10."""
    image = silent(shape)
    pairs = scattered(shape, 6, 4.0)
    config = replace(QUICK, transform=kind, symmetric=symmetric, similarity="mse")
    result = registered(image, image, pairs, config)
    before = np.linalg.norm(pairs.fixed - pairs.moving, axis=1)
    assert before.max() > 3.0
    assert apart(result, pairs).max() < 0.25
    assert folds(result) == 0


def test_without_weight_or_landmarks_nothing_changes():
    image = silent((40, 44))
    pairs = scattered((40, 44), 4, 3.0)
    off = registered(image, image, pairs, replace(QUICK, landmark_weight=0.0))
    assert not off.field.data.any()
    assert not registered(image, image, None).field.data.any()


def test_more_weight_brings_the_points_nearer_against_the_images():
    """The images are equal, so they want nothing to move; the points want 3 voxels."""
    rng = np.random.default_rng(3)
    data = np.kron(rng.normal(size=(16, 18)), np.ones((4, 4))).astype(np.float32)
    image = Volume(data)
    middle = np.array([[32.0, 36.0]])
    pairs = LandmarkPairs(middle, middle + np.array([0.0, 3.0]))
    left = [
        apart(registered(image, image, pairs, replace(QUICK, landmark_weight=w)), pairs)[0]
        for w in (0.2, 1.0, 10.0)
    ]
    assert 3.0 > left[0] > left[1] > left[2]
    assert left[2] < 0.7


@pytest.mark.parametrize("name", ["lncc", "mse", "mi", "mind"])
def test_landmarks_help_every_similarity_and_need_no_mask(name):
    """A far shift that the images alone cannot bridge; half of it lies under no mask."""
    rng = np.random.default_rng(5)
    fine = np.kron(rng.normal(size=(20, 22)), np.ones((3, 3))).astype(np.float32)
    fixed = Volume(fine)
    moving = Volume(np.roll(fine, 9, axis=1))
    at = np.stack(np.meshgrid([12.0, 30.0, 48.0], [14.0, 30.0, 46.0]), -1).reshape(-1, 2)
    pairs = LandmarkPairs(at, at + np.array([0.0, 9.0]))
    mask = np.zeros(fixed.shape, bool)
    mask[:30] = True
    config = replace(QUICK, similarity=name)
    result = registered(
        fixed, moving, pairs, config, fixed_mask=fixed.with_data(mask, kind="labels")
    )
    assert apart(result, pairs).max() < 1.0
    between = np.array([[20.0, 22.0], [40.0, 38.0]])
    there = result.fixed_to_moving(between)
    np.testing.assert_allclose(there, between + np.array([0.0, 9.0]), atol=1.5)


def test_a_wrong_landmark_bends_its_neighbourhood_only():
    """On one level exactly; with all of them as far as the coarsest one reaches."""
    shape = (96, 104)
    right = LandmarkPairs(np.array([[20.0, 20.0]]), np.array([[20.0, 22.0]]))
    wrong = LandmarkPairs(
        np.vstack([right.fixed, [[72.0, 80.0]]]), np.vstack([right.moving, [[72.0, 74.0]]])
    )
    away = np.linalg.norm(np.indices(shape) - np.array([72.0, 80.0])[:, None, None], axis=0)
    blobs = np.random.default_rng(6).normal(size=(24, 26))
    for data, cells, iterations, loose in (
        (None, 2, (0, 0, 40), 0.15),
        (np.kron(blobs, np.ones((4, 4))), 4, (40, 30, 20), 1.0),
    ):
        image = sloping(shape) if data is None else Volume(data.astype(np.float32))
        config = replace(QUICK, similarity="mse", iterations=iterations)
        alone, both = (registered(image, image, p, config) for p in (right, wrong))
        change = np.linalg.norm(both.displacement - alone.displacement, axis=0)
        assert change[away < 2].min() > 3.0
        far = change[away > 1.1 * cells * landmark_pull.REACH]
        # Six voxels were asked for; two runs of the images' own forces differ a little everywhere.
        assert far.mean() < 0.1 and far.max() < loose
        assert apart(both, right).max() < 0.5
        assert folds(both) == 0


def test_points_that_contradict_each_other_do_not_fold():
    """Two points side by side that go opposite ways, and two that swap their places."""
    shape = (36, 41, 38)
    image = silent(shape)
    fixed = np.array([[14.0, 20, 19], [15, 20, 19], [22, 16, 19], [22, 24, 19]])
    moving = np.array([[14.0, 24, 19], [15, 16, 19], [22, 24, 19], [22, 16, 19]])
    result = registered(
        image, image, LandmarkPairs(fixed, moving), replace(QUICK, similarity="mse")
    )
    assert np.isfinite(result.displacement).all()
    assert folds(result) < 1e-4


def test_an_affine_and_thick_slices_are_taken_into_account():
    """Points are world millimetres of their own scans, on grids of their own."""
    shape = (40, 36, 16)
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[:3, 3] = 5, -8, 11
    fixed = Volume(silent(shape).data, affine)
    matrix = np.eye(4)
    matrix[:3, :3] = [[0.9, 0.1, 0], [-0.1, 1.0, 0.05], [0, 0, 1.1]]
    matrix[:3, 3] = 3, 2, -4
    moving = Volume(fixed.data, matrix @ affine)
    points = affine[:3, :3] @ np.array([[20.0, 15, 8], [14, 22, 6]]).T
    points = points.T + affine[:3, 3]
    wanted = points + np.array([[2.5, 0, 2.0], [0, -3.0, 0]])
    pairs = LandmarkPairs(points, wanted @ matrix[:3, :3].T + matrix[:3, 3])
    result = registered(fixed, moving, pairs, replace(QUICK, similarity="mse"), matrix)
    assert apart(result, pairs).max() < 0.3


def test_a_point_beyond_the_images_content_still_counts():
    """The optimiser crops to the content; a field goes on as it is at its edge."""
    data = np.zeros((64, 70), np.float32)
    data[20:40, 24:44] = np.random.default_rng(0).normal(size=(20, 20)) + 10
    image = Volume(data)
    pairs = LandmarkPairs(np.array([[58.0, 34.0]]), np.array([[60.0, 34.0]]))
    result = registered(image, image, pairs)
    assert apart(result, pairs)[0] < 1.0


# The step itself ------------------------------------------------------------------------------


def warped(shape, seed=2, size=0.8):
    """A smooth displacement (3, *S), cells."""
    rng = np.random.default_rng(seed)
    axes = np.indices(shape) / np.array(shape)[:, None, None, None]
    waves = [
        np.sin(2 * np.pi * np.tensordot(rng.uniform(-1, 1, 3), axes, 1) + rng.uniform(0, 6))
        for _ in range(3)
    ]
    return (size * np.array(waves)).astype(np.float32)


def pull_of(ops, points, goals, shape, weight=1e6, longest=1e6, reach=9.0):
    return LandmarkPull(ops, points, goals, shape, np.full(3, reach), weight, longest)


def test_the_step_is_the_gradients_and_brings_the_points_together():
    """Directional derivative of the squared distances by finite differences: ``-eᵀ M e``."""
    shape = (22, 24, 20)
    ops, u = CpuOps(), warped(shape)
    rng = np.random.default_rng(1)
    points = rng.uniform(6, 15, (5, 3))
    pull = pull_of(ops, points, points + rng.normal(0, 0.3, (5, 3)), shape)
    zero = np.zeros((3, *shape), np.float32)
    step = pull.step(u, zero)
    error = pull.residuals(u)

    def half_squares(t):
        """Of φ ∘ (id + t d), at the points."""
        at = points + t * ops.at(step, points)
        moved = at + np.stack([map_coordinates(c.astype(float), at.T, order=1) for c in u], 1)
        return 0.5 * np.sum((pull._goals - moved) ** 2)

    slope = (half_squares(1e-3) - half_squares(-1e-3)) / 2e-3
    # Without the ridge it would be the whole of it: Newton's step.
    assert -np.sum(error**2) < slope < -0.85 * np.sum(error**2)
    assert half_squares(1.0) < 0.05 * half_squares(0.0)


def test_the_motion_between_points_is_that_of_scipys_interpolation(monkeypatch):
    """Radial basis functions without a polynomial, by scipy's general solver."""
    monkeypatch.setattr(landmark_pull, "_RIDGE", 1e-8)
    shape = (20, 22, 18)
    rng = np.random.default_rng(4)
    points = rng.uniform(5, 13, (6, 3))
    moves = rng.normal(0, 0.4, (6, 3))
    pull = pull_of(CpuOps(), points, points + moves, shape)
    zero = np.zeros((3, *shape), np.float32)
    step = pull.step(zero, zero)
    gram = wendland(np.linalg.norm(points[:, None] - points[None], axis=2) / 9.0)
    weights = np.linalg.solve(gram, moves)
    cells = np.indices(shape).reshape(3, -1).T
    truth = wendland(np.linalg.norm(cells[:, None] - points[None], axis=2) / 9.0) @ weights
    np.testing.assert_allclose(step.reshape(3, -1).T, truth, atol=1e-4)
    # The same points by Gaussians, as a check of size and sign between them.
    others = RBFInterpolator(points, moves, kernel="gaussian", epsilon=1 / 4.0, degree=-1)
    near = np.array([[9.0, 9.0, 9.0]])
    assert np.linalg.norm(step[:, 9, 9, 9] - others(near)[0]) < 0.5 * np.abs(moves).max()


def test_wendlands_function_is_positive_definite_and_smooth():
    points = np.random.default_rng(0).uniform(0, 1, (40, 3))
    gram = wendland(np.linalg.norm(points[:, None] - points[None], axis=2))
    assert np.linalg.eigvalsh(gram).min() > 0
    r = np.linspace(0, 1.2, 2401)
    second = np.gradient(np.gradient(wendland(r), r), r)
    assert np.abs(np.diff(second)[2:-2]).max() < 0.1  # no jump, also not at 1
    assert wendland(np.array([0.0, 1.0, 1.1])).tolist() == [1.0, 0.0, 0.0]


def test_image_and_landmark_meet_in_the_middle_at_weight_one(monkeypatch):
    monkeypatch.setattr(landmark_pull, "_RIDGE", 0.0)
    shape = (12, 14, 12)
    point = np.array([[6.0, 7.0, 6.0]])
    image_step = np.zeros((3, *shape), np.float32)
    image_step[1] = 0.4
    zero = np.zeros_like(image_step)
    for weight, share in ((1.0, 0.5), (3.0, 0.75)):
        pull = pull_of(CpuOps(), point, point + np.array([0.0, 0.0, 0.2]), shape, weight)
        total = image_step + pull.step(zero, image_step)
        np.testing.assert_allclose(
            total[:, 6, 7, 6], [0, (1 - share) * 0.4, share * 0.2], atol=1e-6
        )


def test_a_far_landmark_asks_for_no_more_than_one_step():
    shape = (20, 20, 20)
    point = np.array([[10.0, 10.0, 10.0]])
    pull = pull_of(CpuOps(), point, point + 7.0, shape, longest=0.3)
    zero = np.zeros((3, *shape), np.float32)
    step = pull.step(zero, zero)
    assert np.linalg.norm(step, axis=0).max() <= 0.3 + 1e-6
    far = np.linalg.norm(np.indices(shape) - 10.0, axis=0) > 9.0
    assert not step[:, far].any()


@pytest.mark.parametrize("shape", [(10, 12, 11), (1, 14, 12)])
def test_torch_pulls_as_the_kernels_do(shape):
    u = warped(shape, size=0.4)
    u[0] *= shape[0] > 1
    points = np.array([[4.0, 5.5, 6.2], [6.0, 7.0, 3.0]]) * (np.array(shape) > 1)
    goals = points + np.array([[0.5, -0.6, 0.2], [0.1, 0.3, 0.8]]) * (np.array(shape) > 1)
    torch_ops = TorchOps(CPU)
    step = 0.1 * u[:, ::-1].copy()
    ours = pull_of(CpuOps(), points, goals, shape).step(u, step)
    theirs = pull_of(torch_ops, points, goals, shape).step(
        torch_ops.array(u), torch_ops.array(step)
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)
