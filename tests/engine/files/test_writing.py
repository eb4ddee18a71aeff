"""Files appear whole or not at all."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import OutputError
from napari_voxelmorph.engine.files import (
    WRITERS,
    load,
    load_session,
    save,
    save_affine,
    save_displacement,
    save_session,
)
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import CASES, smooth_image

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files, as on Linux")
SUFFIXES = sorted(set(WRITERS) - {".tiff"})


def image_for(suffix: str, seed: int = 0) -> Volume:
    """Noise, so that packing does not make it small."""
    shape = (90, 80) if suffix in (".png", ".tif") else (30, 20, 20)
    return Volume((smooth_image(shape, seed) * 60).astype(np.uint16))


@pytest.fixture
def full_disk(monkeypatch):
    """Files can grow to 2 kB only; the system then answers as a full disk does, with an error."""
    resource = pytest.importorskip("resource")
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Limit:
        def __enter__(self):
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))

        def __exit__(self, *_):
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    yield Limit()
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@linux
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_full_disk(tmp_path, suffix, full_disk):
    path = tmp_path / f"image{suffix}"
    save(image_for(suffix, 1), path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="not written"), full_disk:
        save(image_for(suffix, 2), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(OutputError), full_disk:
        save(image_for(suffix, 2), tmp_path / f"new{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@linux
def test_full_disk_for_transforms(tmp_path, make_registration, full_disk):
    result = make_registration(CASES["oblique"])
    with pytest.raises(OutputError), full_disk:
        save_displacement(result, tmp_path / "field.nii.gz")
    save_session(result, tmp_path / "session")
    other = make_registration(CASES["flipped axes"])
    with pytest.raises(OutputError, match="unchanged"), full_disk:
        save_session(other, tmp_path / "session")
    assert [p.name for p in tmp_path.iterdir()] == ["session"]
    np.testing.assert_array_equal(load_session(tmp_path / "session").affine, result.affine)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_read_only_folder(tmp_path, suffix, make_registration):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(OutputError, match="write-protected"):
        save(image_for(suffix), folder / f"image{suffix}")


@pytest.mark.parametrize(
    "error", [PermissionError(13, "no"), OSError(30, "read-only"), OSError(28, "full")]
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_system_error(tmp_path, suffix, error, monkeypatch):
    """What root does not meet: the folder refuses the new file, or its name at the end."""
    path = tmp_path / f"image{suffix}"
    save(image_for(suffix, 1), path)
    before = path.read_bytes()

    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match=r"write-protected|read-only|full"):
        save(image_for(suffix, 2), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_missing_folder_and_folder_as_file(tmp_path, make_registration):
    result = make_registration(CASES["2-D"])
    (tmp_path / "folder.nii.gz").mkdir()
    for write in (lambda p: save(result.fixed, p), lambda p: save_displacement(result, p)):
        with pytest.raises(OutputError, match="does not exist"):
            write(tmp_path / "no" / "image.nii.gz")
        with pytest.raises(OutputError, match="is a folder"):
            write(tmp_path / "folder.nii.gz")
    with pytest.raises(OutputError, match="does not exist"):
        save_affine(result, tmp_path / "no" / "affine.mat")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "image.nii.gz"
    link.symlink_to(tmp_path / "real" / "image.nii.gz")
    volume = image_for(".nii.gz")
    save(volume, link)
    assert link.is_symlink()
    np.testing.assert_array_equal(load(tmp_path / "real" / "image.nii.gz").data, volume.data)


def test_permissions_are_the_usual_ones(tmp_path):
    save(image_for(".nii"), tmp_path / "image.nii")
    (tmp_path / "plain").touch()
    assert (tmp_path / "image.nii").stat().st_mode == (tmp_path / "plain").stat().st_mode
