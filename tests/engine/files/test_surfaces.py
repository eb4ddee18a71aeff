"""Vertices go where they should; everything else in the file stays as it was."""

from __future__ import annotations

import re

import nibabel
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage

from napari_voxelmorph.engine.errors import FileFormatError, InputError, VoxelMorphError
from napari_voxelmorph.engine.files.surfaces import move_surface

POINTS = np.random.default_rng(0).normal(0, 30, (12, 3)).astype(np.float32)
FACES = np.array([[0, 1, 2], [2, 3, 4], [5, 6, 7]], np.int32)


def shifted(points):
    return points * [1, 1, 2] + [10, -5, 3]


def gifti(path, meta=None):
    vertices = GiftiDataArray(POINTS, "NIFTI_INTENT_POINTSET", meta=meta or {})
    faces = GiftiDataArray(FACES, "NIFTI_INTENT_TRIANGLE")
    image = GiftiImage(darrays=[vertices, faces])
    image.meta["Name"] = "left pial"
    nibabel.save(image, path)


def vtk(path, binary, space="", normals=False, dtype="float"):
    head = f"# vtk DataFile Version 4.2\nmesh {space}\n{'BINARY' if binary else 'ASCII'}\n"
    head += f"DATASET POLYDATA\nPOINTS {len(POINTS)} {dtype}\n"
    faces = np.hstack([np.full((len(FACES), 1), 3), FACES])
    colours = np.arange(len(POINTS), dtype=np.float32)

    def numbers(array, kind):
        if binary:
            return array.astype(kind).tobytes() + b"\n"
        return (
            "\n".join(" ".join(f"{n:.9g}" for n in np.atleast_1d(row)) for row in array) + "\n"
        ).encode()

    raw = head.encode() + numbers(POINTS, ">f4" if dtype == "float" else ">f8")
    raw += b"METADATA\nINFORMATION 0\n\n" + f"POLYGONS {len(FACES)} {faces.size}\n".encode()
    raw += numbers(faces, ">i4") + f"POINT_DATA {len(POINTS)}\n".encode()
    if normals:
        raw += b"NORMALS Normals float\n" + numbers(POINTS / 50, ">f4")
    raw += b"SCALARS depth float 1\nLOOKUP_TABLE default\n" + numbers(colours, ">f4")
    path.write_bytes(raw)


def vertices_of(path, dtype=">f4"):
    """By the book: the numbers after POINTS."""
    raw = path.read_bytes()
    title = re.search(rb"POINTS 12 \w+\n", raw)
    if b"BINARY" in raw[:200]:
        return np.frombuffer(raw, dtype, 36, title.end()).reshape(-1, 3)
    return np.array(raw[title.end() :].split()[:36], float).reshape(-1, 3)


@pytest.mark.parametrize("suffix", [".surf.gii", ".gii"])
def test_gifti(tmp_path, suffix):
    gifti(tmp_path / f"a{suffix}")
    assert move_surface(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", shifted) == 12
    after = nibabel.load(tmp_path / f"b{suffix}")
    np.testing.assert_allclose(after.agg_data("pointset"), shifted(POINTS), rtol=1e-6)
    np.testing.assert_array_equal(after.agg_data("triangle"), FACES)
    assert after.meta["Name"] == "left pial"


def test_freesurfer_leaves_the_middle_of_the_volume_out(tmp_path):
    meta = {"VolGeomC_R": "5", "VolGeomC_A": "-7", "VolGeomC_S": "11"}
    gifti(tmp_path / "a.gii", meta)
    move_surface(tmp_path / "a.gii", tmp_path / "b.gii", shifted)
    after = nibabel.load(tmp_path / "b.gii")
    np.testing.assert_allclose(
        after.agg_data("pointset"), shifted(POINTS + np.array([5, -7, 11])), rtol=1e-5
    )
    # The result is in the world: applied once more, nothing is added.
    move_surface(tmp_path / "b.gii", tmp_path / "c.gii", lambda points: points)
    again = nibabel.load(tmp_path / "c.gii")
    np.testing.assert_array_equal(again.agg_data("pointset"), after.agg_data("pointset"))
    gifti(tmp_path / "turned.gii", {**meta, "VolGeomX_R": "0.9"})
    with pytest.raises(InputError, match="mris_convert"):
        move_surface(tmp_path / "turned.gii", tmp_path / "d.gii", shifted)


@pytest.mark.parametrize("normals", [False, True])
@pytest.mark.parametrize("space", ["", "SPACE=RAS", "SPACE=LPS"])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("dtype", ["float", "double"])
def test_vtk(tmp_path, binary, space, normals, dtype):
    vtk(tmp_path / "a.vtk", binary, space, normals, dtype)
    move_surface(tmp_path / "a.vtk", tmp_path / "b.vtk", shifted)
    flip = np.array([-1, -1, 1]) if "LPS" in space else 1
    found = vertices_of(tmp_path / "b.vtk", ">f4" if dtype == "float" else ">f8")
    np.testing.assert_allclose(found, shifted(POINTS * flip) * flip, rtol=1e-6, atol=1e-5)
    vtk(tmp_path / "plain.vtk", binary, space, False, dtype)
    before = (tmp_path / "plain.vtk").read_bytes().split(b"METADATA")[1]
    after = (tmp_path / "b.vtk").read_bytes().split(b"METADATA")[1]
    assert before == after  # the normals, which point the old way, are gone


def test_what_is_no_surface(tmp_path):
    image = GiftiImage(darrays=[GiftiDataArray(np.ones(5, np.float32), "NIFTI_INTENT_SHAPE")])
    nibabel.save(image, tmp_path / "thickness.gii")
    with pytest.raises(FileFormatError, match="no vertices"):
        move_surface(tmp_path / "thickness.gii", tmp_path / "b.gii", shifted)
    vtk(tmp_path / "a.vtk", True)
    raw = (tmp_path / "a.vtk").read_bytes()
    (tmp_path / "grid.vtk").write_bytes(raw.replace(b"POLYDATA", b"STRUCTURED_POINTS"))
    with pytest.raises(FileFormatError, match="no surface"):
        move_surface(tmp_path / "grid.vtk", tmp_path / "b.vtk", shifted)
    with pytest.raises(InputError, match="own format"):
        move_surface(tmp_path / "a.vtk", tmp_path / "b.gii", shifted)
    assert not (tmp_path / "b.vtk").exists() and not (tmp_path / "b.gii").exists()


def test_numbers_in_another_folder(tmp_path):
    gifti(tmp_path / "a.gii")
    raw = (tmp_path / "a.gii").read_bytes()
    assert b'ExternalFileName=""' in raw
    raw = raw.replace(b'ExternalFileName=""', b'ExternalFileName="../../etc/passwd"')
    (tmp_path / "a.gii").write_bytes(raw)
    with pytest.raises(FileFormatError, match="another folder"):
        move_surface(tmp_path / "a.gii", tmp_path / "b.gii", shifted)


@pytest.mark.parametrize("name", ["a.vtk", "a.gii"])
def test_damaged(tmp_path, name):
    (gifti if name.endswith("gii") else lambda p: vtk(p, True, normals=True))(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    broken = [whole[: len(whole) * n // 8] for n in range(7)]
    for _ in range(30):
        raw = bytearray(whole)
        raw[rng.integers(len(raw))] = rng.integers(256)
        broken.append(bytes(raw))
    refused = 0
    for raw in broken:
        (tmp_path / name).write_bytes(raw)
        try:
            move_surface(tmp_path / name, tmp_path / f"out{name[1:]}", shifted)
        except VoxelMorphError:
            refused += 1
    assert refused >= 3
