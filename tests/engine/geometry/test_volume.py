"""What a volume accepts, and how it names its axes."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume, voxel_to_voxel

DATA = np.zeros((3, 4, 5))


def oblique(axes, signs, angle=0.35):
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ (np.eye(3)[:, list(axes)] * np.array(signs) * [1.0, 2.0, 0.7])
    affine[:3, 3] = [5, -60, 20]
    return affine


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_orientation_agrees_with_nibabel(axes):
    for signs in product((1, -1), repeat=3):
        affine = oblique(axes, signs)
        volume = Volume(DATA, affine)
        assert volume.orientation == "".join(nib.aff2axcodes(affine))
        np.testing.assert_allclose(volume.spacing, [1.0, 2.0, 0.7])
        np.testing.assert_allclose(volume.center, nib.affines.apply_affine(affine, [1, 1.5, 2]))


def test_voxel_to_voxel_goes_through_the_world():
    fixed, moving = (
        Volume(DATA, oblique((1, 2, 0), (1, -1, 1))),
        Volume(DATA, oblique((0, 1, 2), (-1, 1, 1))),
    )
    world = oblique((0, 1, 2), (1, 1, 1), 0.1)
    points = np.random.default_rng(0).normal(size=(5, 3))
    there = nib.affines.apply_affine(world, nib.affines.apply_affine(fixed.affine, points))
    np.testing.assert_allclose(
        nib.affines.apply_affine(voxel_to_voxel(fixed, moving, world), points),
        nib.affines.apply_affine(np.linalg.inv(moving.affine), there),
    )


def bad(change):
    affine = np.eye(4)
    change(affine)
    return affine


@pytest.mark.parametrize(
    "affine, words",
    [
        (np.zeros((4, 4)), "all zero or flat"),
        (np.diag([1, 1, 0, 1.0]), "all zero or flat"),
        (bad(lambda a: a.__setitem__((0, slice(None)), a[1])), "all zero or flat"),
        (np.eye(3), "shape"),
        (np.full((4, 4), np.nan), "NaN"),
        (bad(lambda a: a.__setitem__((3, 0), 1)), "last row"),
    ],
)
def test_matrices_that_are_refused(affine, words):
    with pytest.raises(InputError, match=words):
        Volume(DATA, affine)


@pytest.mark.parametrize(
    "data, words",
    [
        (np.zeros((2, 2, 2, 2)), "4 axes"),
        (np.zeros(5), "1 axes"),
        (np.zeros((3, 3), complex), "complex"),
        (np.array([["a", "b"]]), "real numbers"),
        (np.zeros((0, 3)), "empty"),
    ],
)
def test_data_that_is_refused(data, words):
    with pytest.raises(InputError, match=words):
        Volume(data)


def test_with_data_keeps_the_grid():
    volume = Volume(DATA, oblique((0, 1, 2), (1, 1, 1)), name="a")
    other = volume.with_data(np.ones((3, 4, 5), bool), kind="labels")
    assert other.kind == "labels" and (other.affine == volume.affine).all()
    with pytest.raises(InputError, match="shape"):
        volume.with_data(np.ones((3, 4)))
    with pytest.raises(ValueError):
        volume.affine[0, 0] = 3
