"""Tables of label names in the formats of other programs, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.label_tables import (
    LabelName,
    load_label_table,
    name_of,
    table_beside,
)

FREESURFER = """#$Id: FreeSurferColorLUT.txt
#No. Label Name:                            R   G   B   A

0   Unknown                                 0   0   0   0
17  Left-Hippocampus                        220 216 20  0
1001 ctx-lh-bankssts                        25  100 40  0
"""
SNAP = """################################################
# ITK-SnAP Label Description File
################################################
    0     0    0    0        0  0  0    "Clear Label"
   17   220  216   20        1  1  1    "Left Hippocampus"
 1001    25  100   40     0.50  0  1    "ctx, lh bankssts"
"""
SLICER = "# Color table\n0 background 0 0 0 0\n17 Left_Hippocampus 220 216 20 255\n"
BIDS = "index\tname\tabbreviation\tcolor\n17\tLeft Hippocampus\tLHip\t#dcd814\n18\tLeft Amygdala\tLA\tn/a\n"
COMMA = (
    '\ufeffLabel Number,Label Name,Class\r\n17,"Hippocampus, left",Brain\r\n\r\n18,Amygdala,\r\n'
)
SEMICOLON = "id;label;r;g;b\n17;Hippocampus;220;216;20\n"


def read(tmp_path: Path, text: str, name: str = "names.txt") -> dict[int, LabelName]:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return load_label_table(path)


def test_each_format(tmp_path: Path) -> None:
    yellow = (220, 216, 20)
    assert read(tmp_path, FREESURFER)[17] == LabelName("Left-Hippocampus", yellow)
    assert read(tmp_path, FREESURFER)[1001] == LabelName("ctx-lh-bankssts", (25, 100, 40))
    assert read(tmp_path, SNAP)[17] == LabelName("Left Hippocampus", yellow)
    assert read(tmp_path, SNAP)[1001].name == "ctx, lh bankssts"
    assert read(tmp_path, SLICER)[17] == LabelName("Left_Hippocampus", yellow)
    assert read(tmp_path, BIDS) == {
        17: LabelName("Left Hippocampus", yellow),
        18: LabelName("Left Amygdala"),
    }
    assert read(tmp_path, COMMA) == {17: LabelName("Hippocampus, left"), 18: LabelName("Amygdala")}
    assert read(tmp_path, SEMICOLON) == {17: LabelName("Hippocampus", yellow)}


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes("id,name\n3,Mandelkörper\n".encode("latin-1"))
    assert load_label_table(path)[3].name == "Mandelkörper"
    path.write_bytes("id,name\n3,Mandelkörper\n".encode("utf-16"))
    assert load_label_table(path)[3].name == "Mandelkörper"


def test_what_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"line 5.*“seventeen"):
        read(tmp_path, FREESURFER.replace("17  Left", "seventeen Left"))
    with pytest.raises(FileFormatError, match="line 2"):
        read(tmp_path, COMMA.replace("17,", "x17,"))
    with pytest.raises(FileFormatError, match="columns id and name"):
        read(tmp_path, "alpha,beta\n1,2\n")
    for text in ("", "# only a comment\n", "id,name\n"):
        with pytest.raises(FileFormatError):
            read(tmp_path, text)
    with pytest.raises(FileFormatError, match="letters"):
        read(tmp_path, "1 " + "2 " * 10**6)
    with pytest.raises(FileFormatError, match="binary"):
        read(tmp_path, "\0\1\2\3")
    with pytest.raises(FileFormatError, match="cannot be opened"):
        load_label_table(tmp_path / "none.txt")
    with pytest.raises(FileFormatError, match="cannot be opened"):
        load_label_table(tmp_path)


def test_names_and_the_table_beside(tmp_path: Path) -> None:
    assert name_of(4, {}) == "label 4" and name_of(4, {4: LabelName("x")}) == "x"
    labels = tmp_path / "sub-01_dseg.nii.gz"
    assert table_beside(labels) is None
    (tmp_path / "label_names.csv").write_text("id,name\n1,a\n")
    assert table_beside(labels) == tmp_path / "label_names.csv"
    (tmp_path / "sub-01_dseg.tsv").write_text("index\tname\n1\ta\n")
    assert table_beside(labels) == tmp_path / "sub-01_dseg.tsv"


def test_the_table_of_the_oasis_labels(data_dir: Path) -> None:
    table = load_label_table(data_dir / "oasis_brains" / "label_names.csv")
    assert table[47].name == "Right Hippocampus"
