"""Files that are larger than the memory: told by the header, read on a coarser grid, held once."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from napari_voxelmorph.engine import estimate
from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import InputError, NotEnoughMemoryError
from napari_voxelmorph.engine.files import load, loading, peek, reading, room, save
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import grid_affine
from .test_round_trips import sitk_affine

CPU = torch.device("cpu")
AFFINE = grid_affine((0.5, 0.6, 2.0), (10, 20, 30), (5, 6, 7))
RANDOM = np.random.default_rng(0)


def sparse(path, shape, dtype=np.int16, spacing=0.2):
    """A file of zeros that takes no place on the disk."""
    header = nibabel.Nifti2Header()
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header.set_sform(np.diag([spacing] * 3 + [1.0]), 1)
    header["vox_offset"] = 544
    with path.open("wb") as file:
        file.write(header.binaryblock + b"\0\0\0\0")
        file.truncate(544 + int(np.prod(shape, dtype=float)) * np.dtype(dtype).itemsize)
    return path


def free(monkeypatch, nbytes):
    for module in (reading, room, estimate):
        monkeypatch.setattr(module, "free_memory", lambda device: nbytes)


def peak_of(action):
    tracemalloc.start()
    try:
        result = action()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mgh"])
def test_a_file_is_held_once(tmp_path, suffix):
    data = RANDOM.integers(-1000, 1000, (160, 150, 400)).astype(np.int16)
    path = tmp_path / f"image{suffix}"
    kinds = {".mgh": nibabel.MGHImage}
    nibabel.save(kinds.get(suffix, nibabel.Nifti1Image)(data, np.eye(4)), path)
    volume, peak = peak_of(lambda: load(path))
    np.testing.assert_array_equal(volume.data, data)
    assert volume.data.flags.c_contiguous
    assert peak < 1.3 * data.nbytes


def test_labels_as_floats_are_held_once(tmp_path):
    data = RANDOM.integers(0, 90, (160, 150, 200)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "labels.nii")
    volume, peak = peak_of(lambda: load(tmp_path / "labels.nii", None))
    assert volume.kind == "labels" and volume.data.dtype == np.int32
    np.testing.assert_array_equal(volume.data, data)
    assert peak < 1.5 * data.nbytes


def test_scaled_numbers_are_those_of_nibabel(tmp_path):
    image = nibabel.Nifti1Image(RANDOM.normal(100, 30, (40, 30, 70)), np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "scaled.nii.gz")
    expected = nibabel.load(tmp_path / "scaled.nii.gz").get_fdata()
    np.testing.assert_allclose(load(tmp_path / "scaled.nii.gz").data, expected, rtol=1e-6)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mgh", ".nrrd"])
def test_a_coarser_grid_is_the_mean_of_blocks(tmp_path, suffix):
    """SimpleITK's BinShrink, place included; an odd rest at the end is left out."""
    data = RANDOM.normal(0, 100, (41, 36, 10)).astype(np.float32)
    path = tmp_path / f"image{suffix}"
    save(Volume(data, AFFINE), path)
    volume = load(path, voxel_size=1.5)  # 3 x 3 x 1 voxels of 0.5 x 0.6 x 2 mm
    save(Volume(data, AFFINE), tmp_path / "same.nii")
    shrunk = sitk.BinShrink(sitk.ReadImage(str(tmp_path / "same.nii")), (3, 3, 1))
    expected = sitk.GetArrayFromImage(shrunk).transpose()
    assert volume.shape == expected.shape == (13, 12, 10)
    np.testing.assert_allclose(volume.data, expected, atol=1e-3)
    sitk.WriteImage(shrunk, str(tmp_path / "shrunk.nii"))
    np.testing.assert_allclose(volume.affine, sitk_affine(tmp_path / "shrunk.nii"), atol=1e-4)


def test_labels_on_a_coarser_grid_are_the_commonest(tmp_path):
    data = RANDOM.integers(0, 4, (12, 9, 40)).astype(np.int16) * 1000
    save(Volume(data, kind="labels"), tmp_path / "seg.nii.gz")
    volume = load(tmp_path / "seg.nii.gz", "labels", voxel_size=3)
    assert volume.shape == (4, 3, 13) and volume.data.dtype == np.int16
    for place in np.ndindex(volume.shape):
        block = data[tuple(slice(3 * i, 3 * i + 3) for i in place)]
        ids, counts = np.unique(block, return_counts=True)
        assert volume.data[place] == ids[counts.argmax()]


def test_thin_axes_and_slices_stay_what_they_are(tmp_path):
    thin = Volume(RANDOM.normal(size=(30, 20, 3)).astype(np.float32))
    save(thin, tmp_path / "thin.nii")
    assert load(tmp_path / "thin.nii", voxel_size=5).shape == (6, 4, 3)
    assert load(tmp_path / "thin.nii", voxel_size=1).shape == thin.shape
    save(Volume(np.ones((31, 20), np.uint8), np.diag([0.5, 0.5, 1])), tmp_path / "flat.nii.gz")
    flat = load(tmp_path / "flat.nii.gz", voxel_size=1)
    assert flat.shape == (15, 10) and flat.spacing == (1, 1)
    for size in (0, -1, np.nan, np.inf):
        with pytest.raises(InputError, match="voxel size"):
            load(tmp_path / "thin.nii", voxel_size=size)


def test_three_gigabytes_are_refused_by_the_header(tmp_path, monkeypatch):
    path = sparse(tmp_path / "huge.nii", (1200, 1200, 1100))
    free(monkeypatch, 3e9)
    began = time.process_time()
    with pytest.raises(
        NotEnoughMemoryError,
        match=r"needs 3\.\d+ GB .* 3\.0 GB are free\. At a voxel size of 0\.8 mm "
        r".*--voxel-size 0\.8 .*voxel_size=0\.8 ",
    ) as found:
        load(path)
    assert found.value.voxel_size == 0.8
    assert time.process_time() - began < 2


def test_what_is_offered_works(tmp_path, monkeypatch):
    """A file that does not fit is read at the size on offer, and in less than what is free."""
    path, small = sparse(tmp_path / "large.nii", (300, 300, 300)), 40e6
    free(monkeypatch, small)
    with pytest.raises(NotEnoughMemoryError) as found:
        load(path)
    volume, peak = peak_of(lambda: load(path, voxel_size=found.value.voxel_size))
    assert volume.spacing == pytest.approx([found.value.voxel_size] * 3)
    assert peak < small
    free(monkeypatch, 1000)
    with pytest.raises(NotEnoughMemoryError, match="downsample") as found:
        load(path)
    assert found.value.voxel_size is None


def test_a_run_is_refused_by_the_headers(tmp_path, monkeypatch):
    """The pair could be read, but not registered; on the grid on offer it could."""
    path = sparse(tmp_path / "huge.nii", (1200, 1200, 1100))
    free(monkeypatch, 16e9)
    grid, peak = peak_of(lambda: peek(path))
    assert grid.shape == (1200, 1200, 1100) and peak < 1e6
    with pytest.raises(NotEnoughMemoryError, match="--voxel-size") as found:
        estimate.check_memory(grid, grid, DEFAULT, CPU)
    coarse = peek(path, voxel_size=found.value.voxel_size)
    estimate.check_memory(coarse, coarse, DEFAULT, CPU)


@pytest.mark.parametrize("suffix", [".nii.gz", ".mgz", ".nrrd", ".mha"])
@pytest.mark.parametrize("voxel_size", [None, 1.2])
def test_peek_sees_the_grid_that_load_gives(tmp_path, suffix, voxel_size):
    save(Volume(np.ones((21, 16, 11), np.int16), AFFINE), tmp_path / f"image{suffix}")
    seen = peek(tmp_path / f"image{suffix}", voxel_size=voxel_size)
    volume = load(tmp_path / f"image{suffix}", voxel_size=voxel_size)
    assert seen.shape == volume.shape and seen.data.dtype == volume.data.dtype
    np.testing.assert_allclose(seen.affine, volume.affine, atol=1e-4)


def test_reading_can_be_stopped(tmp_path):
    path = sparse(tmp_path / "huge.nii", (1200, 1200, 1100))
    began = time.process_time()
    job = loading(path)
    shares = [next(job) for _ in range(4)]
    job.close()
    assert shares == [0.0] * 4  # not even one slab
    assert time.process_time() - began < 5


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_volume_of_a_series_needs_memory_for_one(tmp_path, monkeypatch, suffix):
    data = RANDOM.integers(0, 99, (60, 50, 40, 200)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"series{suffix}")
    free(monkeypatch, data.nbytes / 2)
    volume, peak = peak_of(lambda: load(tmp_path / f"series{suffix}", volume_index=150))
    np.testing.assert_array_equal(volume.data, data[..., 150])
    assert peak < data.nbytes / 2


def test_a_packed_file_that_ends_early(tmp_path):
    """gzip's own count (at the end) says that all is there."""
    save(Volume(np.ones((50, 40, 30), np.int16)), tmp_path / "image.nii")
    raw = (tmp_path / "image.nii").read_bytes()
    packed = bytearray(gzip.compress(raw[:-5000]))
    packed[-4:] = len(raw).to_bytes(4, "little")
    (tmp_path / "image.nii.gz").write_bytes(packed)
    with pytest.raises(reading.FileFormatError, match=r"image\.nii\.gz"):
        load(tmp_path / "image.nii.gz")
