"""A registration as a map: voxels, points, labels, blocks, inverse; SimpleITK as the oracle."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

FLIP = np.diag([-1.0, -1.0, 1.0])


def oblique(spacing, axes=(0, 1, 2), signs=(1, 1, 1), angle=0.2, origin=(-9, -12, -8)):
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, c, -s], [0, s, c]]
    affine = np.eye(4)
    affine[:3, :3] = (turn * spacing)[:, list(axes)] * np.array(signs)
    affine[:3, 3] = origin
    return affine


def picture(shape, seed=0):
    found = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return ((found - found.min()) / np.ptp(found) * 100).astype(np.float32)


def bump(shape, size=1.5, seed=5):
    """Smooth displacement that vanishes at the edge."""
    rng = np.random.default_rng(seed)
    data = np.stack([gaussian_filter(rng.normal(size=shape), 3.0) for _ in shape])
    for axis, n in enumerate(shape):
        window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        data *= window.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return data / np.abs(data).max() * size


def make(kind="displacement", ndim=3):
    shape, other = ((18, 20, 16), (17, 22, 19)) if ndim == 3 else ((24, 26), (25, 22))
    field = Field(bump(shape), np.ones(ndim), np.zeros(ndim), kind)
    affine = oblique((1.05, 0.98, 1.0), angle=0.06, origin=(0.7, -0.4, 0.3))
    grids = oblique((1.0, 1.1, 1.2)), oblique((1.2, 1.0, 1.0), angle=-0.1)
    if ndim == 2:
        keep = np.ix_([0, 1, 3], [0, 1, 3])
        affine, grids = affine[keep], tuple(g[keep] for g in grids)
    fixed, moving = Volume(picture(shape), grids[0]), Volume(picture(other, 1), grids[1])
    return Registration(fixed, moving, affine, field)


def itk_image(volume, data=None, vector=False):
    """As SimpleITK sees the same voxels, in LPS."""
    data = volume.data if data is None else data
    order = (2, 1, 0, 3) if vector else (2, 1, 0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(order)), isVector=vector)
    image.SetSpacing(volume.spacing)
    image.SetOrigin((FLIP @ volume.affine[:3, 3]).tolist())
    image.SetDirection((FLIP @ volume.affine[:3, :3] / volume.spacing).ravel().tolist())
    return image


def itk_transform(result):
    """Fixed point to moving point, all in one dense field of points."""
    grid = np.indices(result.fixed.shape).reshape(3, -1).T
    world = grid @ result.fixed.affine[:3, :3].T + result.fixed.affine[:3, 3]
    shift = (result.fixed_to_moving(world) - world) @ FLIP
    field = itk_image(result.fixed, shift.reshape(*result.fixed.shape, 3), vector=True)
    return sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))


@pytest.mark.parametrize(
    "mode, itk", [("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)]
)
def test_moved_image_is_what_simpleitk_makes_of_the_points(mode, itk):
    result = make()
    there = sitk.Resample(
        itk_image(result.moving), itk_image(result.fixed), itk_transform(result), itk, -7.0
    )
    ours = result.warp(result.moving, mode, fill=-7.0)
    theirs = sitk.GetArrayFromImage(there).transpose(2, 1, 0)
    different = np.abs(ours - theirs) > 1e-3 * 100
    assert (theirs == -7).any() and (theirs != -7).mean() > 0.5
    assert different.mean() < 2e-3  # rounding on the very border, or of a half


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_the_way_voxels_are_stored_does_not_matter(axes):
    """Any order and direction of the axes of either image gives the same map in the world."""
    result = make()
    turned = {}
    for name in ("fixed", "moving"):
        volume = getattr(result, name)
        signs = [1, -1, -1] if name == "fixed" else [-1, 1, -1]
        data = np.transpose(volume.data, axes)[tuple(slice(None, None, s) for s in signs)]
        old = np.zeros((4, 4))  # new voxel -> old voxel
        old[3, 3] = 1
        for new, axis in enumerate(axes):
            old[axis, new] = signs[new]
            old[axis, 3] = 0 if signs[new] > 0 else volume.shape[axis] - 1
        turned[name] = (Volume(data, volume.affine @ old), old)
    moving = turned["moving"][0]
    same = Registration(result.fixed, moving, result.affine, result.field)
    np.testing.assert_allclose(same.moved.data, result.moved.data, atol=2e-3)
    fixed, old = turned["fixed"]
    data = np.linalg.inv(old)[:3, :3] @ result.field.data.reshape(3, -1)
    data = data.reshape(3, *result.field.data.shape[1:]).transpose(0, *[a + 1 for a in axes])
    data = data[(slice(None), *(slice(None, None, int(s)) for s in old[:3, :3].sum(0)))]
    both = Registration(
        fixed, moving, result.affine, Field(data, np.ones(3), np.zeros(3), "displacement")
    )
    points = result.fixed.center + np.random.default_rng(0).normal(0, 4, (50, 3))
    np.testing.assert_allclose(
        both.fixed_to_moving(points), result.fixed_to_moving(points), atol=1e-4
    )


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", ["velocity", "displacement"])
def test_points_there_and_back(kind, ndim):
    result = make(kind, ndim)
    points = result.fixed.center + np.random.default_rng(0).normal(0, 4, (60, ndim))
    there = result.fixed_to_moving(points)
    assert np.abs(there - points).max() > 0.5
    assert np.abs(result.moving_to_fixed(there) - points).max() < 0.12
    assert result.fixed_to_moving(np.zeros((0, ndim))).shape == (0, ndim)
    assert np.isnan(result.fixed_to_moving(np.full((1, ndim), np.nan))).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_points_and_voxels_agree(ndim):
    result = make(ndim=ndim)
    grid = np.indices(result.fixed.shape).reshape(ndim, -1).T
    world = grid @ result.fixed.affine[:-1, :-1].T + result.fixed.affine[:-1, -1]
    inverse = np.linalg.inv(result.moving.affine)
    voxels = result.fixed_to_moving(world) @ inverse[:-1, :-1].T + inverse[:-1, -1]
    inside = ((voxels > 0) & (voxels < np.array(result.moving.shape) - 1)).all(1)
    truth = map_coordinates(result.moving.data, voxels[inside].T, order=1)
    np.testing.assert_allclose(result.moved.data.reshape(-1)[inside], truth, atol=2e-2)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("inverse", [False, True])
def test_blocks_are_cuts_of_the_whole(ndim, inverse):
    result = make("velocity", ndim)
    labels = Volume((result.moving.data / 25).astype(np.int16), result.moving.affine, "labels")
    target = result.moving if inverse else result.fixed
    blocks = [
        (slice(3, 4),),
        (slice(None, None, 3), slice(5, 1, -1)),
        (slice(2, 9), slice(0, 7, 2)),
    ]
    for index in blocks:
        for mode in ("linear", "nearest", "cubic"):
            whole = result.warp(result.moving, mode, inverse=inverse)
            assert whole.shape == target.shape
            part = result.warp(result.moving, mode, index=index, inverse=inverse)
            np.testing.assert_array_equal(part, whole[index])
        whole = result.warp_labels(labels, inverse=inverse)
        np.testing.assert_array_equal(result.warp_labels(labels, index, inverse), whole[index])
        whole = result.inverse_displacement if inverse else result.displacement
        part = result.displacement_block(index, inverse)
        np.testing.assert_array_equal(part, whole[(slice(None), *index)])
    assert result.warp(result.moving, index=(5,)).shape == (1, *result.fixed.shape[1:])


def test_a_slice_holds_only_a_slice():
    result = make()
    part = result.displacement_block((slice(4, 5),))
    base = part if part.base is None else part.base
    assert base.nbytes <= 3 * 4 * np.prod(result.fixed.shape[1:])


def test_a_slab_equals_the_slice():
    flat = make("velocity", 2)
    lift = {}
    for name in ("fixed", "moving"):
        volume = getattr(flat, name)
        affine = np.eye(4)
        affine[1:, 1:] = volume.affine
        lift[name] = Volume(volume.data[None], affine)
    affine = np.eye(4)
    affine[1:, 1:] = flat.affine
    data = np.concatenate([np.zeros_like(flat.field.data[:1]), flat.field.data])[:, None]
    slab = Registration(lift["fixed"], lift["moving"], affine, Field(data, np.ones(3), np.zeros(3)))
    for mode in ("linear", "nearest", "cubic"):
        np.testing.assert_allclose(
            slab.warp(lift["moving"], mode)[0], flat.warp(flat.moving, mode), atol=1e-4
        )


def test_identity_gives_the_image_back():
    volume = Volume(picture((7, 6, 5)), oblique((1, 2, 3)))
    result = Registration(volume, volume, np.eye(4))
    for mode in ("linear", "nearest", "cubic"):
        for inverse in (False, True):
            np.testing.assert_allclose(
                result.warp(volume, mode, inverse=inverse), volume.data, rtol=1e-5, atol=1e-4
            )
    assert (result.displacement == 0).all() and result.displacement.shape == (3, 7, 6, 5)


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int8", ">i2", "uint16", "int32", "uint32", "int64", "uint64", "float64"],
)
def test_ids_stay_exact(dtype):
    dtype = np.dtype(dtype)
    top = 1 if dtype.kind == "b" else 2**53 if dtype.kind == "f" else int(np.iinfo(dtype).max)
    data = np.zeros((6, 7, 8), dtype)
    data[1:4, 2:6, 1:5], data[4:, :, 5:] = top, max(1, top - 1)
    result = Registration(Volume(picture((6, 7, 8))), Volume(picture((6, 7, 8))), np.eye(4))
    labels = Volume(data, kind="labels")
    for moved in (
        result.warp(labels),
        result.warp_labels(labels),
        result.warp(labels, inverse=True),
    ):
        assert moved.dtype == dtype
        np.testing.assert_array_equal(moved, data)


def test_fill_of_ids():
    data = np.full((4, 4, 4), 2**40, np.int64)
    far = np.eye(4)
    far[0, 3] = 2
    result = Registration(Volume(picture((4, 4, 4))), Volume(data, kind="labels"), far)
    for fill in (0, -3, 2**40, 99):
        moved = result.warp(result.moving, fill=fill)
        assert set(np.unique(moved)) == {fill, 2**40}
    small = Volume(np.ones((4, 4, 4), np.uint8), kind="labels")
    for fill in (-1, 256, 0.5, float("nan")):
        with pytest.raises(InputError, match="whole number from 0 to 255"):
            result.warp(small, fill=fill)
    assert set(np.unique(result.warp(small, fill=255))) == {1, 255}
    assert np.isnan(result.warp(Volume(picture((4, 4, 4))), fill=float("nan"))).any()


def test_labels_by_majority_against_plain_one_hot():
    result = make("velocity")
    labels = Volume((result.moving.data / 12).astype(np.int32) + 5, result.moving.affine, "labels")
    shares = {
        label: result.warp(
            labels.with_data((labels.data == label).astype(np.float32), kind="image"),
            "linear",
            fill=float(label == 0),
        )
        for label in [0, *np.unique(labels.data)]
    }
    stack = np.stack(list(shares.values()))
    ordered = np.sort(stack, axis=0)
    clear = ordered[-1] - ordered[-2] > 1e-3
    truth = np.array(list(shares))[stack.argmax(0)]
    moved = result.warp_labels(labels)
    assert clear.mean() > 0.9 and moved.dtype == np.int32
    np.testing.assert_array_equal(moved[clear], truth[clear])


def test_inputs_in_any_memory_layout_and_type():
    result = make()
    base = result.moving.data
    read_only = base.copy()
    read_only.setflags(write=False)
    for data, tolerance in [
        (np.asfortranarray(base), 0),
        (base[::-1][::-1], 0),
        (read_only, 0),
        (base.astype(">f8"), 1e-6),
        (base.astype(np.float16), 0.1),
        (base.astype(np.int64), 1.0),
    ]:
        moved = result.warp(result.moving.with_data(data))
        inside = moved != 0
        assert np.abs(moved - result.moved.data)[inside].max() <= tolerance


def test_refusals():
    result = make()
    flat = Volume(picture((5, 6)))
    with pytest.raises(InputError, match="2-D"):
        result.warp(flat)
    with pytest.raises(InputError, match="mode"):
        result.warp(result.moving, "spline")
    for points in (np.zeros((2, 2)), np.zeros((1, 2, 3)), np.zeros(4)):
        with pytest.raises(InputError, match="Points"):
            result.fixed_to_moving(points)
    with pytest.raises(InputError, match="field is 2-D"):
        Registration(
            result.fixed,
            result.moving,
            np.eye(4),
            Field(np.zeros((2, 3, 3)), np.ones(2), np.zeros(2)),
        )
    with pytest.raises(InputError, match="must be 2-D or both 3-D"):
        Registration(result.fixed, flat, np.eye(4))
