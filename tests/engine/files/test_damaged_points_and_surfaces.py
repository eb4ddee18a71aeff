"""Damaged lists of points, tables of labels and surfaces: read, or refused in a sentence."""

from __future__ import annotations

import base64
import gzip
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import FileFormatError, VoxelMorphError
from napari_voxelmorph.engine.files.label_tables import load_label_table
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.files.surfaces import move_surface

from ...fuzzing import fuzz_bytes, fuzz_json
from . import test_label_tables as tables
from . import test_surfaces as surfaces

POINTS = np.random.default_rng(0).normal(0, 30, (5, 3))
LISTS = {
    "p.csv": "name,x,y,z\nleft,1,2,3\nright,4,5,6\n",
    "p.txt": "1 2 3\n4 5 6\n",
    "p.fcsv": "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n"
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
    "1,1,2,3,0,0,0,1,1,1,0,AC,,\n2,4,5,6,0,0,0,1,1,1,0,PC,,\n",
    "p.pts": "point\n2\n-1 2.5 3\n-10 -20 -30.25\n",
}


@pytest.mark.parametrize("name", [*LISTS, "p.mrk.json"])
def test_changed_landmarks(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name in LISTS:
        path.write_text(LISTS[name])
    else:
        save_landmarks(POINTS, path)
        fuzz_json(path, lambda: load_landmarks(path, 3))
    fuzz_bytes(path, lambda: load_landmarks(path, 3))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.pts", "point\n1\n5\n"),
        ("p.csv", "name,x,y,z\n" + "a" * 200_000 + ",1,2,c\n"),
        ("p.csv", '"' + "a,\n" * 70_000),
        ("p.mrk.json", "[" * 100_000),
        ("p.mrk.json", '{"markups": [{"controlPoints": [{"position": "abc"}]}]}'),
    ],
)
def test_odd_landmarks(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=r"p\."):
        load_landmarks(tmp_path / name, 3)


def test_landmarks_that_are_a_film(tmp_path: Path) -> None:
    with (tmp_path / "p.csv").open("wb") as file:
        file.truncate(5 * 2**30)  # takes no room on the disk
    with pytest.raises(FileFormatError, match="too large"):
        load_landmarks(tmp_path / "p.csv", 3)


@pytest.mark.parametrize(
    "text",
    [tables.FREESURFER, tables.SNAP, tables.SLICER, tables.BIDS, tables.COMMA, tables.SEMICOLON],
    ids=["freesurfer", "snap", "slicer", "bids", "comma", "semicolon"],
)
def test_changed_label_tables(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names"
    path.write_text(text)
    fuzz_bytes(path, lambda: load_label_table(path))


@pytest.mark.parametrize(
    "line", [f"1 a{' ' * 1900}b 1 1 1", f"1 {'1 ' * 900}b", f"1 1 1 1 {'1' * 1900}"]
)
def test_label_tables_that_a_regular_expression_would_brood_over(tmp_path: Path, line: str) -> None:
    """Long runs of blanks or digits: time must not grow with their square."""
    (tmp_path / "names").write_text("1 a 1 1 1\n" + f"{line}\n" * 2000)
    begun = time.process_time()
    try:
        load_label_table(tmp_path / "names")
    except VoxelMorphError as error:
        assert "names" in str(error)
    assert time.process_time() - begun < 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a.gii", "a.gii.gz", "text.vtk", "binary.vtk"])
def test_changed_surfaces(tmp_path: Path, name: str) -> None:
    source, target = tmp_path / name, tmp_path / f"out-{name}"
    if name.endswith(".vtk"):
        surfaces.vtk(source, name == "binary.vtk", normals=name == "binary.vtk")
    else:
        surfaces.gifti(tmp_path / "a.gii")
        if name.endswith(".gz"):
            source.write_bytes(gzip.compress((tmp_path / "a.gii").read_bytes()))
    inside = (gzip.decompress, gzip.compress) if name.endswith(".gz") else (bytes, bytes)
    fuzz_bytes(source, lambda: move_surface(source, target, surfaces.shifted), 60, *inside)


def bomb() -> bytes:
    """3 GB of zeros, as zlib packs them into 3 MB (its checksum, at the end, is missing)."""
    machine = zlib.compressobj(9)
    head = machine.compress(b"") + machine.flush(zlib.Z_FULL_FLUSH)
    block = machine.compress(bytes(2**24)) + machine.flush(zlib.Z_FULL_FLUSH)
    return head + block * 192


@pytest.mark.parametrize("where", ["whole file", "numbers"])
def test_surfaces_that_unpack_to_gigabytes(tmp_path: Path, where: str) -> None:
    source = tmp_path / "a.gii"
    surfaces.gifti(source)
    raw = source.read_bytes()
    if where == "whole file":
        source = tmp_path / "a.gii.gz"
        source.write_bytes(gzip.compress(bytes(2**24)) * 192)
    else:
        begin = raw.index(b"<Data>") + 6
        packed = base64.b64encode(bomb())
        source.write_bytes(raw[:begin] + packed + raw[raw.index(b"</Data>") :])
    begun = time.process_time()
    with pytest.raises(VoxelMorphError, match=r"a\.gii"):
        move_surface(source, tmp_path / f"b{source.name}", surfaces.shifted)
    assert time.process_time() - begun < 5
    assert not (tmp_path / f"b{source.name}").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_surfaces_whose_numbers_are_elsewhere(tmp_path: Path, encoding: str) -> None:
    """However the XML hides it."""
    surfaces.gifti(tmp_path / "a.gii")
    text = (tmp_path / "a.gii").read_text(encoding="utf-8")
    named = text.replace('ExternalFileName=""', 'ExternalFileName="/etc/passwd"', 1)
    if encoding == "utf-16":
        named = named.replace("UTF-8", "UTF-16")
    else:
        named = text.replace('ExternalFileName=""', "", 1)
        named = named.replace("<GIFTI", "<!DOCTYPE GIFTI [<!ATTLIST DataArray ExternalFileName "
                              'CDATA "/etc/passwd">]><GIFTI', 1)  # fmt: skip
    assert named != text
    (tmp_path / "a.gii").write_text(named, encoding=encoding)
    with pytest.raises(FileFormatError, match=r"a\.gii"):
        move_surface(tmp_path / "a.gii", tmp_path / "b.gii", surfaces.shifted)
