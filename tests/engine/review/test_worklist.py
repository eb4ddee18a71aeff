"""Worklists from tables, BIDS trees and folders of sessions; cases and their pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.files import save, save_session
from napari_voxelmorph.engine.files.session import Session
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.review.case import Case, OpenCase, opening
from napari_voxelmorph.engine.review.worklist import load_worklist


def run(case: Case) -> OpenCase:
    steps = opening(case)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture
def pair() -> Any:
    rng = np.random.default_rng(0)
    images = [Volume(rng.random((9, 8, 7)).astype(np.float32), name=n) for n in ("fixed", "moving")]
    labels = Volume(rng.integers(0, 3, (9, 8, 7)).astype(np.uint8), kind="labels", name="labels")
    return images[0], images[1], labels


@pytest.fixture
def folder(tmp_path: Path, pair: Any) -> Path:
    fixed, moving, labels = pair
    save(fixed, tmp_path / "fixed.nii.gz")
    save(moving, tmp_path / "moving.nii.gz")
    save(labels, tmp_path / "seg.nii.gz")
    (tmp_path / "seg.tsv").write_text("index\tname\n1\tHippocampus\n")
    return tmp_path


TABLE = """case,fixed,moved,moved_labels,fixed_labels,remark
A,fixed.nii.gz,moving.nii.gz,seg.nii.gz,seg.nii.gz,x

B;C,fixed.nii.gz,,seg.nii.gz,,
"""


def test_a_table(folder: Path) -> None:
    (folder / "list.csv").write_text(TABLE)
    worklist = load_worklist(folder / "list.csv")
    assert [case.name for case in worklist.cases] == ["A", "B;C"]
    assert worklist.folder == folder / "list.review" and not worklist.folder.exists()
    found = run(worklist.cases[0])
    assert found.fixed_labels is not None and found.names[1].name == "Hippocampus"
    assert found.registration.moving.name == "moving" and found.registration.field is None
    alone = run(worklist.cases[1])
    assert alone.registration.moving is alone.registration.fixed and alone.fixed_labels is None


def test_what_is_wrong_with_a_table_is_told_with_its_line(folder: Path) -> None:
    path = folder / "list.csv"
    for text, reason in (
        ("", "first line"),
        ("a,b\n1,2\n", "columns case"),
        ("case,fixed\n", "holds no case"),
        ("case,fixed,fixed\na,b,c\n", "more than one"),
        ("case,fixed\nA,x.nii\nA,y.nii\n", "line 3.*already in line 2"),
        ("case,fixed,session\nA,,\nB,,\n", "line 2"),
        ("case,fixed\nA,\0\n", "binary"),
    ):
        path.write_text(text)
        with pytest.raises(VoxelMorphError, match=reason):
            load_worklist(path)
    with pytest.raises(VoxelMorphError, match="cannot be opened"):
        load_worklist(folder / "none.csv")
    path.write_text("case,fixed\nA,gone.nii.gz\n")
    with pytest.raises(VoxelMorphError, match=r"no file.*worklist names it"):
        run(load_worklist(path).cases[0])


def test_a_folder_of_sessions(tmp_path: Path, pair: Any) -> None:
    fixed, moving, labels = pair
    shifted = np.eye(4)
    shifted[0, 3] = 1
    for name in ("b/session", "a", "deep/er/c/session"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save_session(Registration(fixed, moving, shifted), tmp_path / name)
    save(labels, tmp_path / "b" / "moved_labels.nii.gz")
    save(labels, tmp_path / "a" / "moving_labels.nii.gz")
    worklist = load_worklist(tmp_path)
    assert [case.name for case in worklist.cases] == ["a", "b", "deep/er/c"]
    moving_case, moved_case = (run(case) for case in worklist.cases[:2])
    np.testing.assert_array_equal(moving_case.registration.affine, shifted)
    # A segmentation that was moved elsewhere is shown as it is, over the moved image.
    np.testing.assert_array_equal(moved_case.registration.affine, np.eye(4))
    moved = Registration(fixed, moving, shifted).moved
    np.testing.assert_array_equal(moved_case.registration.moving.data, moved.data)
    assert moved_case.moving_labels is not None
    shown = moved_case.registration.warp(moved_case.moving_labels, "nearest")
    np.testing.assert_array_equal(shown, labels.data)
    assert run(worklist.cases[2]).moving_labels is None


def test_the_segmentations_that_a_session_keeps_are_judged(tmp_path: Path, pair: Any) -> None:
    fixed, moving, labels = pair
    other = labels.with_data(2 - labels.data)
    kept = {"moving_labels": labels, "fixed_labels": other}
    save_session(Session(Registration(fixed, moving, np.eye(4)), kept), tmp_path / "a")
    (case,) = load_worklist(tmp_path).cases
    found = run(case)
    for role, volume in kept.items():
        np.testing.assert_array_equal(getattr(found, role).data, volume.data)
    # Files of the worklist stand in for them.
    save(other, tmp_path / "seg.nii.gz")
    named = run(replace(case, moving_labels=tmp_path / "seg.nii.gz"))
    np.testing.assert_array_equal(named.moving_labels.data, other.data)  # type: ignore[union-attr]
    moved = run(replace(case, moving_labels=None, moved_labels=tmp_path / "seg.nii.gz"))
    np.testing.assert_array_equal(moved.moving_labels.data, other.data)  # type: ignore[union-attr]


def test_a_table_of_names_in_the_folder_of_sessions_counts(tmp_path: Path, pair: Any) -> None:
    fixed, moving, labels = pair
    (tmp_path / "a").mkdir()
    kept = {"moving_labels": labels}
    save_session(Session(Registration(fixed, moving, np.eye(4)), kept), tmp_path / "a" / "session")
    save(labels.with_data(2 - labels.data), tmp_path / "a" / "moved_labels.nii.gz")
    (tmp_path / "label_names.csv").write_text("label,name\n2,Thalamus\n", encoding="utf-8")
    (case,) = load_worklist(tmp_path).cases
    found = run(case)
    assert found.names[2].name == "Thalamus" and case.moved_labels is None
    np.testing.assert_array_equal(found.moving_labels.data, labels.data)  # type: ignore[union-attr]
    (tmp_path / "a" / "label_names.csv").write_text("label,name\n2,Putamen\n", encoding="utf-8")
    assert run(load_worklist(tmp_path).cases[0]).names[2].name == "Putamen"


def test_a_bids_tree(tmp_path: Path, pair: Any) -> None:
    fixed, _, labels = pair
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    (tmp_path / "dseg.tsv").write_text("index\tname\n1\tThalamus\n")
    for sub in ("sub-01", "sub-02"):
        raw = tmp_path / sub / "anat"
        done = tmp_path / "derivatives" / "tool" / sub / "anat"
        raw.mkdir(parents=True)
        done.mkdir(parents=True)
        save(fixed, raw / f"{sub}_T1w.nii.gz")
        save(fixed, raw / f"{sub}_T2w.nii.gz")
        save(labels, done / f"{sub}_desc-moved_dseg.nii.gz")
        save(labels, done / f"{sub}_space-MNI_dseg.nii.gz")
    save(labels, tmp_path / "derivatives/tool/sub-02/anat/sub-02_desc-manual_dseg.nii.gz")
    worklist = load_worklist(tmp_path)
    assert [c.name for c in worklist.cases] == ["sub-01_desc-moved", "sub-02_desc-moved"]
    assert [c.fixed.name for c in worklist.cases if c.fixed] == [
        "sub-01_T1w.nii.gz",
        "sub-02_T1w.nii.gz",
    ]
    assert worklist.cases[0].fixed_labels is None
    assert worklist.cases[1].fixed_labels is not None
    assert run(worklist.cases[1]).names[1].name == "Thalamus"
    assert worklist.folder == tmp_path / "derivatives" / "review"


def test_a_folder_without_anything(tmp_path: Path) -> None:
    with pytest.raises(VoxelMorphError, match="holds no case"):
        load_worklist(tmp_path)
    with pytest.raises(VoxelMorphError, match="neither a session nor"):
        run(Case("x"))
