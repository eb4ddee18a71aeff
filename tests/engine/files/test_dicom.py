"""DICOM series, real and made: order, spacing, several series, missing slices, many volumes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import load, save

from .grids import grid_affine
from .test_round_trips import sitk_affine


def write_series(folder, data, affine, series="1.2.3.4", description="head", start=0, **tags):
    """One file per slice; affine is in LPS."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    for k in range(data.shape[2]):
        image = sitk.GetImageFromArray(np.ascontiguousarray(data[:, :, k].T))
        image.SetSpacing(spacing[:2])
        position = affine[:3, 3] + affine[:3, 2] * k
        values = {
            "0008|0060": "MR",
            "0008|103e": description,
            "0008|0018": f"{series}.{start + k + 1}",
            "0020|000d": "1.2.3",
            "0020|000e": series,
            "0020|0013": str(start + k + 1),
            "0020|0032": "\\".join(f"{p:.6f}" for p in position),
            "0020|0037": "\\".join(f"{d:.8f}" for d in directions[:, :2].T.ravel()),
            **tags,
        }
        for tag, value in values.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{series}_{start + k:03}.dcm"))
        writer.Execute(image)


def dicom_bytes(data, k, slope=None, syntax="1.2.840.10008.1.2.1", samples=1) -> bytes:
    """A DICOM file by hand: slice k of a grid of 2 x 3 x 4 mm, or one without a place (None)."""

    def element(group, number, kind, value, implicit=False):
        if isinstance(value, int):
            value = value.to_bytes(2, "little")
        if isinstance(value, str):
            value = value.encode() + (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
        head = group.to_bytes(2, "little") + number.to_bytes(2, "little")
        if implicit:
            return head + len(value).to_bytes(4, "little") + value
        if kind in ("OW", "OB"):
            return head + kind.encode() + b"\0\0" + len(value).to_bytes(4, "little") + value
        return head + kind.encode() + len(value).to_bytes(2, "little") + value

    columns, rows = data.shape
    sop = "1.2.840.10008.5.1.4.1.1.4"  # MR image
    values = [
        (0x08, 0x16, "UI", sop), (0x08, 0x18, "UI", f"1.2.3.{k or 0}.9"), (0x08, 0x60, "CS", "MR"),
        (0x20, 0x0D, "UI", "1.2"), (0x20, 0x0E, "UI", "1.2.3"), (0x20, 0x13, "IS", str(k or 0)),
        (0x20, 0x32, "DS", f"0\\0\\{4 * (k or 0)}"), (0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
        (0x28, 0x02, "US", samples), (0x28, 0x04, "CS", "MONOCHROME2" if samples == 1 else "RGB"),
        (0x28, 0x10, "US", rows), (0x28, 0x11, "US", columns), (0x28, 0x30, "DS", "3\\2"),
        (0x28, 0x100, "US", 16), (0x28, 0x101, "US", 16), (0x28, 0x102, "US", 15),
        (0x28, 0x103, "US", 1), (0x28, 0x1052, "DS", "0"), (0x28, 0x1053, "DS", slope or "1"),
        (0x7FE0, 0x10, "OW", np.ascontiguousarray(data.T).astype("<i2").tobytes() * samples),
    ]  # fmt: skip
    if k is None:
        values = [v for v in values if v[:2] not in ((0x20, 0x32), (0x20, 0x37))]
    meta = [
        (2, 1, "OB", b"\0\1"),
        (2, 2, "UI", sop),
        (2, 3, "UI", "1.2.3.9"),
        (2, 0x10, "UI", syntax),
    ]
    body = b"".join(element(*m) for m in meta)
    length = element(2, 0, "UL", len(body).to_bytes(4, "little"))
    implicit = syntax == "1.2.840.10008.1.2"
    return b"\0" * 128 + b"DICM" + length + body + b"".join(element(*v, implicit) for v in values)


@pytest.fixture
def oblique_lps():
    return grid_affine((1.5, 2, 3.5), (12, -20, 33), (-31, 22, 13))


DATA = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize("name", ["dicom_t1", "dicom_small"])
def test_real_series_as_simpleitk(data_dir, name, tmp_path):
    volume = load(data_dir / name)
    reader = sitk.ImageSeriesReader
    names = reader.GetGDCMSeriesFileNames(str(data_dir / name))
    image = sitk.ReadImage(names)
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image).T)
    sitk.WriteImage(image, str(tmp_path / "itk.nrrd"))
    np.testing.assert_allclose(volume.affine, sitk_affine(tmp_path / "itk.nrrd"), atol=2e-3)
    assert volume.oriented and volume.header["files"] == len(names)
    one = load(sorted((data_dir / name).iterdir())[3])
    np.testing.assert_array_equal(one.data, volume.data)
    save(volume, tmp_path / "t1.nii.gz")
    np.testing.assert_allclose(sitk_affine(tmp_path / "t1.nii.gz"), volume.affine, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["CT_small", "MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "rtdose",
     "liver_1frame", "examples_overlay", "JPEG2000"],
)  # fmt: skip
def test_files_of_pydicom_as_simpleitk(name, tmp_path):
    """Enhanced files, several frames or one, packed in many ways, in either byte order."""
    pydicom = pytest.importorskip("pydicom")
    path = Path(pydicom.__file__).parent / "data" / "test_files" / f"{name}.dcm"
    if not path.exists():
        pytest.skip(f"this pydicom does not bring {name}.dcm")
    shutil.copy(path, tmp_path)
    path = tmp_path / path.name
    image = sitk.ReadImage(str(path), sitk.sitkUnknown, "GDCMImageIO")
    volume = load(path)
    data = sitk.GetArrayFromImage(image).T
    np.testing.assert_array_equal(volume.data, data[:, :, 0] if data.shape[2] == 1 else data)
    expected = np.eye(4)
    expected[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    expected[:3, 3] = image.GetOrigin()
    # Of a single slice ITK does not take the thickness.
    axes = [0, 1, 3] if data.shape[2] == 1 else [0, 1, 2, 3]
    found = np.array(volume.header.get("affine_3d", volume.affine))
    lps = np.diag([-1, -1, 1, 1])
    np.testing.assert_allclose(found[:, axes], (lps @ expected)[:, axes], atol=2e-3)


@pytest.mark.parametrize("flip", [1, -1])
def test_order_and_place(tmp_path, oblique_lps, flip):
    """Slices numbered against the normal are put in order with their positions."""
    affine = oblique_lps.copy()
    affine[:3, 2] *= flip
    write_series(tmp_path / "series", DATA, affine)
    volume = load(tmp_path / "series")
    world = {v: volume.affine @ [*np.argwhere(volume.data == v)[0], 1] for v in (0, 7, 119)}
    for value, place in world.items():
        expected = affine @ [*np.argwhere(value == DATA)[0], 1] * [-1, -1, 1, 1]
        np.testing.assert_allclose(place, expected, atol=1e-4)


def test_tilted_gantry(tmp_path, oblique_lps):
    affine = oblique_lps.copy()
    affine[:3, 2] += 0.3 * affine[:3, 1]
    write_series(tmp_path / "series", DATA, affine)
    volume = load(tmp_path / "series")
    np.testing.assert_allclose(
        volume.affine[:3, :3], (affine * [[-1], [-1], [1], [1]])[:3, :3], atol=1e-4
    )
    assert "tilted" in volume.header["notes"][0]


def test_several_series_are_told_apart(tmp_path, oblique_lps):
    write_series(tmp_path / "study", DATA, oblique_lps, "1.2.3.4", "T1")
    write_series(tmp_path / "study", DATA[..., :2] + 50, oblique_lps, "1.2.3.5", "scout")
    with pytest.raises(InputError, match=r"2 DICOM series.*T1.*6 files.*scout.*2 files"):
        load(tmp_path / "study")
    volume = load(tmp_path / "study" / "1.2.3.4_002.dcm")
    np.testing.assert_array_equal(volume.data, DATA)


def test_missing_slice(tmp_path, oblique_lps):
    write_series(tmp_path / "series", DATA, oblique_lps)
    (tmp_path / "series" / "1.2.3.4_003.dcm").unlink()
    with pytest.raises(InputError, match=r"unevenly spaced: 7 mm after 1\.2\.3\.4_002\.dcm"):
        load(tmp_path / "series")


def test_several_volumes_at_one_place(tmp_path, oblique_lps):
    for t in range(3):
        write_series(tmp_path / "series", DATA + 1000 * t, oblique_lps, start=100 * t)
    with pytest.raises(InputError, match="3 volumes of 6 slices"):
        load(tmp_path / "series")
    np.testing.assert_array_equal(load(tmp_path / "series", volume_index=2).data, DATA + 2000)
    with pytest.raises(InputError, match="no volume 3"):
        load(tmp_path / "series", volume_index=3)
    (tmp_path / "series" / "1.2.3.4_103.dcm").unlink()
    with pytest.raises(InputError, match="incomplete"):
        load(tmp_path / "series", volume_index=0)


def test_localizer(tmp_path, oblique_lps):
    write_series(tmp_path / "series", DATA, oblique_lps)
    sagittal = grid_affine((1.5, 2, 3.5), (0, 90, 0), (0, 0, 0))
    write_series(tmp_path / "series", DATA, sagittal, start=50)
    with pytest.raises(InputError, match="different directions"):
        load(tmp_path / "series")


def test_slices_of_different_size(tmp_path, oblique_lps):
    write_series(tmp_path / "series", DATA, oblique_lps)
    write_series(tmp_path / "series", DATA[:, :3], oblique_lps, start=50)
    with pytest.raises(InputError, match="differ in size"):
        load(tmp_path / "series")


def test_one_slice(tmp_path, oblique_lps):
    write_series(tmp_path / "series", DATA[..., :1], oblique_lps)
    volume = load(tmp_path / "series")
    assert volume.shape == (4, 5)
    np.testing.assert_allclose(volume.spacing, (1.5, 2), rtol=1e-5)
    np.testing.assert_array_equal(volume.data, DATA[..., 0])


def test_rescaled_slices_keep_their_fractions(tmp_path, oblique_lps):
    """PET rescales every slice differently; the first one must not dictate integers."""
    slopes = np.array([4, 0.25, 0.5, 4, 4, 4])
    for k, slope in enumerate(slopes):
        raw = dicom_bytes(DATA[..., k], k, slope=str(slope))
        (tmp_path / f"{k}.dcm").write_bytes(raw)
    volume = load(tmp_path)
    np.testing.assert_allclose(volume.data, DATA * slopes)
    np.testing.assert_allclose(volume.affine, np.diag([-2, -3, 4, 1]))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize("preamble", [True, False])
def test_encodings(tmp_path, syntax, preamble):
    """Implicit and explicit types; with and without the mark at the beginning."""
    for k in range(6):
        raw = dicom_bytes(DATA[..., k], k, syntax=syntax)
        (tmp_path / f"{k}.dcm").write_bytes(raw if preamble else raw[132:])
    np.testing.assert_array_equal(load(tmp_path).data, DATA)


def test_colours_and_no_position(tmp_path):
    (tmp_path / "rgb.dcm").write_bytes(dicom_bytes(DATA[..., 0], 0, samples=3))
    with pytest.raises(InputError, match="RGB"):
        load(tmp_path)
    (tmp_path / "rgb.dcm").write_bytes(dicom_bytes(DATA[..., 0], None))
    volume = load(tmp_path)
    assert volume.shape == (4, 5) and not volume.oriented
    (tmp_path / "second.dcm").write_bytes(dicom_bytes(DATA[..., 1], None))
    with pytest.raises(InputError, match="do not say where they lie"):
        load(tmp_path)


def test_lying_lengths_are_found_before_anything_is_allocated(tmp_path):
    raw = dicom_bytes(DATA[..., 0], 0)
    at = raw.index(b"\xe0\x7f\x10\x00OW")
    bomb = raw[: at + 8] + (0xFFFFFFF0).to_bytes(4, "little") + raw[at + 12 :]
    (tmp_path / "bomb.dcm").write_bytes(bomb)
    with pytest.raises(FileFormatError, match="longer than the file"):
        load(tmp_path / "bomb.dcm")


def test_folders_without_images(tmp_path):
    with pytest.raises(FileFormatError, match="no DICOM"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(FileFormatError, match="no DICOM"):
        load(tmp_path)
    (tmp_path / "empty.dcm").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"empty\.dcm"):
        load(tmp_path)


def test_file_without_suffix(tmp_path, oblique_lps):
    write_series(tmp_path / "series", DATA, oblique_lps)
    for path in list((tmp_path / "series").iterdir()):
        path.rename(path.with_name(path.name.replace(".dcm", "").replace(".", "_")))
    np.testing.assert_array_equal(load(tmp_path / "series").data, DATA)
    np.testing.assert_array_equal(load(tmp_path / "series" / "1_2_3_4_001").data, DATA)


def test_cut_slice_is_named(tmp_path, data_dir):
    shutil.copytree(data_dir / "dicom_small", tmp_path / "series")
    path = tmp_path / "series" / "IMG0005.dcm"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FileFormatError, match=r"IMG0005\.dcm"):
        load(tmp_path / "series")
