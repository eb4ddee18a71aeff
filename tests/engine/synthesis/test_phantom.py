"""The phantom pair: reproducible, anatomical, and its truth is true."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import voxel_to_voxel
from napari_voxelmorph.engine.synthesis.phantom import PhantomPair, make_pair
from napari_voxelmorph.engine.synthesis.tissues import LABEL_NAMES, TISSUES


@pytest.fixture(scope="module", params=[2, 3])
def pair(request: pytest.FixtureRequest) -> PhantomPair:
    return make_pair(request.param, seed=3, spacing=1.0 if request.param == 2 else 2.5)


def true_indices(pair: PhantomPair) -> np.ndarray:
    """Where each fixed voxel lies in the moving array, by the stated convention."""
    fixed = pair.fixed
    at = np.indices(fixed.shape) + pair.truth.displacement(fixed)
    matrix = voxel_to_voxel(fixed, pair.moving, pair.truth.affine)
    offset = matrix[:-1, -1].reshape(-1, *[1] * fixed.ndim)
    return np.tensordot(matrix[:-1, :-1], at, 1) + offset


def overlap(pair: PhantomPair, moved: np.ndarray) -> float:
    fixed = pair.fixed_labels.data
    ids = [i for i in pair.brain_ids if (fixed == i).sum() > 100]
    dice = [
        2 * ((fixed == i) & (moved == i)).sum() / ((fixed == i).sum() + (moved == i).sum())
        for i in ids
    ]
    return float(np.mean(dice))


def test_the_same_seed_is_the_same_pair() -> None:
    first, second, other = (make_pair(2, seed, spacing=2) for seed in (5, 5, 6))
    assert np.array_equal(first.moving.data, second.moving.data)
    assert np.array_equal(first.truth.affine, second.truth.affine)
    assert not np.array_equal(first.moving.data, other.moving.data)


def test_grids_differ_and_are_physical(pair: PhantomPair) -> None:
    assert pair.fixed.shape != pair.moving.shape
    assert not np.allclose(pair.fixed.affine, pair.moving.affine)
    for scan, labels in ((pair.fixed, pair.fixed_labels), (pair.moving, pair.moving_labels)):
        assert scan.shape == labels.shape
        assert np.array_equal(scan.affine, labels.affine)
    if pair.fixed.ndim == 3:
        assert pair.fixed.orientation != pair.moving.orientation
        assert np.ptp(pair.moving.spacing) > 0.5


def test_true_displacement_aligns_labels_far_better_than_the_headers(pair: PhantomPair) -> None:
    moved = ndimage.map_coordinates(pair.moving_labels.data, true_indices(pair), order=0)
    matrix = voxel_to_voxel(pair.fixed, pair.moving)
    offset = matrix[:-1, -1].reshape(-1, *[1] * pair.fixed.ndim)
    plain = np.tensordot(matrix[:-1, :-1], np.indices(pair.fixed.shape), 1) + offset
    unmoved = ndimage.map_coordinates(pair.moving_labels.data, plain, order=0)
    assert overlap(pair, moved) > 0.82
    assert overlap(pair, unmoved) < overlap(pair, moved) - 0.3


def test_truth_inverts_itself_and_carries_the_landmarks(pair: PhantomPair) -> None:
    points = pair.fixed_landmarks
    assert len(points) == len(pair.landmark_names) >= 8
    back = pair.truth.moving_to_fixed(pair.moving_landmarks)
    assert np.abs(back - points).max() < 0.01
    assert np.allclose(pair.truth.fixed_to_moving(points), pair.moving_landmarks)


def test_the_deformation_is_one_to_one_and_of_the_asked_size() -> None:
    for size in (4.0, 9.0):
        pair = make_pair(2, seed=1, deformation=size)
        u = pair.truth.displacement(pair.fixed)
        gradient = np.stack([np.stack(np.gradient(c)) for c in u]) + np.eye(2)[:, :, None, None]
        jacobian = np.linalg.det(np.moveaxis(gradient, (0, 1), (-2, -1)))
        assert jacobian.min() > 0.1
        assert 0.4 * size < np.linalg.norm(u, axis=0).max() < 1.2 * size


def test_left_and_right_are_told_apart() -> None:
    pair = make_pair(3, seed=0, spacing=4)
    index = {i: np.argwhere(pair.fixed_labels.data == i).mean(axis=0) for i in (2, 41, 12, 51)}
    world = {i: pair.fixed.affine[:3, :3] @ p + pair.fixed.affine[:3, 3] for i, p in index.items()}
    assert world[41][0] > world[2][0] + 20
    assert world[51][0] > world[12][0] + 20
    marker = np.argwhere(pair.fixed_labels.data == 999).mean(axis=0)
    assert (pair.fixed.affine[:3, :3] @ marker + pair.fixed.affine[:3, 3])[0] > world[51][0] + 30


def test_every_structure_is_there_and_named() -> None:
    pair = make_pair(3, seed=0, spacing=2.5)
    for labels in (pair.fixed_labels.data, pair.moving_labels.data):
        assert set(np.unique(labels)) == {0, *LABEL_NAMES}
    assert LABEL_NAMES[17] == "Left-Hippocampus"
    assert set(pair.brain_ids) <= set(LABEL_NAMES)


def test_contrasts_show_what_they_should() -> None:
    pair = make_pair(2, contrasts=("T2", "T1"), noise=0, bias=0)
    white, fluid = (2, 41), (4, 43)

    def mean(image: np.ndarray, labels: np.ndarray, ids: tuple[int, ...]) -> float:
        return float(image[np.isin(labels, ids)].mean())

    t1 = (pair.fixed.data, pair.fixed_labels.data)
    t2 = (pair.moving.data, pair.moving_labels.data)
    assert mean(*t1, white) > 2.5 * mean(*t1, fluid)
    assert mean(*t2, fluid) > 1.8 * mean(*t2, white)
    assert TISSUES["CSF"].t2 > TISSUES["CSF"].t1


def test_default_size_is_quick() -> None:
    start = time.process_time()
    pair = make_pair()
    assert pair.fixed.shape == (96, 112, 96)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ndim": 4}, "ndim must be 2 or 3"),
        ({"spacing": 0.1}, "spacing must be"),
        ({"contrasts": ("T1", "FLAIR")}, "T1"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_pair(**arguments)
