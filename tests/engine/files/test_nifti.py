"""The corners of NIfTI, Analyze and MGH: units, two positions, scaling, volumes, types."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import load, save
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import grid_affine
from .test_round_trips import sitk_affine

DATA = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def write(path, data=DATA, affine=None, **fields):
    image = nibabel.Nifti1Image(data, np.eye(4) if affine is None else affine)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e-3), ("mm", 1), ("meter", 1e3)])
def test_units_become_millimetres(tmp_path, unit, factor):
    affine = grid_affine((2, 3, 4), (10, 20, 30), (5, 6, 7))
    image = nibabel.Nifti1Image(DATA, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "image.nii")
    volume = load(tmp_path / "image.nii")
    expected = affine.copy()
    expected[:3] *= factor
    np.testing.assert_allclose(volume.affine, expected, rtol=1e-5)
    np.testing.assert_allclose(volume.affine, sitk_affine(tmp_path / "image.nii"), rtol=1e-5)
    assert any("millimetres" in note for note in volume.header["notes"]) == (factor != 1)
    save(volume, tmp_path / "again.nii")
    np.testing.assert_allclose(load(tmp_path / "again.nii").affine, volume.affine, rtol=1e-5)


def test_sform_first_then_qform_then_nothing(tmp_path):
    image = nibabel.Nifti1Image(DATA, np.eye(4))
    image.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    image.set_qform(np.diag([-3.0, 3, 3, 1]), 1)
    nibabel.save(image, tmp_path / "both.nii")
    both = load(tmp_path / "both.nii")
    np.testing.assert_allclose(both.affine, np.diag([2, 2, 2, 1]))
    assert both.header["sform_qform_gap"] > 1 and "sform" in both.header["notes"][0]
    image.set_sform(np.diag([2.0, 2, 2, 1]), 0)
    nibabel.save(image, tmp_path / "qform.nii")
    qform = load(tmp_path / "qform.nii")
    np.testing.assert_allclose(qform.affine, np.diag([-3, 3, 3, 1]))
    assert not qform.header["notes"]
    image.set_qform(np.diag([-3.0, 3, 3, 1]), 0)
    nibabel.save(image, tmp_path / "none.nii")
    none = load(tmp_path / "none.nii")
    assert not none.oriented and none.spacing == (3, 3, 3)
    np.testing.assert_allclose(none.affine, sitk_affine(tmp_path / "none.nii"))


def test_all_zero_affine(tmp_path):
    image = nibabel.Nifti1Image(DATA, np.eye(4))
    for row in ("srow_x", "srow_y", "srow_z"):
        image.header[row] = 0
    image.header["sform_code"] = 1
    image.header["qform_code"] = 0
    image.header["magic"], image.header["vox_offset"] = b"n+1", 352
    # nibabel writes the image's affine over the header: write the header's bytes instead.
    raw = image.header.binaryblock + b"\0\0\0\0" + DATA.tobytes(order="F")
    (tmp_path / "zero.nii").write_bytes(raw)
    with pytest.raises(InputError, match="all zero or flat"):
        load(tmp_path / "zero.nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_scaling(tmp_path, suffix):
    image = nibabel.Nifti1Image(DATA, np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / f"scaled{suffix}")
    volume = load(tmp_path / f"scaled{suffix}")
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, DATA * 0.5 + 10)


def test_stored_type_is_kept_in_native_order(tmp_path):
    image = nibabel.Nifti1Image(DATA.astype(">i2"), np.eye(4))
    nibabel.save(image, tmp_path / "big.nii")
    volume = load(tmp_path / "big.nii")
    assert volume.data.dtype == np.dtype("int16") and volume.data.dtype.isnative
    np.testing.assert_array_equal(volume.data, DATA)
    volume.data[0, 0, 0] = 7  # a plain array, not a view of the file


def test_several_volumes(tmp_path):
    data = np.stack([DATA, DATA + 100], axis=-1)
    write(tmp_path / "series.nii.gz", data)
    with pytest.raises(
        InputError, match=r"holds 2 volumes of 3 x 4 x 5 .* volume_index from 0 to 1"
    ):
        load(tmp_path / "series.nii.gz")
    volume = load(tmp_path / "series.nii.gz", volume_index=1)
    np.testing.assert_array_equal(volume.data, DATA + 100)
    assert volume.header["volume_index"] == 1
    with pytest.raises(InputError, match="no volume 2"):
        load(tmp_path / "series.nii.gz", volume_index=2)
    write(tmp_path / "one.nii.gz", DATA[..., None])
    assert load(tmp_path / "one.nii.gz").shape == DATA.shape
    with pytest.raises(InputError, match="no volume 1"):
        load(tmp_path / "one.nii.gz", volume_index=1)
    write(tmp_path / "many.nii", np.zeros((3, 4, 5, 2, 2), np.uint8))
    with pytest.raises(InputError, match="5 axes"):
        load(tmp_path / "many.nii", volume_index=0)


def test_colours_and_complex_numbers_are_refused(tmp_path):
    colours = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    write(tmp_path / "rgb.nii", colours)
    with pytest.raises(InputError, match="RGB"):
        load(tmp_path / "rgb.nii")
    write(tmp_path / "complex.nii", DATA.astype(np.complex64))
    with pytest.raises(InputError, match="magnitude"):
        load(tmp_path / "complex.nii")


def test_labels(tmp_path):
    write(tmp_path / "float.nii", DATA.astype(np.float32))
    labels = load(tmp_path / "float.nii", "labels")
    assert labels.data.dtype == np.int32 and labels.kind == "labels"
    np.testing.assert_array_equal(labels.data, DATA)
    write(tmp_path / "half.nii", DATA + np.float32(0.5))
    with pytest.raises(InputError, match="whole numbers"):
        load(tmp_path / "half.nii", "labels")
    write(tmp_path / "nan.nii", np.where(DATA == 3, np.nan, DATA).astype(np.float32))
    with pytest.raises(InputError, match="holds nan"):
        load(tmp_path / "nan.nii", "labels")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a_seg.nii", "labels"), ("aseg.nii", "labels"), ("1000_labels.nii", "labels"),
     ("lung_mask.nii", "labels"), ("a_t1.nii", "image"), ("segment.nii", "image")],
)  # fmt: skip
def test_kind_is_guessed_from_the_name(tmp_path, name, kind):
    write(tmp_path / name, DATA)
    assert load(tmp_path / name, None).kind == kind
    assert load(tmp_path / name).kind == "image"


def test_kind_is_told_by_the_file(tmp_path):
    save(Volume(DATA, kind="labels"), tmp_path / "x.nii.gz")
    assert load(tmp_path / "x.nii.gz", None).kind == "labels"


def test_nan_is_counted(tmp_path):
    data = DATA.astype(np.float32)
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    write(tmp_path / "nan.nii", data)
    volume = load(tmp_path / "nan.nii")
    assert volume.header["non_finite"] == 3
    assert "non_finite" not in load(write(tmp_path / "fine.nii", DATA)).header


def test_pairs_and_analyze(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(DATA, np.diag([2.0, 2, 2, 1])), tmp_path / "pair.img")
    for name in ("pair.img", "pair.hdr"):
        volume = load(tmp_path / name)
        assert volume.oriented
        np.testing.assert_array_equal(volume.data, DATA)
    nibabel.save(nibabel.AnalyzeImage(DATA, np.diag([-2.0, 2, 2, 1])), tmp_path / "old.img")
    old = load(tmp_path / "old.hdr")
    assert not old.oriented and old.spacing == (2, 2, 2)
    np.testing.assert_array_equal(old.data, DATA)
    (tmp_path / "old.img").unlink()
    with pytest.raises(FileFormatError, match=r"old\.(img|hdr)"):
        load(tmp_path / "old.hdr")


def test_nifti2_and_long_axes(tmp_path):
    nibabel.save(nibabel.Nifti2Image(DATA, np.eye(4)), tmp_path / "two.nii")
    np.testing.assert_array_equal(load(tmp_path / "two.nii").data, DATA)


def test_mgz_without_a_place(tmp_path):
    nibabel.save(nibabel.MGHImage(DATA, np.diag([1.0, 2, 3, 1])), tmp_path / "x.mgh")
    raw = bytearray((tmp_path / "x.mgh").read_bytes())
    raw[28:30] = b"\0\0"
    (tmp_path / "x.mgh").write_bytes(raw)
    assert not load(tmp_path / "x.mgh").oriented


def test_moved_image_on_the_grid_of_a_file_keeps_its_code(tmp_path):
    image = nibabel.Nifti1Image(DATA, np.eye(4))
    image.set_sform(np.eye(4), 4)  # MNI
    nibabel.save(image, tmp_path / "mni.nii")
    volume = load(tmp_path / "mni.nii")
    save(volume.with_data(volume.data * 2), tmp_path / "twice.nii.gz")
    again = nibabel.load(tmp_path / "twice.nii.gz")
    assert int(again.header["sform_code"]) == 4
    assert again.header.get_xyzt_units()[0] == "mm"
    assert sitk.ReadImage(str(tmp_path / "twice.nii.gz")).GetSize() == (3, 4, 5)


def test_sheared_grid_is_written_by_its_sform(tmp_path):
    affine = np.eye(4)
    affine[0, 1] = 0.4
    save(Volume(DATA, affine), tmp_path / "shear.nii")
    np.testing.assert_allclose(load(tmp_path / "shear.nii").affine, affine, atol=1e-6)
