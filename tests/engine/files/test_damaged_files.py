"""Damaged files end in one of our errors: no crash, no hang, no memory bomb.

How the bytes are changed is in `tests/fuzzing.py`.
"""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import (
    FileFormatError,
    NotEnoughMemoryError,
    VoxelMorphError,
)
from napari_voxelmorph.engine.files import (
    load,
    load_affine,
    load_displacement,
    load_session,
    save,
    save_affine,
    save_displacement,
    save_session,
)
from napari_voxelmorph.engine.files.series import is_series, load_series
from napari_voxelmorph.engine.geometry.volume import Volume

from ...fuzzing import fuzz_bytes, fuzz_json, survive
from .grids import CASES, smooth_image
from .test_dicom import dicom_bytes

SUFFIXES = [
    ".nii",
    ".nii.gz",
    ".mgh",
    ".mgz",
    ".nrrd",
    ".mha",
    ".png",
    ".tif",
    ".jpg",
    ".dcm",
    ".bmp",
]
DATA = (smooth_image((9, 8, 7)) / 4).astype(np.int16)


def write(path: Path) -> None:
    """A small good file of the format that its suffix names."""
    if path.suffix == ".dcm":
        path.write_bytes(dicom_bytes(DATA[..., 0], 0))
    elif path.suffix in (".jpg", ".bmp"):
        from PIL import Image

        Image.fromarray(DATA[..., 0].astype(np.uint8)).save(path)
    else:
        flat = path.suffix in (".png", ".tif")
        save(Volume(DATA[..., 0] if flat else DATA), path)


@pytest.mark.filterwarnings("ignore")  # of the readers, about what they guess
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_changed_bytes(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    write(path)
    fuzz_bytes(path, lambda: load(path), 60)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".nii.gz", ".mgz"])
def test_changed_bytes_inside_the_packing(tmp_path, suffix):
    """gzip's checksum must not be what saves us."""
    path = tmp_path / f"image{suffix}"
    write(path)
    fuzz_bytes(path, lambda: load(path), 60, gzip.decompress, lambda raw: gzip.compress(raw, 1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_short(tmp_path, suffix):
    """Wherever the file ends."""
    path = tmp_path / f"image{suffix}"
    write(path)
    raw = path.read_bytes()
    for length in sorted({int(f * len(raw)) for f in np.linspace(0, 0.97, 25)}):
        path.write_bytes(raw[:length])
        if suffix in (".jpg", ".bmp", ".png"):  # some end marks may be missing without harm
            survive(lambda: load(path))
            continue
        with pytest.raises(FileFormatError, match=f"image{suffix}"):
            load(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_file_under_this_name(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    for raw in (b"", b"\0" * 3000, b"Dear diary,\n" * 300, np.random.default_rng(0).bytes(5000)):
        path.write_bytes(raw)
        with pytest.raises(FileFormatError, match=f"image{suffix}"):
            load(path)


def nifti_promising(shape: tuple[int, ...], data: bytes) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.float64)
    header["magic"], header["vox_offset"] = b"n+1", 352
    return header.binaryblock + b"\0\0\0\0" + data


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_memory_bombs(tmp_path, suffix):
    """A few bytes that promise terabytes, or 2 GB that this machine may well have."""
    pack = gzip.compress if suffix.endswith("gz") else bytes
    path = tmp_path / f"bomb{suffix}"
    for shape in ((32767, 32767, 32767), (1000, 1000, 250), (200, 200, 200)):
        path.write_bytes(pack(nifti_promising(shape, b"\0" * 1000)))
        with pytest.raises(FileFormatError, match="promises"):
            load(path)
    # Half is there, well packed, and gzip's own count (at the end) is forged.
    if suffix.endswith("gz"):
        raw = bytearray(gzip.compress(nifti_promising((200, 200, 200), b"\0" * 32_000_000)))
        raw[-4:] = (64_000_352).to_bytes(4, "little")
        path.write_bytes(raw)
        survive(lambda: load(path))
        with pytest.raises(FileFormatError):
            load(path)


def test_more_than_the_memory(tmp_path, monkeypatch):
    from napari_voxelmorph.engine.files import reading

    save(Volume(np.zeros((50, 50, 50), np.float32)), tmp_path / "image.nii.gz")
    save(Volume(np.zeros((50, 50, 50), np.float32)), tmp_path / "image.nrrd")
    save(Volume(np.zeros((500, 500), np.float32)), tmp_path / "image.tif")
    save(Volume(np.zeros((500, 500), np.uint8)), tmp_path / "image.png")
    (tmp_path / "image.dcm").write_bytes(dicom_bytes(np.zeros((200, 200), np.int16), 0))
    monkeypatch.setattr(reading, "free_memory", lambda device: 100_000)
    for path in tmp_path.iterdir():
        with pytest.raises(NotEnoughMemoryError, match="GB"):
            load(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "x.nrrd",
            "NRRD0004\ntype: short\ndimension: 3\nsizes: 99999 99999 99999\nencoding: raw\n\n",
        ),
        ("x.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 9999 9999 999\nencoding: gzip\n\n"),
        ("x.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: -1 2 3\nencoding: raw\n\n"),
        ("x.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 5 5\nencoding: magic\n\n"),
        (
            "x.nhdr",
            "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 5 5\nencoding: raw\ndata file: gone.raw\n\n",
        ),
        (
            "x.mha",
            "DimSize = 9999 9999 9999\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
        ),
        # SimpleITK 2.5 crashes on these (fixed arrays of ten numbers inside).
        (
            "x.mha",
            "NDims = 39303\nDimSize = 5 5 5\nElementType = MET_CHAR\nElementDataFile = LOCAL\n",
        ),
        ("x.mha", "NDims = 3\nNDims = 39303\nDimSize = 5 5 5\nElementDataFile = LOCAL\n"),
        ("x.mha", "NDims = 3\nDimSize = 5 5 5\nElementType = MET_DREAM\nElementDataFile = LOCAL\n"),
        (
            "x.mhd",
            "NDims = 3\nDimSize = 5 5 5\nElementType = MET_SHORT\nElementDataFile = gone.raw\n",
        ),
    ],
)
def test_text_headers_that_lie(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=r"promises|size|encoding|gone\.raw|type|axes|twice"):
        load(tmp_path / name)


def test_picture_that_promises_too_much(tmp_path):
    save(Volume(DATA[..., 0]), tmp_path / "x.png")
    raw = bytearray((tmp_path / "x.png").read_bytes())
    import zlib

    raw[16:24] = struct.pack(">2I", 60000, 60000)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    (tmp_path / "x.png").write_bytes(raw)
    with pytest.raises(VoxelMorphError):
        load(tmp_path / "x.png")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("suffix", "write_it", "read_it"),
    [
        (".txt", save_affine, load_affine),
        (".mat", save_affine, load_affine),
        (".nii", save_displacement, load_displacement),
        (".nii.gz", save_displacement, load_displacement),
    ],
)
def test_changed_transforms(make_registration, tmp_path, suffix, write_it, read_it):
    path = tmp_path / f"transform{suffix}"
    write_it(make_registration(CASES["oblique"]), path)
    fuzz_bytes(path, lambda: read_it(path))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["session.json", "field.npy", "fixed.nii.gz"])
def test_changed_sessions(make_registration, tmp_path, name):
    save_session(make_registration(CASES["2-D"]), tmp_path / "session")
    fuzz_bytes(tmp_path / "session" / name, lambda: load_session(tmp_path / "session"))


def test_sessions_that_say_something_else(make_registration, tmp_path):
    save_session(make_registration(CASES["2-D"]), tmp_path / "session")
    fuzz_json(
        tmp_path / "session" / "session.json", lambda: load_session(tmp_path / "session"), 150
    )


@pytest.mark.filterwarnings("ignore")
def test_changed_real_dicom(data_dir, tmp_path):
    """A slice from a scanner, with its private elements and nested sequences."""
    path = tmp_path / "slice.dcm"
    shutil.copy(data_dir / "dicom_small" / "IMG0001.dcm", path)
    path.chmod(0o644)
    fuzz_bytes(path, lambda: load(path))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["image.hdr", "image.img", "image.nhdr", "image.mhd"])
def test_changed_pairs_of_files(tmp_path, name):
    """Analyze, and headers whose voxels lie in another file."""
    path = tmp_path / name
    if path.suffix in (".hdr", ".img"):
        nibabel.Spm99AnalyzeImage(DATA, np.diag([-2.0, 2, 2, 1])).to_filename(path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(DATA), str(path))
    fuzz_bytes(path, lambda: load(path))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["series.nii", "slices"])
def test_changed_series(tmp_path, name):
    """Several volumes in one file; one slice of a DICOM folder."""
    path = tmp_path / name
    if name == "slices":
        path.mkdir()
        for k in range(3):
            (path / f"{k}.dcm").write_bytes(dicom_bytes(DATA[..., k], k))
        fuzz_bytes(path / "1.dcm", lambda: load(path))
    else:
        nibabel.save(nibabel.Nifti1Image(np.stack([DATA, DATA], -1), np.eye(4)), path)
        fuzz_bytes(path, lambda: is_series(path) and load_series(path))
