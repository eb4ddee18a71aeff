"""Tables of scans: columns named in many ways, and every mistake told where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.training.data.table import cohort_from_table

from ....fuzzing import examples, fuzz_bytes, survive


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for n in range(4):
        (tmp_path / "scans" / f"s{n}.nii.gz").touch()
        (tmp_path / "scans" / f"s{n}_seg.nii.gz").touch()
    return tmp_path


def write(folder: Path, text: str, name: str = "cohort.csv", **options) -> Path:
    (folder / name).write_text(text, **options)
    return folder / name


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_all_columns(files: Path, separator: str) -> None:
    rows = (
        "Image,Labels,Split,subject,age,site",
        "scans/s0.nii.gz,scans/s0_seg.nii.gz,train,anna,41,Basel",
        "scans/s1.nii.gz,,val,bert,,Bonn",
        "",
        f"{files / 'scans' / 's2.nii.gz'},,Testing,carl",
    )
    path = write(files, "\n".join(rows).replace(",", separator), encoding="utf-8-sig")
    cohort = cohort_from_table(path)
    assert [(s.name, s.split, s.group) for s in cohort.subjects] == [
        ("anna", "train", "anna"), ("bert", "validation", "bert"), ("carl", "test", "carl")
    ]  # fmt: skip
    first = cohort.subjects[0]
    assert first.image == files / "scans" / "s0.nii.gz"
    assert first.labels == files / "scans" / "s0_seg.nii.gz"
    assert dict(first.attributes) == {"age": "41", "site": "Basel"}
    assert dict(cohort.subjects[1].attributes) == {"site": "Bonn"}
    assert not cohort.notes


def test_two_scans_of_one_subject(files: Path) -> None:
    cohort = cohort_from_table(
        write(
            files,
            "image,subject\nscans/s0.nii.gz,anna\nscans/s1.nii.gz,anna\nscans/s2.nii.gz,bert\n",
        )
    )
    assert [s.name for s in cohort.subjects] == ["anna (1)", "anna (2)", "bert"]
    assert [s.group for s in cohort.subjects] == ["anna", "anna", "bert"]


def test_missing_files_are_told_and_skipped(files: Path) -> None:
    cohort = cohort_from_table(
        write(
            files, "image,labels\ngone.nii,\nscans/s0.nii.gz,gone_seg.nii\n,scans/s1_seg.nii.gz\n"
        )
    )
    assert [s.name for s in cohort.subjects] == ["s0"]
    assert cohort.subjects[0].labels is None
    assert "line 2" in cohort.notes[0] and "gone.nii" in cohort.notes[0]
    assert "line 3" in cohort.notes[1] and "gone_seg.nii" in cohort.notes[1]
    assert "line 4" in cohort.notes[2] and "names no image" in cohort.notes[2]


WRONG = {
    "no column “image”; its columns are name, age": "name,age\na,3\n",
    "meant to be “labels”": "image,lables\nscans/s0.nii.gz,x\n",
    "meant to be “split”": "image,splitt\nscans/s0.nii.gz,x\n",
    "more than one column “image”": "image,scan\nscans/s0.nii.gz,x\n",
    "line 3: split must be train, validation, test or empty, got “tran”": (
        "image,split\nscans/s0.nii.gz,train\nscans/s1.nii.gz,tran\n"
    ),
    "line 2: 3 cells, but the head line has 2": "image,labels\nscans/s0.nii.gz,a,b\n",
    "holds no scan": "image\n",
    "holds no scan. ": "",
}


@pytest.mark.parametrize("words", WRONG)
def test_mistakes_are_named(files: Path, words: str) -> None:
    with pytest.raises(InputError, match=words):
        cohort_from_table(write(files, WRONG[words]))


def test_no_table_at_all(files: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be opened"):
        cohort_from_table(files / "gone.csv")
    (files / "binary.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(FileFormatError, match="binary"):
        cohort_from_table(files / "binary.csv")


@examples(60)
@given(st.binary(max_size=200) | st.text('image,;\t"\n\r\0slabe/.ni', max_size=120).map(str.encode))
def test_garbage_gives_a_sentence_or_a_cohort(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.csv"
    path.write_bytes(content)
    survive(lambda: cohort_from_table(path))


@pytest.mark.parametrize("separator", [",", "\t"])
def test_damaged_tables(files: Path, separator: str) -> None:
    rows = ("image,labels,split,subject,age", "scans/s0.nii.gz,scans/s0_seg.nii.gz,train,anna,41",
            '"scans/s1.nii.gz",,val,"bert, jr",')  # fmt: skip
    path = write(files, "\n".join(rows).replace(",", separator), "cohort.tsv")
    fuzz_bytes(path, lambda: cohort_from_table(path))
