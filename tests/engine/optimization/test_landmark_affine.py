"""Rigid and affine maps from landmarks, against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from napari_voxelmorph.engine.landmarks import LandmarkPairs
from napari_voxelmorph.engine.optimization.landmark_affine import fit_landmarks


def moved(matrix, points):
    return points @ matrix[:-1, :-1].T + matrix[:-1, -1]


def known(ndim, seed=0, linear=None):
    rng = np.random.default_rng(seed)
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] = (
        np.eye(ndim) + rng.normal(0, 0.15, (ndim, ndim)) if linear is None else linear
    )
    matrix[:-1, -1] = rng.normal(0, 30, ndim)
    return matrix


def cloud(count, ndim, seed=1):
    return np.random.default_rng(seed).normal(0, 25, (count, ndim)) + 40


@pytest.mark.parametrize("ndim, count", [(2, 4), (3, 5), (3, 12)])
def test_an_affine_map_is_found_exactly(ndim, count):
    truth, fixed = known(ndim), cloud(count, ndim)
    found = fit_landmarks(LandmarkPairs(fixed, moved(truth, fixed)))
    np.testing.assert_allclose(found, truth, atol=1e-9)


@pytest.mark.parametrize("ndim", [2, 3])
def test_with_noise_it_is_scipys_least_squares(ndim):
    fixed = cloud(14, ndim)
    rng = np.random.default_rng(8)
    moving = moved(known(ndim), fixed) + rng.normal(0, 0.5, fixed.shape)

    def misses(numbers):
        matrix = np.vstack([numbers.reshape(ndim, ndim + 1), np.eye(ndim + 1)[-1]])
        return (moved(matrix, fixed) - moving).ravel()

    truth = least_squares(misses, np.eye(ndim + 1)[:-1].ravel(), xtol=1e-14, ftol=1e-14).x
    found = fit_landmarks(LandmarkPairs(fixed, moving))
    np.testing.assert_allclose(found[:-1].ravel(), truth, atol=1e-5)


@pytest.mark.parametrize("count", [3, 10])
def test_the_rotation_is_scipys(count):
    """`Rotation.align_vectors` solves the same problem (Wahba's) by its own code."""
    fixed = cloud(count, 3)
    turn = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    moving = moved(known(3, linear=turn), fixed) + np.random.default_rng(2).normal(
        0, 1, fixed.shape
    )
    found = fit_landmarks(LandmarkPairs(fixed, moving), "rigid")
    truth = Rotation.align_vectors(moving - moving.mean(0), fixed - fixed.mean(0))[0].as_matrix()
    np.testing.assert_allclose(found[:3, :3], truth, atol=1e-5)
    np.testing.assert_allclose(moved(found, fixed).mean(0), moving.mean(0), atol=1e-9)


def test_too_few_or_flat_points_give_a_rigid_map():
    """Four points fit any affine map; many in one plane do not say how space is stretched across."""
    flat = cloud(8, 3)
    flat[:, 2] = 4.0
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    for fixed in (cloud(3, 3), cloud(4, 3), flat):
        found = fit_landmarks(LandmarkPairs(fixed, moved(known(3, linear=turn), fixed)))
        np.testing.assert_allclose(found[:3, :3], turn, atol=1e-6)


def test_one_point_shifts_and_points_on_a_line_turn_as_little_as_can_be():
    shift = fit_landmarks(LandmarkPairs(np.array([[1.0, 2, 3]]), np.array([[4.0, 2, 1]])))
    np.testing.assert_allclose(shift[:3, :3], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(shift[:3, 3], [3, 0, -2], atol=1e-6)
    along = np.linspace(-20, 20, 5)[:, None]
    fixed, moving = along * [1.0, 0, 0], along * [np.cos(0.4), np.sin(0.4), 0]
    line = fit_landmarks(LandmarkPairs(fixed, moving))
    np.testing.assert_allclose(moved(line, fixed), moving, atol=1e-4)
    turned = Rotation.from_matrix(line[:3, :3]).as_rotvec()
    np.testing.assert_allclose(turned, [0, 0, 0.4], atol=1e-3)


def test_mirrored_pairs_never_give_a_mirror():
    fixed = cloud(6, 3)
    moving = fixed * [-1.0, 1, 1]
    assert np.linalg.det(fit_landmarks(LandmarkPairs(fixed, moving))[:3, :3]) == pytest.approx(1)


def test_few_noisy_points_near_a_plane_do_not_fit_their_noise():
    """Five points in a slab of 10 mm, clicked to 3 mm: an affine map would be far off beyond it."""
    rng = np.random.default_rng(5)
    turn = Rotation.from_euler("xyz", [8, -5, 10], degrees=True).as_matrix()
    truth = known(3, linear=turn)
    far = cloud(30, 3, seed=9)
    for _ in range(5):
        fixed = rng.uniform(-1, 1, (5, 3)) * [60, 60, 5]
        moving = moved(truth, fixed) + rng.normal(0, 3, fixed.shape)
        found = fit_landmarks(LandmarkPairs(fixed, moving))
        miss = np.linalg.norm(moved(found, far) - moved(truth, far), axis=1).mean()
        assert miss < 15


def test_many_points_of_a_stretched_scan_give_an_affine_map():
    rng = np.random.default_rng(3)
    truth, fixed = known(3), cloud(20, 3)
    found = fit_landmarks(LandmarkPairs(fixed, moved(truth, fixed) + rng.normal(0, 1, fixed.shape)))
    assert np.abs(found[:3, :3] - truth[:3, :3]).max() < 0.06
