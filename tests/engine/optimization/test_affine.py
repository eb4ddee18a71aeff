"""Affine alignment finds maps that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.optimization.affine import AffineStep, align

SPACING = 4.0


def finish(steps):
    """Run to the end; return the matrix and all steps."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def scene(places: np.ndarray) -> np.ndarray:
    """An image defined everywhere in the plane or in space, (D, ...) mm -> intensity.

    A lop-sided ellipsoid with blobs: no symmetry that could be mistaken.
    """
    d = len(places)
    radii = np.array([62.0, 80.0, 52.0])[:d].reshape(-1, *[1] * (places.ndim - 1))
    r = np.sqrt(((places / radii) ** 2).sum(axis=0))
    out = 600.0 / (1 + np.exp((r - 1) * 12))
    rng = np.random.default_rng(3)
    for _ in range(14):
        center = rng.uniform(-0.6, 0.6, d) * radii.ravel()
        width = rng.uniform(7, 16)
        blob = np.exp(-sum((places[i] - center[i]) ** 2 for i in range(d)) / (2 * width**2))
        out = out + rng.uniform(-420, 420) * blob * (r < 1.4)
    return np.maximum(out, 0)


def grid(shape, affine) -> np.ndarray:
    index = np.indices(shape, dtype=float)
    d = len(shape)
    flat = affine[:d, :d] @ index.reshape(d, -1) + affine[:d, d:]
    return flat.reshape(d, *shape)


def centred(shape, spacing) -> np.ndarray:
    d = len(shape)
    affine = np.diag([*([spacing] * d if np.isscalar(spacing) else spacing), 1.0])
    affine[:d, d] = -affine[:d, :d] @ ((np.array(shape) - 1) / 2)
    return affine


def make_pair(truth, shape=(44, 52, 40), moving_affine=None, moving_shape=None):
    """fixed = scene, moving(T x) = scene(x): the map to find is `truth`."""
    d = len(shape)
    fixed_affine = centred(shape, SPACING)
    moving_shape = moving_shape or shape
    if moving_affine is None:
        moving_affine = centred(moving_shape, SPACING)
    back = np.linalg.inv(truth)
    places = grid(moving_shape, moving_affine)
    source = np.tensordot(back[:d, :d], places, 1) + back[:d, d].reshape(-1, *[1] * d)
    return (
        Volume(scene(grid(shape, fixed_affine)), fixed_affine, name="fixed"),
        Volume(scene(source), moving_affine, name="moving"),
    )


def world_map(d=3, degrees=(12.0, -8.0, 15.0), shift=(9.0, -7.0, 5.0), stretch=(1.08, 0.95, 1.04)):
    out = np.eye(d + 1)
    if d == 3:
        rotation = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    else:
        angle = np.radians(degrees[0])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out[:d, :d] = rotation @ np.diag(stretch[:d])
    out[:d, d] = shift[:d]
    return out


def error(found, truth, shape=(44, 52, 40)) -> float:
    """Mean distance (mm) over the middle of the field of view."""
    d = len(truth) - 1
    shape = shape[:d]
    places = grid(shape, centred(shape, SPACING * 0.7)).reshape(d, -1)
    difference = found - truth
    return float(np.linalg.norm(difference[:d, :d] @ places + difference[:d, d:], axis=0).mean())


@pytest.mark.parametrize("similarity", ["mi", "lncc"])
def test_finds_a_known_affine_map(similarity):
    truth = world_map()
    found, _ = finish(align(*make_pair(truth), similarity=similarity))
    assert error(found, truth) < 0.4


def test_finds_a_known_map_in_2d():
    truth = world_map(2)
    shape = (90, 110)
    found, _ = finish(align(*make_pair(truth, shape)))
    assert found.shape == (3, 3)
    assert error(found, truth, shape) < 1.0


def test_rigid_stays_rigid_and_finds_the_motion():
    truth = world_map(stretch=(1, 1, 1))
    found, _ = finish(align(*make_pair(truth), kind="rigid"))
    assert np.allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-9)
    assert error(found, truth) < 0.4


def test_rigid_drops_the_stretch_of_a_given_start():
    fixed, moving = make_pair(world_map(stretch=(1, 1, 1)))
    found, _ = finish(align(fixed, moving, kind="rigid", start=world_map()))
    assert np.allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    "similarity, kind, start", [("mi", "affine", "auto"), ("lncc", "affine", "auto"),
                                ("lncc", "rigid", "header"), ("lncc", "affine", "centers")],
)  # fmt: skip
def test_equal_images_give_the_identity(similarity, kind, start):
    fixed, _ = make_pair(np.eye(4))
    found, _ = finish(align(fixed, fixed, similarity=similarity, kind=kind, start=start))
    assert error(found, np.eye(4)) < 0.02 * SPACING


def test_a_small_shift_is_not_taken_for_none():
    """The position given is kept only where it agrees as well."""
    shift = np.eye(4)
    shift[:3, 3] = (0.5 * SPACING, 0, -0.4 * SPACING)
    fixed, moving = make_pair(shift)
    found, _ = finish(align(fixed, moving, similarity="lncc", start="header"))
    assert error(found, shift) < 0.5 * error(np.eye(4), shift)


def test_another_contrast_is_aligned_by_mutual_information():
    truth = world_map()
    fixed, moving = make_pair(truth)
    inverted = np.where(moving.data > 30, 1500 - moving.data, 0)
    found, _ = finish(align(fixed, moving.with_data(gaussian_filter(inverted, 0.5))))
    assert error(found, truth) < 1.0


def reoriented(volume: Volume, order, flips) -> Volume:
    """The same image in the same world, its array turned and flipped."""
    data = np.transpose(volume.data, order)
    matrix = np.eye(4)[:, [*order, 3]]
    for axis, flip in enumerate(flips):
        if flip:
            data = np.flip(data, axis)
            step = np.eye(4)
            step[axis, axis], step[axis, 3] = -1, data.shape[axis] - 1
            matrix = matrix @ step
    return Volume(data, volume.affine @ matrix, name=volume.name)


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_the_map_does_not_depend_on_how_an_array_is_stored(which):
    truth = world_map()
    fixed, moving = make_pair(truth)
    turned = reoriented(fixed if which == "fixed" else moving, (2, 0, 1), (True, False, True))
    pair = (turned, moving) if which == "fixed" else (fixed, turned)
    found, _ = finish(align(*pair))
    assert error(found, truth) < 0.4


def test_far_apart_origins_and_anisotropic_voxels():
    truth = world_map(shift=(250.0, -310.0, 90.0))
    moving_shape = (70, 66, 26)
    affine = centred(moving_shape, (3.0, 3.0, 7.5))
    affine[:3, 3] += truth[:3, 3]
    fixed, moving = make_pair(truth, moving_affine=affine, moving_shape=moving_shape)
    found, _ = finish(align(fixed, moving))
    assert error(found, truth) < 1.0


def test_swapping_the_images_gives_about_the_inverse():
    fixed, moving = make_pair(world_map())
    there, _ = finish(align(fixed, moving))
    back, _ = finish(align(moving, fixed))
    assert error(back @ there, np.eye(4)) < 0.8


def test_a_slab_of_one_slice_agrees_with_the_plane():
    truth = world_map(2, stretch=(1.05, 0.97))
    fixed, moving = make_pair(truth, (90, 110))
    plane, _ = finish(align(fixed, moving))

    def slab(volume):
        affine = np.eye(4)
        affine[:2, :2], affine[:2, 3] = volume.affine[:2, :2], volume.affine[:2, 2]
        return Volume(volume.data[..., None], affine)

    space, _ = finish(align(slab(fixed), slab(moving)))
    assert error(space[np.ix_([0, 1, 3], [0, 1, 3])], plane, (90, 110)) < 2.0


def test_partial_overlap():
    truth = world_map(stretch=(1, 1, 1))
    fixed, moving = make_pair(truth)
    cropped = Volume(moving.data[:, :34], moving.affine, name="cropped")
    found, _ = finish(align(fixed, cropped))
    assert error(found, truth) < 1.0


def test_masks_leave_out_what_would_mislead():
    truth = world_map(stretch=(1, 1, 1))
    fixed, moving = make_pair(truth)
    data, moved = fixed.data.copy(), moving.data.copy()
    data[:16, :20], moved[28:, 30:] = 1500.0, 1500.0
    fixed_mask, moving_mask = np.ones(data.shape, bool), np.ones(moved.shape, bool)
    fixed_mask[:18, :22], moving_mask[26:, 28:] = False, False
    pair = fixed.with_data(data), moving.with_data(moved)
    masks = {"fixed_mask": fixed_mask, "moving_mask": moving.with_data(moving_mask)}
    found, _ = finish(align(*pair, **masks))
    misled, _ = finish(align(*pair))
    assert error(found, truth) < 0.6
    assert error(found, truth) < error(misled, truth)


def test_nan_outside_of_the_mask_is_no_matter():
    truth = world_map(stretch=(1, 1, 1))
    fixed, moving = make_pair(truth)
    data, mask = fixed.data.copy(), np.ones(fixed.shape, bool)
    data[:4], mask[:4] = np.nan, False
    found, _ = finish(align(fixed.with_data(data), moving, fixed_mask=mask))
    assert error(found, truth) < 0.6


def test_captures_random_starts():
    """±45 degrees and ±30 mm, from the header and from a given matrix."""
    fixed, still = make_pair(np.eye(4))
    rng = np.random.default_rng(0)
    missed = 0
    for n in range(6):
        axis = rng.normal(size=3)
        angle = np.radians(rng.uniform(-45, 45))
        truth = np.eye(4)
        truth[:3, :3] = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
        truth[:3, 3] = rng.uniform(-30, 30, 3)
        moving = Volume(still.data, truth @ still.affine)
        start = ("auto", "header", np.eye(4), np.linalg.inv(truth))[n % 3]
        found, _ = finish(align(fixed, moving, start=start, kind="rigid"))
        missed += error(found, truth) > 1.0
    assert missed == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.bool_])
def test_any_dtype(dtype):
    truth = world_map(stretch=(1, 1, 1))
    fixed, moving = make_pair(truth)
    pair = [
        v.with_data((v.data / 4 if dtype != np.bool_ else v.data > 300).astype(dtype))
        for v in (fixed, moving)
    ]
    found, _ = finish(align(*pair))
    assert error(found, truth) < (5.0 if dtype == np.bool_ else 0.6)


def test_scaling_the_intensities_changes_nothing():
    truth = world_map()
    fixed, moving = make_pair(truth)
    plain, _ = finish(align(fixed, moving))
    scaled, _ = finish(align(fixed.with_data(fixed.data * 1e4 + 7e5), moving))
    assert error(scaled, plain) < 0.05


def test_steps_tell_how_far_it_is():
    fixed, moving = make_pair(world_map())
    found, steps = finish(align(fixed, moving))
    fractions = [s.fraction for s in steps]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] <= 1
    assert all(isinstance(s, AffineStep) and s.matrix.shape == (4, 4) for s in steps)
    assert np.allclose(steps[-1].matrix, found)
    assert steps[-1].similarity is not None


def test_closing_stops_at_once():
    steps = align(*make_pair(world_map()))
    for _ in range(5):
        next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_two_runs_agree_to_the_last_bit():
    pair = make_pair(world_map())
    assert np.array_equal(finish(align(*pair))[0], finish(align(*pair))[0])


def test_refusals_say_what_to_do():
    fixed, moving = make_pair(np.eye(4))
    flat = fixed.with_data(np.full(fixed.shape, 3.0))
    broken = fixed.data.copy()
    broken[3, 3, 3] = np.nan
    plane = Volume(np.random.default_rng(0).random((20, 20)))
    empty = np.zeros(fixed.shape, bool)
    far = np.eye(4)
    far[0, 3] = 5000.0
    cropped = Volume(moving.data[10:-10, 10:-10, 10:-10], moving.affine)
    cases = [
        ((flat, moving), {}, "constant"),
        ((fixed, fixed.with_data(broken)), {}, "NaN"),
        ((plane, moving), {}, "2-D"),
        ((fixed, moving), {"fixed_mask": empty}, "empty"),
        ((fixed, moving), {"moving_mask": np.ones((3, 3, 3))}, "shape"),
        ((fixed, moving), {"moving_mask": Volume(np.ones(moving.shape), far)}, "elsewhere"),
        ((fixed, moving), {"kind": "similarity"}, "kind"),
        ((fixed, moving), {"similarity": "ssd"}, "similarity"),
        ((fixed, moving), {"start": "there"}, "start"),
        ((fixed, moving), {"start": np.diag([0.0, 1.0, 1.0, 1.0])}, "flat"),
        ((fixed, cropped), {"start": far}, "overlap"),
    ]
    for pair, options, word in cases:
        with pytest.raises(InputError, match=word):
            finish(align(*pair, **options))


def test_random_noise_does_not_break_it():
    rng = np.random.default_rng(0)
    fixed, moving = (Volume(rng.random((9, 12, 7))) for _ in range(2))
    found, _ = finish(align(fixed, moving))
    assert np.isfinite(found).all()


def test_moved_image_looks_like_the_fixed_one():
    truth = world_map()
    fixed, moving = make_pair(truth)
    found, _ = finish(align(fixed, moving))
    index = np.linalg.inv(moving.affine) @ found @ fixed.affine
    places = np.indices(fixed.shape).reshape(3, -1)
    moved = map_coordinates(moving.data, index[:3, :3] @ places + index[:3, 3:], order=1)
    assert np.corrcoef(moved, fixed.data.ravel())[0, 1] > 0.99
