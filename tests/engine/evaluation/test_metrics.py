"""Dice and landmark error against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.evaluation.metrics import dice, mean_dice, target_registration_error
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64])
def test_dice_is_its_definition(dtype: type) -> None:
    rng = np.random.default_rng(0)
    first, second = (
        rng.integers(0, 2 if dtype is bool else 5, (9, 8, 7)).astype(dtype) for _ in "ab"
    )
    for label, score in dice(first, second).items():
        a, b = first == label, second == label
        assert score == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert 0 not in dice(first, second)
    assert set(dice(first, first).values()) == {1.0}


def test_a_label_that_one_image_lacks_is_nan_and_left_out_of_the_mean() -> None:
    first, second = np.array([[1, 2, 0]]), np.array([[1, 3, 0]])
    scores = dice(first, second)
    assert scores[1] == 1 and np.isnan(scores[2]) and np.isnan(scores[3])
    assert mean_dice(scores) == 1
    assert np.isnan(mean_dice({}))
    assert list(dice(first, second, ids=[1, 9])) == [1, 9]


def test_large_ids_are_exact() -> None:
    labels = np.array([2**40, 2**40 + 1, 7])
    assert set(dice(labels, labels)) == {2**40, 2**40 + 1, 7}


def test_landmark_error_is_in_millimetres_of_the_moving_world() -> None:
    image = Volume(np.zeros((5, 6, 7)), np.diag([2.0, 3.0, 1.0, 1.0]))
    affine = np.eye(4)
    affine[:3, 3] = 3, 4, 0
    points = np.array([[0.0, 0, 0], [2, 3, 1]])
    errors = target_registration_error(Registration(image, image, affine), points, points)
    assert errors == pytest.approx([5, 5])


def test_mismatches_are_refused() -> None:
    with pytest.raises(InputError, match="one grid"):
        dice(np.zeros((2, 3), int), np.zeros((3, 2), int))
    image = Volume(np.zeros((5, 6)))
    with pytest.raises(InputError, match="in pairs"):
        target_registration_error(
            Registration(image, image, np.eye(3)), np.zeros((2, 2)), np.zeros((1, 2))
        )
