"""Damaged transforms of every format: read as some map, or refused in a sentence."""

from __future__ import annotations

import gzip

import h5py
import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import FileFormatError, NotEnoughMemoryError
from napari_voxelmorph.engine.files.transforms.formats import FORMATS
from napari_voxelmorph.engine.files.transforms.registry import load_transform, save_transform

from ....fuzzing import fuzz_bytes
from ..grids import CASES
from .test_read import path_of


@pytest.fixture
def small(make_registration):
    return make_registration(CASES["anisotropic"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_changed_bytes(name, small, tmp_path):
    path = path_of(name, tmp_path)
    save_transform(small, path, name)
    points = small.fixed.center + np.zeros((2, 3))

    def read():
        load_transform(path, None, small.fixed, small.moving)(points)
        load_transform(path, name, small.fixed, small.moving)

    fuzz_bytes(path, read, 40)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["itk", "freesurfer", "spm"])
def test_changed_bytes_inside_the_packing(name, small, tmp_path):
    path = path_of(name, tmp_path).with_suffix(".mgz" if name == "freesurfer" else ".nii.gz")
    save_transform(small, path, name)
    fuzz_bytes(
        path, lambda: load_transform(path, name, small.fixed, small.moving), 40,
        gzip.decompress, lambda raw: gzip.compress(raw, 1),
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
@pytest.mark.parametrize("kind", ["rotation", "spline", "composite"])
def test_changed_files_of_itk(kind, suffix, small, tmp_path):
    """Other transforms than ours, as SimpleITK writes them."""
    turn = sitk.Euler3DTransform((5, 2, 9), 0.1, -0.05, 0.2, (1, 2, 3))
    grid = sitk.Image([14, 12, 10], sitk.sitkFloat32)
    spline = sitk.BSplineTransformInitializer(grid, [3, 3, 3])
    whole = sitk.CompositeTransform([turn, sitk.TranslationTransform(3, (1, 0, 2))])
    path = tmp_path / f"{kind}{suffix}"
    sitk.WriteTransform({"rotation": turn, "spline": spline, "composite": whole}[kind], str(path))
    if (kind, suffix) == ("spline", ".tfm"):
        with pytest.raises(FileFormatError):  # as a text it is not read
            load_transform(path, None, small.fixed)
        return
    fuzz_bytes(path, lambda: load_transform(path, None, small.fixed, small.moving), 40)


@pytest.mark.parametrize("name", ["itk-composite", "x5"])
def test_a_small_file_that_promises_gigabytes(name, small, tmp_path):
    """Nothing is stored of it: HDF5 would make up 4 GB of zeros, which this machine may have."""
    path = path_of(name, tmp_path)
    key = "1/TransformParameters" if name == "itk-composite" else "0/Transform"
    save_transform(small, path, name)
    with h5py.File(path, "r+") as file:
        del file[f"TransformGroup/{key}"]
        file.create_dataset(f"TransformGroup/{key}", (500_000_000,), "f8", chunks=(1000,))
    with pytest.raises((FileFormatError, NotEnoughMemoryError), match=r"promises|GB"):
        load_transform(path, None, small.fixed, small.moving)


def test_a_small_warp_that_promises_gigabytes(small, tmp_path):
    path = path_of("freesurfer", tmp_path).with_suffix(".mgh")
    save_transform(small, path, "freesurfer")
    raw = bytearray(path.read_bytes())
    raw[4:16] = np.array([500, 500, 500], ">i4").tobytes()
    path.write_bytes(raw)
    with pytest.raises(FileFormatError, match="promises"):
        load_transform(path)


def test_a_text_of_gigabytes_in_a_small_file(small, tmp_path):
    """HDF5 would allocate what the length says before it looks for the text."""
    resource = pytest.importorskip("resource")
    path = path_of("itk-composite", tmp_path)
    save_transform(small, path, "itk-composite")
    with h5py.File(path, "r") as file:
        at = file["TransformGroup/2/TransformType"].id.get_offset()
    raw = bytearray(path.read_bytes())
    raw[at : at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(raw)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileFormatError, match="longer than the file"):
        load_transform(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
