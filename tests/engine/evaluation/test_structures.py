"""Overlap, surface distances and sizes against surface-distance (Learn2Reg), SimpleITK and scipy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.evaluation.structures import (
    Structure,
    compare,
    ids_of,
    segmented,
)
from napari_voxelmorph.engine.evaluation.surfaces import surfaces_of
from napari_voxelmorph.engine.evaluation.surfel_areas import surfel_areas

SPACINGS = [(1.0, 1.0, 1.0), (1.2, 0.7, 3.0), (0.8, 1.7)]


def blobs(ndim: int, seed: int, labels: int = 5) -> Any:
    """A segmentation of smooth blobs that reach the edges of the image."""
    rng = np.random.default_rng(seed)
    shape = (22, 25, 19)[:ndim]
    noise = [ndimage.gaussian_filter(rng.normal(size=shape), 2.5) for _ in range(labels)]
    chosen = np.argmax(noise, axis=0)
    return np.where(np.max(noise, axis=0) > 0.02, chosen + 1, 0).astype(np.int16)


def compared(fixed: Any, moved: Any, spacing: tuple[float, ...]) -> dict[int, Structure]:
    steps = compare(segmented(fixed, spacing), segmented(moved, spacing))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_distances_are_those_of_the_learn2reg_library(spacing: tuple[float, ...]) -> None:
    library = pytest.importorskip("surface_distance")
    fixed, moved = blobs(len(spacing), 0), blobs(len(spacing), 1)
    found = compared(fixed, moved, spacing)
    assert sorted(found) == [1, 2, 3, 4, 5]
    for label, structure in found.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls scipy by old names
            parts = library.compute_surface_distances(fixed == label, moved == label, spacing)
        hd95 = library.compute_robust_hausdorff(parts, 95)
        areas = parts["surfel_areas_gt"], parts["surfel_areas_pred"]
        distances = parts["distances_gt_to_pred"], parts["distances_pred_to_gt"]
        weighted = sum(float(np.dot(d, a)) for d, a in zip(distances, areas, strict=True))
        assert structure.hd95 == pytest.approx(hd95, rel=1e-5)
        assert structure.assd == pytest.approx(weighted / sum(a.sum() for a in areas), rel=1e-5)


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_surfaces_and_distances_are_those_of_the_definition_by_scipy(
    spacing: tuple[float, ...],
) -> None:
    fixed, moved = blobs(len(spacing), 2), blobs(len(spacing), 3)
    for label, structure in compared(fixed, moved, spacing).items():
        borders = [_cells(mask == label) for mask in (fixed, moved)]
        distances = [
            ndimage.distance_transform_edt(~other, sampling=spacing)[own]
            for own, other in (borders, borders[::-1])
        ]
        surfaces = [surfaces_of(m, np.array([label]), spacing)[label] for m in (fixed, moved)]
        assert [len(s.cells) for s in surfaces] == [int(b.sum()) for b in borders]
        top = max(d.max() for d in distances)
        far = structure.farthest
        assert structure.hd95 <= top * (1 + 1e-6)
        cells = np.minimum(np.argwhere(borders[0] | borders[1]), np.array(fixed.shape) - 1)
        assert (cells == far).all(axis=1).any()
        areas = [s.areas for s in surfaces]  # in the order of the cells, as in scipy's arrays
        weighted = sum(float(np.dot(d, a)) for d, a in zip(distances, areas, strict=True))
        assert structure.assd == pytest.approx(weighted / sum(a.sum() for a in areas), rel=1e-5)


def _cells(mask: Any) -> Any:
    wide = np.pad(mask, 1)
    corners = [
        wide[tuple(slice(c, n - 1 + c) for c, n in zip(corner, wide.shape, strict=True))]
        for corner in np.ndindex(*[2] * mask.ndim)
    ]
    return np.any(corners, axis=0) & ~np.all(corners, axis=0)


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_overlap_and_sizes_are_those_of_simpleitk(spacing: tuple[float, ...]) -> None:
    fixed, moved = blobs(len(spacing), 4), blobs(len(spacing), 5)
    images = [sitk.GetImageFromArray(a) for a in (fixed, moved)]
    for image in images:
        image.SetSpacing(spacing[::-1])
    overlap, shape = sitk.LabelOverlapMeasuresImageFilter(), sitk.LabelShapeStatisticsImageFilter()
    overlap.Execute(*images)
    shape.Execute(images[0])
    unit = 1000 if len(spacing) == 3 else 100
    for label, structure in compared(fixed, moved, spacing).items():
        assert structure.dice == pytest.approx(overlap.GetDiceCoefficient(label))
        assert structure.fixed_size == pytest.approx(shape.GetPhysicalSize(label) / unit)
        itk = overlap.GetVolumeSimilarity(label)  # 2 (source - target) / (source + target)
        sizes = structure.fixed_size, structure.moved_size
        assert 2 * (sizes[0] - sizes[1]) / sum(sizes) == pytest.approx(itk)
        assert structure.difference == pytest.approx(100 * (sizes[1] / sizes[0] - 1))


def test_the_area_of_a_ball_and_of_a_box() -> None:
    at = np.indices((61, 61, 61)) - 30
    ball = (np.square(at).sum(axis=0) <= 25**2).astype(np.uint8)
    area = surfaces_of(ball, np.array([1]), (1.0, 1.0, 1.0))[1].areas.sum()
    assert area == pytest.approx(4 * np.pi * 25**2, rel=0.1)
    spacing = (1.0, 2.0, 3.0)
    box = np.zeros((42, 42, 42), np.uint8)
    box[1:41, 1:41, 1:41] = 1
    area = surfaces_of(box, np.array([1]), spacing)[1].areas.sum()
    assert area == pytest.approx(2 * 40 * 40 * (1 * 2 + 1 * 3 + 2 * 3), rel=0.03)


def test_a_contour_is_a_surface_of_an_endless_image() -> None:
    areas = surfel_areas((1.0, 0.8, 1.7))
    diagonal = 0.5 * np.hypot(0.8, 1.7)
    expected = {1: diagonal, 3: 1.7, 5: 0.8, 6: 2 * diagonal, 8: diagonal, 12: 1.7, 15: 0}
    for code, length in expected.items():
        assert areas[17 * code] == pytest.approx(length)


def test_the_same_twice_and_a_shift_by_one_voxel() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:12, 6:13, 7:14] = 3
    same = compared(labels, labels, (1.0, 1.0, 2.0))[3]
    assert (same.dice, same.hd95, same.assd, same.difference) == (1, 0, 0, 0)
    assert same.centre == (8, 9, 10)
    shifted = compared(labels, np.roll(labels, 1, axis=2), (1.0, 1.0, 2.0))[3]
    assert shifted.hd95 == 2 and shifted.dice == pytest.approx(6 / 7)


def test_a_structure_that_one_lacks_is_nan_and_its_size_zero() -> None:
    fixed, moved = np.zeros((6, 6, 6), np.uint8), np.zeros((6, 6, 6), np.uint8)
    fixed[1:3, 1:3, 1:3] = 7
    moved[3:5, 3:5, 3:5] = 9
    found = compared(fixed, moved, (1.0, 1.0, 1.0))
    for structure in found.values():
        assert np.isnan([structure.dice, structure.hd95, structure.assd]).all()
        assert np.isnan(structure.difference) and structure.farthest == ()
    assert (found[7].fixed_size, found[7].moved_size) == (0.008, 0.0)
    assert found[9].centre == (3, 3, 3)


def test_the_centre_of_a_bent_structure_lies_inside_it() -> None:
    labels = np.zeros((1, 30, 30), np.uint8)
    labels[0, 2:28, 2:5] = labels[0, 2:28, 25:28] = labels[0, 2:5, 2:28] = 4
    centre = segmented(labels, (1.0, 1.0, 1.0)).centres[4]
    assert labels[centre] == 4


def test_only_what_is_asked_is_measured() -> None:
    fixed, moved = blobs(3, 0), blobs(3, 1)
    spacing = (1.0, 1.0, 1.0)
    whole = compared(fixed, moved, spacing)
    steps = compare(segmented(fixed, spacing), segmented(moved, spacing, [2]), [2])
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    assert end.value.value == {2: whole[2]}


def test_large_and_negative_ids() -> None:
    labels = np.array([[2**40, 2**40, 0, -3], [2**40, 5, 5, -3]])
    assert ids_of(np.array([-3, 0, 5], np.int8)) == [-3, 5]
    found = compared(labels, labels, (1.0, 1.0))
    assert sorted(found) == [-3, 5, 2**40]
    assert all(s.dice == 1 and s.hd95 == 0 for s in found.values())
    assert found[5].fixed_size == 0.02


def test_what_is_no_segmentation_is_told() -> None:
    with pytest.raises(InputError, match="whole numbers"):
        ids_of(np.zeros((3, 3)))
    with pytest.raises(InputError, match="rather than a segmentation"):
        ids_of(np.arange(8000).reshape(80, 100))
    empty = np.zeros((4, 4), np.uint8)
    assert compared(empty, empty, (1.0, 1.0)) == {}
    with pytest.raises(InputError, match="one grid"):
        next(compare(segmented(empty, (1, 1)), segmented(empty[:2], (1, 1))))
