"""The field optimiser on pairs with a known deformation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.optimization.work_grid import block_mean, foreground, prepare
from napari_voxelmorph.engine.parallel import set_threads, thread_count
from napari_voxelmorph.engine.result import Registration

CPU = torch.device("cpu")
QUICK = replace(DEFAULT, affine="none", iterations=(40, 30, 20))


def picture(shape, seed=0, sigma=2.0):
    found = gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    grid = np.indices(shape)
    middle = [(n - 1) / 2 for n in shape]
    inside = sum(((g - m) / (0.42 * n)) ** 2 for g, m, n in zip(grid, middle, shape, strict=True))
    return np.where(inside < 1, 60 + 40 * found / found.std(), 0).astype(np.float32)


def known(shape, size=2.0, seed=4):
    """(fixed, moving, u): fixed(x) = moving(x + u(x))."""
    moving = picture(shape)
    rng = np.random.default_rng(seed)
    u = np.stack([gaussian_filter(rng.normal(size=shape), max(shape) / 8) for _ in shape])
    for axis, n in enumerate(shape):
        window = np.sin(np.pi * (np.arange(n) + 0.5) / n)
        u *= window.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    u *= size / np.abs(u).max()
    fixed = map_coordinates(moving, np.indices(shape) + u, order=1, mode="nearest")
    return Volume(fixed), Volume(moving), u


def run(fixed, moving, config=QUICK, affine=None, **masks):
    steps = deform(
        fixed,
        moving,
        np.eye(fixed.ndim + 1) if affine is None else affine,
        config,
        device=CPU,
        **masks,
    )
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


def error(field, fixed, moving, truth, affine=None):
    """Mean distance to the true displacement over the content, voxels."""
    result = Registration(
        fixed, moving, np.eye(fixed.ndim + 1) if affine is None else affine, field
    )
    inside = fixed.data > 0
    return float(np.linalg.norm((result.displacement - truth)[:, inside], axis=0).mean())


@pytest.mark.parametrize("kind", ["velocity", "displacement"])
@pytest.mark.parametrize("name", ["lncc", "mse", "mi", "mind"])
def test_a_known_deformation_is_found_in_2d(name, kind):
    fixed, moving, truth = known((56, 61))
    field, told = run(fixed, moving, replace(QUICK, similarity=name, transform=kind))
    before = error(None, fixed, moving, truth)
    assert error(field, fixed, moving, truth) < (0.6 if name == "mi" else 0.4) * before
    assert field.kind == kind and field.ndim == 2
    fractions = [s.fraction for s in told]
    assert fractions == sorted(fractions) and fractions[0] > 0 and fractions[-1] <= 1
    assert all(np.isfinite(s.similarity) for s in told)


def test_a_known_deformation_is_found_in_3d_without_folding():
    fixed, moving, truth = known((28, 31, 26))
    field, told = run(fixed, moving)
    assert error(field, fixed, moving, truth) < 0.45 * error(None, fixed, moving, truth)
    middle = told[len(told) // 2].field()
    assert error(middle, fixed, moving, truth) < error(None, fixed, moving, truth)
    again, _ = run(fixed, moving)
    np.testing.assert_array_equal(again.data, field.data)


def test_threads_do_not_change_the_answer():
    fixed, moving, _ = known((20, 23, 18))
    before, found = thread_count(), []
    try:
        for threads in (1, 2):
            set_threads(threads)
            found.append(run(fixed, moving, replace(QUICK, iterations=(8, 5)))[0].data)
    finally:
        set_threads(before)
    np.testing.assert_allclose(*found, atol=6e-3)  # voxels; slabs round otherwise


def test_torch_finds_what_the_kernels_find(monkeypatch):
    """On another device the same loop runs over tensors."""
    from napari_voxelmorph.engine.optimization import deformable
    from napari_voxelmorph.engine.optimization.field_ops import TorchOps

    fixed, moving, _ = known((20, 23, 18))
    config = replace(QUICK, iterations=(8, 5))
    ours, _ = run(fixed, moving, config)
    monkeypatch.setattr(deformable, "CpuOps", lambda: TorchOps(CPU))
    theirs, _ = run(fixed, moving, config)
    np.testing.assert_allclose(ours.data, theirs.data, atol=0.02)


def test_swapping_the_images_gives_about_the_inverse():
    fixed, moving, truth = known((48, 52))
    config = replace(QUICK, symmetric=True)
    forth, _ = run(fixed, moving, config)
    back, _ = run(moving, fixed, config)
    inside = fixed.data > 0
    gap = np.abs(forth.backward[1:, 0] - back.forward[1:, 0])[:, inside]
    assert gap.mean() < 0.1 * np.abs(truth).max()
    assert error(forth, fixed, moving, truth) < 0.5 * error(None, fixed, moving, truth)


def test_smoother_is_smoother():
    fixed, moving, _ = known((48, 52))
    rough, smooth = (run(fixed, moving, replace(QUICK, smoothness=s))[0].data for s in (0.3, 5.0))
    slope = [np.abs(np.diff(d, axis=1)).mean() for d in (rough, smooth)]
    assert slope[1] < slope[0]


@pytest.mark.parametrize("iterations", [(0,), (0, 0, 0), (6, 0, 0), (0, 0, 6), (2,) * 9])
def test_any_list_of_iterations(iterations):
    fixed, moving, _ = known((30, 33))
    field, told = run(fixed, moving, replace(QUICK, iterations=iterations))
    assert len(told) <= sum(iterations)
    assert np.isfinite(field.data).all()
    if not sum(iterations):
        assert (field.data == 0).all()


@pytest.mark.parametrize("resolution", [1.5, 3.0, 20.0])
def test_a_coarser_finest_level(resolution):
    fixed, moving, truth = known((56, 61))
    field, _ = run(fixed, moving, replace(QUICK, resolution=resolution))
    assert (field.scale >= min(resolution, 7.0)).all()
    if resolution < 20:
        assert error(field, fixed, moving, truth) < 0.7 * error(None, fixed, moving, truth)


def test_the_masked_part_does_not_pull():
    fixed, moving, truth = known((56, 61))
    spoiled = fixed.data.copy()
    spoiled[20:30, 20:34] = 250  # a lesion
    lesion = Volume(spoiled)
    mask = Volume((spoiled != 250).astype(np.uint8))
    with_mask, _ = run(lesion, moving, fixed_mask=mask)
    without, _ = run(lesion, moving)
    good = [error(f, fixed, moving, truth) for f in (with_mask, without)]
    assert good[0] < 0.8 * good[1]
    both, _ = run(fixed, lesion, moving_mask=mask)
    assert np.isfinite(both.data).all()


def test_too_little_in_common_is_refused():
    fixed, moving, _ = known((30, 33))
    corner = np.zeros((30, 33))
    corner[0, 0] = 1
    for masks in ({"fixed_mask": Volume(corner)}, {"moving_mask": Volume(corner)}):
        with pytest.raises(InputError, match=r"to compare|do not overlap"):
            run(fixed, moving, **masks)
    far = np.eye(3)
    far[0, 2] = 100
    with pytest.raises(InputError, match="do not overlap"):
        run(fixed, moving, affine=far)


def test_closing_stops_at_once():
    fixed, moving, _ = known((30, 33))
    steps = deform(fixed, moving, np.eye(3), QUICK, device=CPU)
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_one_hot_voxel_changes_nothing_much():
    fixed, moving, truth = known((56, 61))
    hot = moving.data.copy()
    hot[28, 30] = 1e9
    field, _ = run(fixed, Volume(hot), replace(QUICK, similarity="mse"))
    assert error(field, fixed, moving, truth) < 0.5 * error(None, fixed, moving, truth)


@pytest.mark.parametrize("scale, offset", [(1e-9, 0), (1e12, 0), (1.0, -1024.0), (-1.0, 0.0)])
def test_the_unit_of_intensity_does_not_matter(scale, offset):
    fixed, moving, truth = known((48, 52))
    change = [Volume(v.data.astype(float) * scale + offset) for v in (fixed, moving)]
    field, _ = run(*change)
    assert error(field, fixed, moving, truth) < 0.4 * error(None, fixed, moving, truth)


def test_foreground():
    image = np.zeros((5, 6, 7), np.float32)
    image[1:4, 2:5, 2:6] = 1e-9
    np.testing.assert_array_equal(foreground(image), image > 0)
    noise = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    assert foreground(noise).all()


def test_work_grid_lies_where_it_says():
    """A ramp tells the place of every work voxel."""
    ramp = np.indices((12, 14, 10))[1].astype(np.float32)
    grid = prepare(Volume(ramp), Volume(ramp), np.eye(4), replace(DEFAULT, resolution=2.0))
    places = grid.origin[1] + grid.step[1] * np.arange(grid.fixed.shape[1])
    seen = grid.fixed[0, :, 0]
    inner = slice(1, -1)
    slope = np.polyfit(places[inner], seen[inner], 1)
    np.testing.assert_allclose(np.polyval(slope, places[inner]), seen[inner], atol=1e-4)
    np.testing.assert_allclose(grid.moving[:, inner], grid.fixed[:, inner], atol=0.05)
    np.testing.assert_allclose(
        block_mean(ramp, np.array([5, 2, 3]))[0, :, 0], np.arange(0.5, 14, 2)
    )
