"""The written displacement is the map that was shown: SimpleITK is asked."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import load, load_displacement, save, save_displacement
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

from .grids import CASES, Case, smooth_field, world_affine


def resample(source, reference, field):
    """SimpleITK's own linear resampling with a displacement file."""
    vectors = sitk.ReadImage(str(field), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(vectors)
    image = sitk.ReadImage(str(source), sitk.sitkFloat32)
    grid = sitk.ReadImage(str(reference))
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkLinear, 0.0)).T


def difference(theirs, ours, source):
    """Largest difference as a share of the range, and the share of voxels where exactly one is out.

    Whether a point on the very border of the moving field of view (-0.5 or n - 0.5) is inside
    hangs on the last bit of its position: such voxels are counted, not compared.
    """
    one_out = (theirs == 0) != (ours == 0)
    gap = np.abs(theirs - ours)[~one_out].max() / np.ptp(source.data)
    return gap, one_out.mean()


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("kind", ["velocity", "displacement"])
def test_simpleitk_resamples_as_we_do(case, make_registration, tmp_path, kind, inverse):
    result = make_registration(case, kind)
    save(result.fixed, tmp_path / "fixed.nii.gz")
    save(result.moving, tmp_path / "moving.nii.gz")
    save_displacement(result, tmp_path / "field.nii.gz", inverse=inverse)
    source, grid = ("fixed", "moving") if inverse else ("moving", "fixed")
    names = (tmp_path / f"{name}.nii.gz" for name in (source, grid))
    theirs = resample(*names, tmp_path / "field.nii.gz")
    volume = getattr(result, source)
    ours = result.warp(volume, inverse=inverse)
    assert (ours != 0).mean() > 0.25
    gap, one_out = difference(theirs, ours, volume)
    assert gap <= 1e-4
    assert one_out <= 0.002
    if not inverse:
        np.testing.assert_array_equal(ours, result.moved.data)


def test_affine_only(case, make_registration, tmp_path):
    result = make_registration(case, field=False)
    save(result.fixed, tmp_path / "fixed.nii")
    save(result.moving, tmp_path / "moving.nii")
    save_displacement(result, tmp_path / "field.nii")
    theirs = resample(tmp_path / "moving.nii", tmp_path / "fixed.nii", tmp_path / "field.nii")
    gap, one_out = difference(theirs, result.moved.data, result.moving)
    assert gap <= 1e-4 and one_out <= 0.002


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz"])
def test_pictures_agree_with_itk_reading_the_picture(make_registration, tmp_path, suffix):
    """ITK puts columns on x and rows on y; so must the field of two pictures."""
    shape = Case(((40, 31), np.eye(3)), ((33, 44), np.eye(3)))
    result = make_registration(shape, oriented=False)
    whole = {r: getattr(result, r) for r in ("fixed", "moving")}
    whole = {r: v.with_data(np.rint(v.data).astype(np.uint16)) for r, v in whole.items()}
    result = replace(result, **whole)
    for role, volume in whole.items():
        save(volume, tmp_path / f"{role}{suffix}")
    save_displacement(result, tmp_path / "field.nii.gz")
    source, grid = (tmp_path / f"{role}{suffix}" for role in ("moving", "fixed"))
    theirs = resample(source, grid, tmp_path / "field.nii.gz")
    if suffix != ".nii.gz":
        theirs = theirs.T  # of a picture, ITK's array is (rows, columns) to begin with
    gap, one_out = difference(theirs, result.moved.data, result.moving)
    assert gap <= 1e-4 and one_out <= 0.002


def test_layout_is_the_one_of_itk(case, make_registration, tmp_path):
    result = make_registration(case)
    save_displacement(result, tmp_path / "field.nii.gz")
    image = nibabel.load(tmp_path / "field.nii.gz")
    ndim = result.ndim
    assert image.shape == (*result.fixed.shape, *(1,) * (4 - ndim), ndim)
    assert image.get_data_dtype() == np.float32
    assert int(image.header["intent_code"]) == 1007
    keep = [*range(ndim), 3]
    np.testing.assert_allclose(image.affine[np.ix_(keep, keep)], result.fixed.affine, atol=1e-5)
    field = sitk.ReadImage(str(tmp_path / "field.nii.gz"))
    assert field.GetDimension() == ndim and field.GetNumberOfComponentsPerPixel() == ndim


def test_vector_is_the_world_step_in_lps(make_registration, tmp_path):
    """A pure shift of 3 mm to the right, 5 forward, 7 up."""
    start = make_registration(CASES["oblique"], field=False)
    affine = np.eye(4)
    affine[:3, 3] = 3, 5, 7
    shift = Registration(start.fixed, start.moving, affine)
    save_displacement(shift, tmp_path / "field.nii.gz")
    vectors = np.asarray(nibabel.load(tmp_path / "field.nii.gz").dataobj)[..., 0, :]
    np.testing.assert_allclose(vectors, np.broadcast_to([-3, -5, 7], vectors.shape), atol=1e-5)


def test_loaded_field_is_the_same_map(case, make_registration, tmp_path):
    result = make_registration(case)
    save_displacement(result, tmp_path / "field.nii.gz")
    again = load_displacement(tmp_path / "field.nii.gz").registration(result.moving, result.fixed)
    again_moved = again.warp(result.moving)
    gap, one_out = difference(again_moved, result.moved.data, result.moving)
    assert gap <= 1e-4 and one_out <= 0.002
    corners = [np.array([0, n - 1]) for n in result.fixed.shape]
    voxels = np.stack([g.ravel() for g in np.meshgrid(*corners, indexing="ij")], 1)
    worlds = voxels @ result.fixed.affine[:-1, :-1].T + result.fixed.affine[:-1, -1]
    np.testing.assert_allclose(
        again.fixed_to_moving(worlds), result.fixed_to_moving(worlds), atol=1e-3
    )
    # The affine part is out of the field: what is left can be inverted.
    there = again.fixed_to_moving(worlds)
    middle = np.median(there, axis=0, keepdims=True)
    np.testing.assert_allclose(
        again.moving_to_fixed(middle), result.moving_to_fixed(middle), atol=0.1
    )


def test_loaded_field_of_pictures(make_registration, tmp_path):
    shape = Case(((40, 31), np.eye(3)), ((33, 44), np.eye(3)))
    result = make_registration(shape, oriented=False)
    save_displacement(result, tmp_path / "field.nii.gz")
    again = load_displacement(tmp_path / "field.nii.gz").registration(result.moving)
    gap, _ = difference(again.warp(result.moving), result.moved.data, result.moving)
    assert gap <= 1e-4


def test_sitk_field_can_be_loaded(tmp_path):
    """A field that SimpleITK itself wrote."""
    grid = sitk.Image([12, 10, 8], sitk.sitkFloat32)
    grid.SetSpacing([1.5, 2, 2.5])
    grid.SetOrigin([5, -3, 8])
    turn = sitk.Euler3DTransform((5, 2, 9), 0.1, -0.05, 0.2, (1, 2, 3))
    field = sitk.TransformToDisplacementField(
        turn, sitk.sitkVectorFloat32, grid.GetSize(), grid.GetOrigin(), grid.GetSpacing()
    )
    sitk.WriteImage(field, str(tmp_path / "field.nii.gz"))
    moving = Volume(np.zeros((9, 9, 9), np.float32))
    loaded = load_displacement(tmp_path / "field.nii.gz").registration(moving)
    lps = np.array([10.0, 4.0, 15.0])
    flip = np.array([-1, -1, 1])
    expected = np.array(turn.TransformPoint(lps)) * flip
    np.testing.assert_allclose(loaded.fixed_to_moving((lps * flip)[None])[0], expected, atol=1e-4)


def test_a_field_is_no_image_and_an_image_no_field(make_registration, tmp_path):
    result = make_registration(CASES["oblique"])
    save_displacement(result, tmp_path / "field.nii.gz")
    with pytest.raises(InputError, match="displacement field"):
        load(tmp_path / "field.nii.gz")
    save(result.fixed, tmp_path / "image.nii.gz")
    with pytest.raises(FileFormatError, match="shape"):
        load_displacement(tmp_path / "image.nii.gz")
    with pytest.raises(FileFormatError, match="does not exist"):
        load_displacement(tmp_path / "none.nii.gz")


def test_sheared_grid_is_refused(tmp_path):
    affine = np.eye(4)
    affine[0, 2] = 0.3
    image = Volume(np.zeros((5, 6, 7), np.float32), affine)
    with pytest.raises(InputError, match="right angles"):
        save_displacement(Registration(image, image, np.eye(4)), tmp_path / "field.nii.gz")
    assert not list(tmp_path.iterdir())


def test_suffix(make_registration, tmp_path):
    with pytest.raises(InputError, match=r"\.nii\.gz"):
        save_displacement(make_registration(CASES["2-D"]), tmp_path / "field.mha")


@pytest.mark.parametrize("name", ["multimodal", "lung"])
def test_real_scans(data_dir, tmp_path, name, make_registration):
    """Real files, read by SimpleITK from where they are."""
    files = {
        "multimodal": ("multimodal/head_T1.nii.gz", "multimodal/head_PD.nii.gz"),
        "lung": ("lung_ct/3DCT_lung_baseline.mha", "lung_ct/3DCT_lung_followup.mha"),
    }[name]
    fixed, moving = (load(data_dir / f) for f in files)
    matrix = world_affine(3, 3)
    matrix[:3, 3] = moving.center - matrix[:3, :3] @ fixed.center
    scale = np.full(3, 4.0)
    coarse = tuple(n // 4 + 1 for n in fixed.shape)
    field = Field(smooth_field(coarse, 1.0), scale, np.zeros(3), "velocity")
    result = Registration(fixed, moving, matrix, field)
    save_displacement(result, tmp_path / "field.nii")
    theirs = resample(data_dir / files[1], data_dir / files[0], tmp_path / "field.nii")
    # Outside the CT is 0, not air, on both sides; positions carry the rounding of the headers,
    # which are float32 in NIfTI.
    one_out = (theirs == 0) != (result.moved.data == 0)
    gap = np.abs(theirs - result.moved.data)[~one_out] / np.ptp(moving.data)
    assert gap.max() <= 1e-3
    assert one_out.mean() < 1e-3
