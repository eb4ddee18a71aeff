"""A BIDS tree: sessions, segmentations in derivatives, participants."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.training.data.opening import open_cohort


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    pytest.importorskip("ancpbids", reason="ancpbids is not installed")
    folder = tmp_path / "study"

    def touch(path: str) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()

    for place in ("", "derivatives/seg/"):
        touch(f"{place}dataset_description.json")
        (folder / f"{place}dataset_description.json").write_text(
            json.dumps({"Name": "study", "BIDSVersion": "1.8.0"})
        )
    (folder / "participants.tsv").write_text(
        "participant_id\tage\tsex\nsub-01\t30\tF\nsub-02\tn/a\tM\n"
    )
    for s in ("01", "02"):
        for v in ("1", "2"):
            touch(f"sub-{s}/ses-{v}/anat/sub-{s}_ses-{v}_T1w.nii.gz")
        touch(f"sub-{s}/ses-1/anat/sub-{s}_ses-1_T1w.json")
        touch(f"sub-{s}/ses-1/anat/sub-{s}_ses-1_T2w.nii.gz")
        for name in ("desc-aseg_dseg", "space-MNI152_dseg", "label-GM_probseg"):
            touch(f"derivatives/seg/sub-{s}/ses-1/anat/sub-{s}_ses-1_{name}.nii.gz")
    return folder


def test_every_session_is_a_scan_and_one_person_one_group(tree: Path) -> None:
    cohort = open_cohort(tree)
    assert [s.name for s in cohort.subjects] == [
        f"sub-{s}_ses-{v}" for s in ("01", "02") for v in ("1", "2")
    ]
    assert [s.group for s in cohort.subjects] == ["sub-01", "sub-01", "sub-02", "sub-02"]
    assert cohort.subjects[0].image.name == "sub-01_ses-1_T1w.nii.gz"
    assert "T2w (2)" in cohort.notes[0]


def test_segmentations_in_the_scans_own_space(tree: Path) -> None:
    labels = [s.labels and s.labels.name for s in open_cohort(tree).subjects]
    assert labels == [
        "sub-01_ses-1_desc-aseg_dseg.nii.gz", None, "sub-02_ses-1_desc-aseg_dseg.nii.gz", None
    ]  # fmt: skip


def test_participants_become_attributes(tree: Path) -> None:
    found = {s.group: dict(s.attributes) for s in open_cohort(tree).subjects}
    assert found == {"sub-01": {"age": "30", "sex": "F"}, "sub-02": {"sex": "M"}}
    (tree / "participants.tsv").write_bytes(b"\xff\xfe\x00participant")
    with pytest.raises(FileFormatError, match=r"participants\.tsv"):
        open_cohort(tree)


def test_another_kind_of_scan(tree: Path) -> None:
    from napari_voxelmorph.engine.training.data.bids import cohort_from_bids

    assert [s.name for s in cohort_from_bids(tree, "T2w").subjects] == [
        "sub-01_ses-1", "sub-02_ses-1"
    ]  # fmt: skip
    with pytest.raises(InputError, match="T1w, T2w, and no FLAIR"):
        cohort_from_bids(tree, "FLAIR")


def test_an_empty_tree_and_no_library(tree: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "empty" / "sub-01").mkdir(parents=True)
    (tmp_path / "empty" / "dataset_description.json").write_text('{"Name": "x"}')
    with pytest.raises(InputError, match="no anatomical scan"):
        open_cohort(tmp_path / "empty")
    monkeypatch.setitem(sys.modules, "ancpbids", None)
    with pytest.raises(InputError, match=r"napari-voxelmorph\[bids\]"):
        open_cohort(tree)


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_damaged_description(tree: Path, text: str) -> None:
    (tree / "dataset_description.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"dataset_description\.json"):
        open_cohort(tree)


def test_a_description_beside_other_files_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text("{}")
    for name in ("a.nii", "b.nii"):
        (tmp_path / name).touch()
    assert [s.name for s in open_cohort(tmp_path).subjects] == ["a", "b"]
