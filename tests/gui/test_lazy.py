"""Duck arrays against the whole volumes that they stand for."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.geometry.jacobian import jacobian_determinant
from napari_voxelmorph.gui.views import lazy_maps
from napari_voxelmorph.gui.views.display_grid import DisplayGrid
from napari_voxelmorph.gui.views.lazy import LazyArray, Scene, Stage, prepare

CODES = ("RAS", "LPI", "SRA", "AIL")
KEYS = [
    np.s_[...],
    np.s_[3],
    np.s_[:, 4],
    np.s_[..., 2],
    np.s_[3:4, :, :],
    np.s_[1:9:3, ::-1, 2],
    np.s_[-1, ..., -2:],
    np.s_[::-2, 1:2, ::3],
    np.s_[5:5],
    (np.int64(2), slice(None), np.int32(1)),
]


def stage_of(pair, **changes) -> Stage:
    grid = DisplayGrid.of(pair.fixed)
    return Stage(Scene(pair.result, grid, pair.labels, **changes))


def whole(pair, array):
    return DisplayGrid.of(pair.fixed).to_display(array)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_slice_is_cut_from_the_whole(make_deformed_pair, code, key):
    pair = make_deformed_pair(3, code)
    stage = stage_of(pair)
    moved = whole(pair, pair.result.warp(pair.moving))
    np.testing.assert_allclose(LazyArray(stage, lazy_maps.moved)[key], moved[key], atol=1e-6)


@pytest.mark.parametrize("code", CODES)
def test_the_array_is_what_numpy_expects(make_deformed_pair, code):
    pair = make_deformed_pair(3, code)
    lazy = LazyArray(stage_of(pair), lazy_maps.moved)
    moved = whole(pair, pair.result.moved.data)
    assert (lazy.shape, lazy.ndim, lazy.size, len(lazy)) == (
        moved.shape, 3, moved.size, len(moved)
    )  # fmt: skip
    np.testing.assert_allclose(np.asarray(lazy), moved, atol=1e-6)
    assert np.asarray(lazy, dtype=np.float64).dtype == np.float64
    with pytest.raises(IndexError):
        lazy[1, 2, 3, 4]
    with pytest.raises(IndexError):
        lazy[99]


def test_two_dimensions(make_deformed_pair):
    pair = make_deformed_pair(2)
    stage = stage_of(pair)
    for compute, expected in (
        (lazy_maps.moved, pair.result.warp(pair.moving)),
        (lazy_maps.magnitude, _magnitude(pair)),
    ):
        lazy = LazyArray(stage, compute)
        np.testing.assert_allclose(lazy[...], expected, atol=1e-5)
        np.testing.assert_allclose(lazy[3, ::2], expected[3, ::2], atol=1e-5)
    assert LazyArray(stage, lazy_maps.sampling_grid)[...].shape == pair.fixed.shape


def _magnitude(pair):
    linear = pair.fixed.affine[:-1, :-1]
    return np.linalg.norm(np.tensordot(linear, pair.result.displacement, 1), axis=0)


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_labels_are_exact_whatever_their_size(make_deformed_pair, code, nearest):
    pair = make_deformed_pair(3, code)
    stage = stage_of(pair)
    stage.scene = replace(stage.scene, nearest_labels=nearest)
    lazy = LazyArray(stage, lazy_maps.moved_labels, pair.labels.data.dtype)
    result = pair.result
    carried = result.warp(pair.labels, "nearest") if nearest else result.warp_labels(pair.labels)
    moved = whole(pair, carried)
    np.testing.assert_array_equal(lazy[4], moved[4])
    np.testing.assert_array_equal(np.asarray(lazy), moved)
    assert lazy[4].max() >= 10**10


def test_without_labels_there_is_background(make_deformed_pair):
    pair = make_deformed_pair()
    stage = Stage(Scene(pair.result, DisplayGrid.of(pair.fixed)))
    assert not LazyArray(stage, lazy_maps.moved_labels, np.uint8)[2].any()


@pytest.mark.parametrize("code", CODES)
def test_displacement_is_in_millimetres(make_deformed_pair, code):
    pair = make_deformed_pair(3, code)
    lazy = LazyArray(stage_of(pair), lazy_maps.magnitude)
    np.testing.assert_allclose(lazy[:, 5], whole(pair, _magnitude(pair))[:, 5], atol=1e-5)


@pytest.mark.parametrize("code", CODES)
def test_jacobian_of_a_slice_is_the_slice_of_the_jacobian(make_deformed_pair, code):
    pair = make_deformed_pair(3, code)
    whole_field = torch.from_numpy(pair.result.displacement)[None]
    expected = whole(pair, jacobian_determinant(whole_field)[0].numpy())
    lazy = LazyArray(stage_of(pair), lazy_maps.jacobian)
    for key in (np.s_[0], np.s_[4], np.s_[-1], np.s_[:, 3], np.s_[::2, ::3, 1::2], np.s_[...]):
        np.testing.assert_allclose(lazy[key], expected[key], atol=1e-5)


def test_jacobian_in_two_dimensions(make_deformed_pair):
    pair = make_deformed_pair(2)
    expected = jacobian_determinant(torch.from_numpy(pair.result.displacement)[None])[0].numpy()
    lazy = LazyArray(stage_of(pair), lazy_maps.jacobian)
    np.testing.assert_allclose(lazy[...], expected, atol=1e-5)
    np.testing.assert_allclose(lazy[2:9:3, 5], expected[2:9:3, 5], atol=1e-5)


def test_the_grid_at_rest_is_regular_and_in_millimetres(make_deformed_pair):
    pair = make_deformed_pair()
    rest = replace(pair.result, field=None)
    scene = Scene(rest, DisplayGrid.of(pair.fixed), grid_spacing=6.0)
    lines = LazyArray(Stage(scene), lazy_maps.sampling_grid)[5]  # (A, R): 1.5 mm, 1 mm
    bright = lines > 0.99
    across = np.flatnonzero(bright.all(axis=0))
    along = np.flatnonzero(bright.all(axis=1))
    assert set(np.diff(across)) == {6}
    assert set(np.diff(along)) == {4}


def test_the_grid_bends_with_the_deformation(make_deformed_pair):
    pair = make_deformed_pair()
    rest = LazyArray(stage_of(pair), lazy_maps.sampling_grid)
    rest.stage.scene = replace(rest.stage.scene, registration=replace(pair.result, field=None))
    bent = LazyArray(stage_of(pair), lazy_maps.sampling_grid)
    assert np.abs(bent[5] - rest[5]).max() > 0.2
    assert 0 <= bent[...].min() < bent[...].max() <= 1


@pytest.mark.parametrize("code", CODES)
def test_mixtures_show_each_image_where_they_should(make_deformed_pair, code):
    pair = make_deformed_pair(3, code)
    stage = stage_of(pair)
    fixed, moved = whole(pair, pair.fixed.data), whole(pair, pair.result.warp(pair.moving))
    difference = LazyArray(stage, lazy_maps.difference)[3]
    np.testing.assert_allclose(difference, (moved - fixed)[3], atol=1e-6)
    board = LazyArray(stage, lazy_maps.checkerboard)[3]
    from_fixed = np.isclose(board, fixed[3], atol=1e-6)
    assert (from_fixed | np.isclose(board, moved[3], atol=1e-6)).all()
    assert 0.2 < from_fixed.mean() < 0.8


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", ["start", "end"])
def test_swipe_puts_the_fixed_image_at_its_end(make_deformed_pair, code, axis, end):
    pair = make_deformed_pair(3, code)
    stage = stage_of(pair, swipe=0.5, swipe_axis=axis, swipe_from=end)
    seen = np.moveaxis(LazyArray(stage, lazy_maps.swipe)[...], axis, 0)
    fixed = np.moveaxis(whole(pair, pair.fixed.data), axis, 0)
    moved = np.moveaxis(whole(pair, pair.result.warp(pair.moving)), axis, 0)
    first, last = (fixed, moved) if end == "start" else (moved, fixed)
    np.testing.assert_allclose(seen[:3], first[:3], atol=1e-6)
    np.testing.assert_allclose(seen[-3:], last[-3:], atol=1e-6)


def test_a_live_volume_may_be_coarse_but_keeps_its_shape(make_deformed_pair, monkeypatch):
    monkeypatch.setattr("napari_voxelmorph.gui.views.lazy._MOST_LIVE", 100)
    pair = make_deformed_pair()
    full = LazyArray(stage_of(pair), lazy_maps.moved)[...]
    coarse = LazyArray(stage_of(pair, coarse=True), lazy_maps.moved)
    assert coarse[...].shape == full.shape
    np.testing.assert_allclose(coarse[...][::2, ::2, ::2], full[::2, ::2, ::2], atol=1e-6)


def test_a_swap_of_the_scene_is_seen_whole_or_not_at_all(make_deformed_pair):
    first, second = make_deformed_pair(seed=0), make_deformed_pair(seed=0)
    other = replace(first.result, field=None)
    stage = stage_of(first)
    lazy = LazyArray(stage, lazy_maps.magnitude)
    scenes = [stage.scene, replace(stage.scene, registration=other, _blocks={})]
    allowed = [_magnitude(first)[..., 4], np.zeros_like(_magnitude(second)[..., 4])]
    wrong = []

    def look():
        for _ in range(200):
            seen = lazy[4].T
            if not any(np.allclose(seen, a, atol=1e-5) for a in allowed):
                wrong.append(seen)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(400):
        stage.scene = scenes[i % 2]
    for thread in threads:
        thread.join()
    assert not wrong


def test_prepare_leaves_nothing_slow_for_the_window(make_deformed_pair):
    pair = make_deformed_pair()
    prepare(pair.result, pair.labels)
    assert "forward" in pair.result.field.__dict__
