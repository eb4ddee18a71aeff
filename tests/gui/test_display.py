"""Layers in and out: nothing moves, nothing is mirrored, nothing is guessed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.views.display import (
    contrast_limits,
    default_start,
    layer_from_volume,
    points_from_layer,
    start_from_layers,
    volume_from_layer,
)
from napari_voxelmorph.gui.views.display_grid import AXIS_LABELS, DisplayGrid

ORIENTATIONS = ["".join(c) for p in itertools.permutations(("RL", "AP", "SI"))
                for c in itertools.product(*p)]  # fmt: skip
AFFINE = np.array([[1.0, 0, 0, -7], [0, 2, 0, 11], [0, 0, 3, 5], [0, 0, 0, 1]])


def canonical() -> Volume:
    return Volume(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6), AFFINE, name="scan")


def oblique(degrees: float = 17) -> Volume:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return Volume(canonical().data, turn @ AFFINE, name="oblique")


def layer(volume: Volume) -> Layer:
    return Layer.create(*layer_from_volume(volume))


def test_all_48_orientations_are_covered():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("code", ORIENTATIONS)
def test_every_orientation_is_shown_the_same_way(code, turn):
    volume = turn(canonical(), code)
    assert volume.orientation == code
    grid = DisplayGrid.of(volume)
    np.testing.assert_array_equal(grid.to_display(volume.data), canonical().data.transpose(2, 1, 0))
    np.testing.assert_allclose(grid.scale, (3, 2, 1))
    np.testing.assert_allclose(grid.translate, (5, 11, -7))
    np.testing.assert_array_equal(grid.to_array(grid.to_display(volume.data)), volume.data)
    ranges = (range(1, 6, 2), range(5), range(2, 3))
    shown = grid.to_display(volume.data[grid.block(ranges)])
    np.testing.assert_array_equal(shown, grid.to_display(volume.data)[1:6:2, :, 2:3])


@pytest.mark.parametrize("code", ORIENTATIONS[::7])
def test_a_volume_comes_back_from_its_layer_unchanged(code, turn):
    volume = turn(canonical(), code)
    back = volume_from_layer(layer(volume))
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert (back.name, back.kind, back.oriented) == ("scan", "image", True)


def test_world_points_land_on_their_voxels(turn):
    volume = turn(canonical(), "PIR")
    grid = DisplayGrid.of(volume)
    voxel = np.array([2, 1, 3])
    world = volume.affine[:3, :3] @ voxel + volume.affine[:3, 3]
    shown = np.rint(grid.world_to_display(world[None])[0]).astype(int)
    assert grid.to_display(volume.data)[tuple(shown)] == volume.data[tuple(voxel)]


def test_fields_turn_with_their_components(turn):
    volume = turn(canonical(), "IPL")
    grid = DisplayGrid.of(volume)
    field = np.random.default_rng(0).normal(size=(3, *volume.shape))
    shown = grid.to_display_field(field)
    tip = np.array([1, 2, 1])
    start = np.linalg.inv(grid.display_to_voxel) @ [*tip, 1]
    end = np.linalg.inv(grid.display_to_voxel) @ [*(tip + field[:, 1, 2, 1]), 1]
    at = tuple(np.rint(start[:3]).astype(int))
    np.testing.assert_allclose(shown[(slice(None), *at)], (end - start)[:3])


def test_oblique_scans_are_shown_without_a_warning_and_come_back_exactly():
    volume = oblique()
    shown = layer(volume)
    model = ViewerModel()
    model.add_layer(shown)
    for order in itertools.permutations(range(3)):
        model.dims.order = order
    assert tuple(shown.axis_labels) == AXIS_LABELS
    np.testing.assert_array_equal(np.asarray(shown.affine), np.eye(4))
    np.testing.assert_allclose(volume_from_layer(shown).affine, volume.affine)
    middle = np.array(shown.data_to_world((np.array(shown.data.shape) - 1) / 2))
    np.testing.assert_allclose(middle[::-1], volume.center)  # the middle lies where it should


def test_unoriented_arrays_keep_their_axes():
    volume = Volume(np.zeros((3, 4, 5)), np.diag([2.0, 1, 1, 1]), oriented=False)
    data, kwargs, kind = layer_from_volume(volume)
    assert (data.shape, kind, "axis_labels" in kwargs) == ((3, 4, 5), "image", False)
    np.testing.assert_allclose(kwargs["scale"], (2, 1, 1))


def test_labels_become_integers_that_napari_takes():
    for data in (np.ones((3, 4), bool), np.full((3, 4), 2.0)):
        shown = layer(Volume(data, kind="labels", oriented=False))
        assert isinstance(shown, Labels)
        assert shown.data.dtype.kind in "iu"
        assert volume_from_layer(shown).kind == "labels"


def test_foreign_layers_keep_scale_translate_and_units():
    image = Image(np.zeros((3, 4, 5)), scale=(2, 3, 4), translate=(10, 20, 30), units=["um"] * 3)
    volume = volume_from_layer(image)
    np.testing.assert_allclose(volume.spacing, (0.002, 0.003, 0.004))
    np.testing.assert_allclose(volume.affine[:3, 3], (0.01, 0.02, 0.03))
    assert not volume.oriented


def test_foreign_layers_keep_their_affine():
    turn = np.array([[0, -2.0, 5], [2, 0, 6], [0, 0, 1]])
    volume = volume_from_layer(Image(np.zeros((4, 5)), affine=turn))
    np.testing.assert_allclose(volume.affine, turn)


@pytest.mark.parametrize("code", ["RAS", "LIA", "PSR"])
def test_a_mask_painted_over_a_scan_lies_in_that_scan(code, turn):
    scan = layer(turn(canonical(), code))
    mask = Labels(np.zeros(scan.data.shape, np.uint8), scale=scan.scale, translate=scan.translate)
    volume = volume_from_layer(mask, like=scan)
    assert volume.oriented
    grid = DisplayGrid.of(volume_from_layer(scan))
    np.testing.assert_allclose(volume.affine, grid.affine @ grid.display_to_voxel, atol=1e-9)


def test_a_cropped_copy_of_a_scan_stays_in_place():
    scan = layer(oblique())
    part = Image(scan.data[2:], scale=scan.scale, metadata=dict(scan.metadata),
                 translate=scan.data_to_world((2, 0, 0)))  # fmt: skip
    volume = volume_from_layer(part)
    corner = volume.affine @ [0, 0, 0, 1]
    expected = oblique().affine @ [0, 0, 2, 1]  # displayed (2, 0, 0) is voxel (0, 0, 2)
    np.testing.assert_allclose(corner, expected)


def test_landmarks_are_read_in_the_world_of_their_scan():
    volume = oblique()
    scan = layer(volume)
    points = Points([scan.data_to_world((3, 2, 1))])
    np.testing.assert_allclose(
        points_from_layer(points, scan)[0], (volume.affine @ [1, 2, 3, 1])[:3], atol=1e-9
    )
    with pytest.raises(InputError, match="not a points layer"):
        points_from_layer(scan, scan)
    with pytest.raises(InputError, match="2-D"):
        points_from_layer(Points(np.zeros((1, 2))), scan)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Image(np.zeros((4, 5, 3), np.uint8), rgb=True, name="photo"), "Split RGB"),
        (Image(np.zeros((2, 3, 4, 5)), name="film"), "4 axes"),
        (Image([np.zeros((8, 8)), np.zeros((4, 4))], multiscale=True), "multiscale"),
        (Shapes(name="outline"), "Shapes"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_a_reason(bad, words):
    with pytest.raises(InputError, match=words):
        volume_from_layer(bad)


def test_the_start_is_what_the_user_dragged():
    fixed, moving = layer(canonical()), layer(oblique())
    assert start_from_layers(moving, fixed) is None
    lies = np.linalg.inv(_canvas_to_world(oblique())) @ [0, 0, 0, 1]
    moving.affine = np.block([[np.eye(3), np.array([[3.0], [2], [1]])], [np.zeros((1, 3)), 1]])
    start = start_from_layers(moving, fixed)
    # A canvas point of the moved layer holds what lay 3, 2, 1 mm before it.
    canvas = np.array([4.0, 5, 6, 1])
    fixed_world = _canvas_to_world(canonical()) @ canvas
    moving_world = _canvas_to_world(oblique()) @ (canvas - [3, 2, 1, 0])
    np.testing.assert_allclose(start @ fixed_world, moving_world, atol=1e-6)
    assert np.isfinite(lies).all()


def _canvas_to_world(volume: Volume) -> np.ndarray:
    return DisplayGrid.of(volume).canvas_to_world


def test_contrast_limits_are_robust():
    data = np.random.default_rng(0).normal(100, 10, (40, 40, 40))
    data[0, 0, 0] = 1e9
    low, high = contrast_limits(data)
    assert 60 < low < 90 < 110 < high < 160
    assert contrast_limits(np.full((3, 3), 5)) == (5.0, 6.0)
    assert contrast_limits(np.full((3, 3), np.nan)) == (0.0, 1.0)


def test_far_apart_scans_begin_middle_on_middle():
    scan = canonical()
    np.testing.assert_array_equal(default_start(scan, scan), np.eye(4))
    far = scan.affine.copy()
    far[:3, 3] += 500
    start = default_start(scan, Volume(scan.data, far))
    np.testing.assert_allclose(start[:3, 3], 500)
