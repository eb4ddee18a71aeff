"""From a pair to a result, through the door that users take."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_voxelmorph.engine.config import DEFAULT, PRESETS
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.registration import Registrar, Registration
from napari_voxelmorph.engine.synthesis.phantom import make_pair

QUICK = replace(DEFAULT, iterations=(30, 20))


def registrar(pair, **masks):
    found = Registrar("cpu")
    found.set_pair(pair.moving, pair.fixed, **masks)
    return found


def miss(result, pair):
    """Mean distance of the landmarks, mm."""
    there = result.fixed_to_moving(pair.fixed_landmarks)
    return float(np.linalg.norm(there - pair.moving_landmarks, axis=1).mean())


def start_of(pair):
    return Registration(pair.fixed, pair.moving, np.eye(pair.fixed.ndim + 1))


@pytest.fixture(scope="module")
def t1_t2():
    return make_pair(2, seed=2, spacing=2.0, contrasts=("T2", "T1"))


@pytest.fixture(scope="module")
def result_3d(pair_3d):
    return registrar(pair_3d).register(QUICK)


def test_an_oblique_anisotropic_pair_in_3d(result_3d, pair_3d):
    """The moving phantom is oblique, anisotropic and stored with other axes."""
    affine = replace(result_3d, field=None)
    assert miss(affine, pair_3d) < 0.5 * miss(start_of(pair_3d), pair_3d)
    assert miss(result_3d, pair_3d) < miss(affine, pair_3d)
    metrics = result_3d.metrics
    assert metrics["similarity_after"] > metrics["similarity_before"]
    assert metrics["ndv_percent"] < 0.05
    assert 0 < metrics["mean_displacement_mm"] < metrics["max_displacement_mm"] < 60
    assert set(result_3d.timings) >= {"affine", "deformable", "total"}
    assert len(result_3d.provenance["fixed"]["sha256"]) == 64
    assert result_3d.moved.shape == pair_3d.fixed.shape


def test_moving_flipped_and_permuted_gives_the_same_map(result_3d, pair_3d):
    volume = pair_3d.moving
    old = np.array([[0, 0, -1, volume.shape[0] - 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    data = volume.data.transpose(1, 2, 0)[:, :, ::-1]
    other = Registrar("cpu")
    other.set_pair(Volume(data, volume.affine @ old), pair_3d.fixed)
    found = other.register(QUICK)
    marks = pair_3d.fixed_landmarks
    apart = np.linalg.norm(found.fixed_to_moving(marks) - result_3d.fixed_to_moving(marks), axis=1)
    assert apart.mean() < 1.0  # a quarter of a voxel


@pytest.mark.parametrize("name", ["mi", "mind"])
def test_two_contrasts(name, t1_t2):
    result = registrar(t1_t2).register(replace(QUICK, similarity=name))
    affine = replace(result, field=None)
    assert miss(affine, t1_t2) < 0.6 * miss(start_of(t1_t2), t1_t2)
    assert miss(result, t1_t2) < 1.05 * miss(affine, t1_t2)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs(preset, pair_2d):
    config = PRESETS[preset][0]
    result = registrar(pair_2d).register(config)
    assert miss(result, pair_2d) < 0.75 * miss(start_of(pair_2d), pair_2d)
    if config.affine == "rigid":
        linear = result.affine[:-1, :-1]
        np.testing.assert_allclose(linear.T @ linear, np.eye(2), atol=1e-6)
    assert (result.field is None) == (config.transform == "none")


def test_the_same_again_and_again(pair_2d):
    once = registrar(pair_2d)
    first, second = once.register(QUICK), once.register(QUICK)
    np.testing.assert_array_equal(first.affine, second.affine)
    np.testing.assert_array_equal(first.field.data, second.field.data)
    np.testing.assert_array_equal(first.moved.data, second.moved.data)


def test_without_pre_alignment_the_start_is_kept(pair_2d):
    run = registrar(pair_2d)
    config = replace(QUICK, affine="none", iterations=(2,))
    given = pair_2d.truth.affine
    np.testing.assert_array_equal(run.register(config, start=given).affine, given)
    header = run.register(replace(config, start="header"))
    np.testing.assert_array_equal(header.affine, np.eye(3))
    with pytest.raises(InputError, match="start matrix"):
        run.register(config, start=np.zeros((3, 3)))
    with pytest.raises(InputError, match="start matrix"):
        run.register(config, start=np.eye(4))


def test_steps_tell_and_can_be_stopped(pair_2d):
    run = registrar(pair_2d)
    threads = threading.active_count()
    steps, told = run.steps(QUICK), []
    for step in steps:
        told.append(step)
        if step.phase.startswith("Deforming") and len(told) > 20:
            break
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)
    fractions = [s.fraction for s in told]
    assert fractions == sorted(fractions) and 0 <= fractions[0] <= fractions[-1] <= 1
    for step in (told[0], told[-1]):  # the state so far, also after the end
        partial = step.partial()
        assert partial.moved.shape == pair_2d.fixed.shape and not partial.metrics
    assert threading.active_count() <= threads + 16
    assert run.register(replace(QUICK, iterations=(3,))).metrics


def test_on_step_sees_every_step_and_its_errors_come_through(pair_2d):
    run, seen = registrar(pair_2d), []
    run.register(replace(QUICK, iterations=(5,)), on_step=seen.append)
    assert len([s for s in seen if s.phase.startswith("Deforming")]) == 5

    def broken(step):
        raise KeyError("watcher")

    with pytest.raises(KeyError, match="watcher"):
        run.register(QUICK, on_step=broken)


def test_masks_of_any_number_type(pair_2d):
    config = replace(QUICK, transform="none")
    found = []
    for dtype, value in ((bool, 1), (np.float64, -0.5), (np.uint8, 255)):
        masks = {
            f"{name}_mask": Volume(
                np.where(getattr(pair_2d, f"{name}_labels").data > 0, value, 0).astype(dtype),
                getattr(pair_2d, name).affine,
            )
            for name in ("moving", "fixed")
        }
        found.append(registrar(pair_2d, **masks).register(config))
    for other in found[1:]:
        np.testing.assert_array_equal(other.affine, found[0].affine)
    assert miss(found[0], pair_2d) < 0.7 * miss(start_of(pair_2d), pair_2d)


def test_a_refused_pair_leaves_the_old_one(pair_2d):
    run = registrar(pair_2d)
    with pytest.raises(InputError):
        run.set_pair(pair_2d.moving, Volume(np.ones((4, 4))))
    assert run.register(replace(QUICK, iterations=(1,))).moving.shape == pair_2d.moving.shape
    with pytest.raises(InputError, match="No pair yet"):
        Registrar("cpu").register()
    assert run.estimate().bytes > 1e8


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_devices_that_are_not_there(device, pair_2d):
    with pytest.raises(InputError, match=r"Device|device"):
        Registrar(device)
    with pytest.raises(InputError, match=r"Device|device"):
        registrar(pair_2d).register(replace(QUICK, device=device))


def blob(shape):
    rng = np.random.default_rng(0)
    grid = np.indices(shape)
    far = sum(((g - (n - 1) / 2) / (n / 2.4)) ** 2 for g, n in zip(grid, shape, strict=True))
    return np.where(far < 1, 50 + 10 * rng.random(shape), 0)


@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 24, 20), (24, 20, 3), (3, 9), (5, 31)])
@pytest.mark.parametrize("spacing", [1.0, 0.01])
def test_tiny_and_thin_images_end_in_a_result(shape, spacing):
    affine = np.diag([spacing] * len(shape) + [1.0])
    data = blob(shape)
    run = Registrar("cpu")
    run.set_pair(Volume(np.roll(data, 1, 1), affine), Volume(data, affine))
    result = run.register(replace(QUICK, iterations=(3, 2)))
    assert np.isfinite(result.moved.data).all()
    assert np.isfinite(result.displacement).all()
    assert np.isfinite(result.inverse_displacement).all()


def test_eight_voxels_are_too_few_or_enough():
    data = np.arange(8.0).reshape(2, 2, 2)
    run = Registrar("cpu")
    run.set_pair(Volume(data[::-1]), Volume(data))
    try:
        assert np.isfinite(run.register(QUICK).moved.data).all()
    except InputError as error:
        assert "to compare" in str(error)


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.astype(np.int64),
        lambda d: d.astype(np.uint8),
        lambda d: d.astype(np.float16),
        lambda d: d > 0,
        lambda d: d.astype(">f4"),
        lambda d: np.asfortranarray(d),
        lambda d: np.repeat(d, 2, 0)[::2],
        lambda d: np.where(d == d.max(), np.nan, d),
        lambda d: d * 1e14,
        lambda d: d * 1e-9,
        lambda d: d * -20.0,
    ],
)
def test_any_kind_of_array(make):
    fixed = blob((40, 44))
    moving = np.roll(fixed, 2, 0)
    moving, fixed = make(moving), make(fixed)
    moving.setflags(write=False)
    run = Registrar("cpu")
    run.set_pair(Volume(moving), Volume(fixed))
    result = run.register(replace(QUICK, iterations=(5, 5)))
    assert result.metrics["similarity_after"] > result.metrics["similarity_before"]
    assert np.isfinite(result.moved.data).all()
