"""Landmark files: what people have, read rightly; what is wrong, named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import FileFormatError, InputError, OutputError
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks

POINTS = np.array([[1.0, -2.5, 3.0], [10.0, 20.0, -30.25]])


@pytest.mark.parametrize(
    "text",
    [
        "1,-2.5,3\n10,20,-30.25\n",
        "x,y,z\n1,-2.5,3\n10,20,-30.25\n",
        "name,x,y,z\nfirst,1,-2.5,3\nsecond,10,20,-30.25\n",
        "z;y;x;name\n3;-2.5;1;first\n-30.25;20;10;second\n",
        "# comment\n1 -2.5 3\n\n10\t20\t-30.25\n".replace("\t", " "),
        "\ufeffX\tY\tZ\n1\t-2.5\t3\n10\t20\t-30.25\n",
    ],
)
def test_tables(text: str, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    points, names = load_landmarks(path, 3)
    assert np.allclose(points, POINTS)
    assert names in (["1", "2"], ["first", "second"])


@pytest.mark.parametrize(("system", "sign"), [("LPS", -1), ("RAS", 1), ("0", 1), ("1", -1)])
def test_slicer_markups(system: str, sign: int, tmp_path: Path) -> None:
    path = tmp_path / "F.fcsv"
    path.write_text(
        f"# Markups fiducial file version = 4.11\n# CoordinateSystem = {system}\n"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        f"1,{sign * 1},{sign * -2.5},3,0,0,0,1,1,1,0,AC,,\n"
        f"2,{sign * 10},{sign * 20},-30.25,0,0,0,1,1,1,0,PC,,\n"
    )
    points, names = load_landmarks(path, 3)
    assert np.allclose(points, POINTS)
    assert names == ["AC", "PC"]


def test_elastix_points(tmp_path: Path) -> None:
    path = tmp_path / "input.pts"
    path.write_text("point\n2\n-1 2.5 3\n-10 -20 -30.25\n")
    assert np.allclose(load_landmarks(path, 3)[0], POINTS)
    path.write_text("index\n1\n1 2 3\n")
    with pytest.raises(FileFormatError, match="voxel indices"):
        load_landmarks(path, 3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_is_written_is_read(ndim: int, tmp_path: Path) -> None:
    save_landmarks(POINTS[:, :ndim], tmp_path / "p.csv", ["left, upper", "b"])
    points, names = load_landmarks(tmp_path / "p.csv", ndim)
    assert np.allclose(points, POINTS[:, :ndim], atol=1e-4)
    assert names == ["left, upper", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no landmarks"),
        ("x,y,z\n1,2,three\n", "line 2"),
        ("1,2\n", "line 1"),
        ("1,2,nan\n", "NaN"),
    ],
)
def test_bad_files_are_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=words):
        load_landmarks(path, 3)


def test_missing_and_unwritable(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        load_landmarks(tmp_path / "none.csv", 3)
    (tmp_path / "binary.csv").write_bytes(b"\x80\x81\xff")
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_landmarks(tmp_path / "binary.csv", 3)
    with pytest.raises(OutputError, match="does not exist"):
        save_landmarks(POINTS, tmp_path / "no folder" / "p.csv")
