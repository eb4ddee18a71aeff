"""What is saved opens again as it was; nibabel and SimpleITK see the same place."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import load, save
from napari_voxelmorph.engine.files.frames import flip_lps
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import CASES

FORMATS_3D = [".nii", ".nii.gz", ".mgz", ".mgh", ".nrrd", ".mha"]
DTYPES = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float16",
          "float32", "float64"]  # fmt: skip


def sitk_affine(path) -> np.ndarray:
    """RAS matrix of a file as SimpleITK reads it."""
    image = sitk.ReadImage(str(path))
    ndim = image.GetDimension()
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] = np.array(image.GetDirection()).reshape(ndim, ndim) * image.GetSpacing()
    affine[:-1, -1] = image.GetOrigin()
    return flip_lps(ndim) @ affine


def nibabel_affine(path) -> np.ndarray:
    """RAS matrix of a file as nibabel reads it."""
    if path.suffix == ".mgh":  # nibabel.load would leave the file open
        return nibabel.MGHImage.from_bytes(path.read_bytes()).affine
    return nibabel.load(path).affine


@pytest.mark.parametrize("suffix", FORMATS_3D)
def test_place_and_numbers(case, make_registration, tmp_path, suffix):
    volume = make_registration(case).fixed
    if volume.ndim == 2 and suffix.startswith(".mg"):
        pytest.skip("MGH has three axes: see test_plane_as_mgz")
    path = tmp_path / f"image{suffix}"
    save(volume, path)
    again = load(path)
    np.testing.assert_array_equal(again.data, volume.data)
    assert again.data.dtype == volume.data.dtype
    np.testing.assert_allclose(again.affine, volume.affine, atol=2e-5)
    assert again.oriented and again.name == "image" and again.data.flags.c_contiguous
    if suffix in (".nii", ".nii.gz", ".nrrd", ".mha"):
        np.testing.assert_allclose(sitk_affine(path), again.affine, atol=2e-5)


@pytest.mark.parametrize("suffix", FORMATS_3D)
def test_left_stays_left(marked_head, tmp_path, suffix):
    """The bright half is the left one, by our affine and by everybody else's."""
    path = tmp_path / f"head{suffix}"
    save(marked_head, path)
    volume = load(path)
    index = np.argwhere(volume.data == 200)
    world = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    dark = np.argwhere(volume.data == 10) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert world[:, 0].max() < dark[:, 0].min()
    assert volume.orientation == marked_head.orientation
    if suffix not in (".mgz", ".mgh"):
        image = sitk.ReadImage(str(path))
        array = sitk.GetArrayViewFromImage(image)
        at = [int(i) for i in np.argwhere(array == 200)[0][::-1]]
        away = [int(i) for i in np.argwhere(array == 10)[0][::-1]]
        x = [image.TransformIndexToPhysicalPoint(i)[0] for i in (at, away)]
        assert x[0] > x[1]  # LPS: left is positive
    if suffix not in (".nrrd", ".mha"):
        np.testing.assert_allclose(nibabel_affine(path), marked_head.affine, atol=2e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", FORMATS_3D)
def test_labels_of_every_type_are_exact(tmp_path, suffix, dtype):
    values = (
        np.arange(24).reshape(2, 3, 4) % 2 if dtype == "bool" else np.arange(24).reshape(2, 3, 4)
    )
    if np.dtype(dtype).itemsize >= 4 and np.dtype(dtype).kind in "iu":
        values = values * 1_000_003  # more than float32 can count
    data = values.astype(dtype)
    save(Volume(data, kind="labels"), tmp_path / f"labels{suffix}")
    again = load(tmp_path / f"labels{suffix}", "labels")
    assert again.kind == "labels" and again.data.dtype.kind in "biu"
    np.testing.assert_array_equal(again.data.astype(np.int64), data.astype(np.int64))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", FORMATS_3D)
def test_images_of_every_type(tmp_path, suffix, dtype):
    data = (np.linspace(0, 100, 24).reshape(2, 3, 4)).astype(dtype)
    save(Volume(data), tmp_path / f"image{suffix}")
    again = load(tmp_path / f"image{suffix}")
    np.testing.assert_allclose(again.data.astype(float), data.astype(float), rtol=1e-6)


def test_large_ids(tmp_path):
    data = np.array([[[0, 2**40], [5, -(2**50)]]]).repeat(2, 0)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        save(Volume(data, kind="labels"), tmp_path / f"labels{suffix}")
        np.testing.assert_array_equal(load(tmp_path / f"labels{suffix}", "labels").data, data)
    with pytest.raises(InputError, match="MGH"):
        save(Volume(data, kind="labels"), tmp_path / "labels.mgz")


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("suffix", FORMATS_3D)
def test_one_slice_becomes_a_plane_and_goes_back(tmp_path, suffix, axis):
    affine = CASES["oblique"].fixed[1]
    data = np.moveaxis(np.arange(30, dtype=np.int16).reshape(1, 5, 6), 0, axis)
    path = tmp_path / f"slice{suffix}"
    if suffix in (".nrrd", ".mha"):
        image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
        lps = flip_lps(3) @ affine
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        image.SetSpacing(spacing)
        image.SetDirection((lps[:3, :3] / spacing).ravel())
        image.SetOrigin(lps[:3, 3])
        sitk.WriteImage(image, str(path))
    else:
        kind = nibabel.MGHImage if ".mg" in suffix else nibabel.Nifti1Image
        nibabel.save(kind(data, affine), path)
    volume = load(path)
    assert volume.shape == (5, 6) and volume.affine.shape == (3, 3)
    kept = [a for a in range(3) if a != axis]
    np.testing.assert_allclose(volume.spacing, np.linalg.norm(affine[:3, kept], axis=0), rtol=1e-5)
    save(volume, tmp_path / f"again{suffix}")
    reader = sitk_affine if suffix in (".nrrd", ".mha") else nibabel_affine
    np.testing.assert_allclose(reader(tmp_path / f"again{suffix}"), affine, atol=2e-5)
    again = load(tmp_path / f"again{suffix}")
    np.testing.assert_array_equal(again.data, volume.data)
    np.testing.assert_allclose(again.affine, volume.affine, atol=2e-5)


def test_axis_aligned_plane_keeps_its_world_axes(tmp_path):
    affine = np.diag([-2.0, 1.5, 3, 1])
    affine[:3, 3] = 11, 12, 13
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((4, 1, 5), np.uint8), affine), tmp_path / "coronal.nii"
    )
    volume = load(tmp_path / "coronal.nii")
    np.testing.assert_array_equal(volume.affine, [[-2, 0, 11], [0, 3, 13], [0, 0, 1]])


def test_cropped_slice_goes_to_its_own_place(tmp_path):
    affine = CASES["oblique"].fixed[1]
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 1, 5), np.uint8), affine), tmp_path / "slice.nii")
    volume = load(tmp_path / "slice.nii")
    crop = volume.affine.copy()
    crop[:2, 2] += volume.affine[:2, :2] @ [2, 1]
    save(Volume(volume.data[2:, 1:], crop, header=volume.header), tmp_path / "crop.nii")
    expected = affine.copy()
    expected[:3, 3] += affine[:3, :3] @ [2, 0, 1]
    np.testing.assert_allclose(nibabel.load(tmp_path / "crop.nii").affine, expected, atol=1e-5)


def test_plane_as_mgz(tmp_path):
    volume = Volume(np.arange(12, dtype=np.uint8).reshape(3, 4), np.diag([-2.0, -1.5, 1]))
    save(volume, tmp_path / "plane.mgz")
    again = load(tmp_path / "plane.mgz")
    np.testing.assert_array_equal(again.data, volume.data)
    np.testing.assert_allclose(again.affine, volume.affine)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6)])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_unknown_left_and_right_stays_unknown(tmp_path, shape, suffix):
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    affine = np.diag([2.0, 3.0, 4.0, 1.0] if len(shape) == 3 else [2.0, 3.0, 1.0])
    save(Volume(data, affine, oriented=False), tmp_path / f"array{suffix}")
    again = load(tmp_path / f"array{suffix}")
    assert not again.oriented
    np.testing.assert_array_equal(again.data, data)
    np.testing.assert_allclose(again.affine, affine)


def test_unknown_left_and_right_is_not_told_to_freesurfer(tmp_path):
    with pytest.raises(InputError, match="left"):
        save(Volume(np.zeros((4, 5, 6)), oriented=False), tmp_path / "array.mgz")


def test_unknown_suffix(tmp_path):
    with pytest.raises(InputError, match="suffix"):
        save(Volume(np.zeros((4, 5, 6))), tmp_path / "image.jpg")


@pytest.mark.parametrize(
    "name",
    [
        "oasis_brains/1000_t1.nii.gz",
        "multimodal/head_T1.nii.gz",
        "multimodal/head_PD.nii.gz",
        "multimodal/IXI002-Guys-0828-T1_slice90.nii.gz",
        "cardiac/sa_ED.nii.gz",
        "brain_2d/T_template0.nii.gz",
        "brain_2d/CT_2D_head_fixed.mha",
        "lung_ct/3DCT_lung_baseline.mha",
        "atlas/MNI152_T1_1mm_brain.nii.gz",
    ],
)
def test_real_files_lie_where_simpleitk_has_them(data_dir, name):
    volume = load(data_dir / name)
    np.testing.assert_allclose(sitk_affine(data_dir / name), volume.affine, atol=1e-4)
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(data_dir / name))).T
    np.testing.assert_allclose(volume.data, image, rtol=1e-6)
