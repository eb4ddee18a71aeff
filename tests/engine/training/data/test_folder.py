"""Folders as people have them: every scan is found, with its segmentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data import names
from napari_voxelmorph.engine.training.data.folder import cohort_from_folder


def tree(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def found(folder: Path, **options) -> dict[str, str | None]:
    """Image -> segmentation, relative to the folder."""
    cohort = cohort_from_folder(folder, **options)
    return {
        s.image.relative_to(folder).as_posix(): None
        if s.labels is None
        else s.labels.relative_to(folder).as_posix()
        for s in cohort.subjects
    }


LAYOUTS = {
    "side by side": {"a.nii.gz": "a_seg.nii.gz", "b.nii.gz": "b_seg.nii.gz", "c.nii.gz": None},
    "words for labels": {
        "01.mha": "01_labels.mha",
        "02.mha": "02-dseg.mha",
        "03.mha": "03_aseg.mha",
        "04.mha": "04.label.mha",
    },
    "one, eleven": {"s_1.nii": "s_1_seg.nii", "s_11.nii": "s_11_seg.nii"},
    "contrast in the image's name": {
        "1000_t1.nii.gz": "1000_labels.nii.gz",
        "1001_t1.nii.gz": "1001_labels.nii.gz",
    },
    "Decathlon": {
        "imagesTr/hippocampus_001.nii.gz": "labelsTr/hippocampus_001.nii.gz",
        "imagesTr/hippocampus_003.nii.gz": "labelsTr/hippocampus_003.nii.gz",
    },
    "nnU-Net": {
        "imagesTr/x_001_0000.nii.gz": "labelsTr/x_001.nii.gz",
        "imagesTr/x_002_0000.nii.gz": "labelsTr/x_002.nii.gz",
    },
    "longer names of labels": {
        "images/T-20-1_slice118.nii.gz": "labels/T-20-1_DKT31_CMA_labels_slice118.nii.gz",
        "images/T-20-10_slice118.nii.gz": "labels/T-20-10_DKT31_CMA_labels_slice118.nii.gz",
        "images/T-20-20_slice118.nii.gz": "labels/T-20-20_DKT31_CMA_labels_slice118.nii.gz",
    },
    "a folder per subject": {
        "s1/t1.nii.gz": "s1/seg.nii.gz",
        "s2/t1.nii.gz": "s2/seg.nii.gz",
        "s3/t1.nii.gz": None,
    },
    "a folder per subject, named in the files": {
        "s1/s1_t1.nii.gz": "s1/s1_aparc.nii.gz",
        "s2/s2_t1.nii.gz": "s2/s2_aparc.nii.gz",
    },
    "folders per site": {
        "left/01.nii": "left/01_seg.nii",
        "left/02.nii": "left/02_seg.nii",
        "right/01.nii": "right/01_seg.nii",
    },
    "splits": {
        "train/images/a.nii": "train/labels/a.nii",
        "val/images/b.nii": "val/labels/b.nii",
        "test/images/c.nii": "test/labels/c.nii",
    },
    "pictures": {"a.png": None, "b.png": None},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    wanted = LAYOUTS[layout]
    tree(tmp_path, *(p for pair in wanted.items() for p in pair if p))
    assert found(tmp_path) == wanted


def test_folders_say_the_split(tmp_path: Path) -> None:
    tree(tmp_path, *LAYOUTS["splits"])
    cohort = cohort_from_folder(tmp_path)
    assert {s.name: s.split for s in cohort.subjects} == {
        "a": "train",
        "b": "validation",
        "c": "test",
    }


def test_a_mask_counts_where_there_is_nothing_better(tmp_path: Path) -> None:
    tree(tmp_path, "a.nii", "a_mask.nii", "a_seg.nii", "b.nii", "b_mask.nii")
    assert found(tmp_path) == {"a.nii": "a_seg.nii", "b.nii": "b_mask.nii"}


def test_of_several_contrasts_the_common_one_is_used(tmp_path: Path) -> None:
    tree(tmp_path, "a_t1.nii", "a_t2.nii", "b_t2.nii", "c_t1.nii", "c_t2.nii", "c_seg.nii")
    assert set(found(tmp_path)) == {"a_t2.nii", "b_t2.nii", "c_t2.nii"}
    assert "t1" in cohort_from_folder(tmp_path).notes[0]
    assert set(found(tmp_path, images="*_t1.nii")) == {"a_t1.nii", "c_t1.nii"}


def test_neurite_oasis(tmp_path: Path) -> None:
    parts = ("orig", "norm", "aligned_norm", "aligned_orig", "seg4", "aligned_seg35")
    tree(tmp_path, *(f"OASIS_{n:04}_MR1/{p}.nii.gz" for n in (1, 2) for p in parts))
    assert found(tmp_path) == {
        f"OASIS_{n:04}_MR1/aligned_norm.nii.gz": f"OASIS_{n:04}_MR1/aligned_seg35.nii.gz"
        for n in (1, 2)
    }


def test_patterns(tmp_path: Path) -> None:
    tree(tmp_path, "a/x1.nii", "a/x1_y.nii", "b/x2.nii", "b/x2_y.nii", "b/z.nii")
    assert found(tmp_path, images="x?.nii", labels="*_y.nii") == {
        "a/x1.nii": "a/x1_y.nii",
        "b/x2.nii": "b/x2_y.nii",
    }
    with pytest.raises(InputError, match="fits the patterns"):
        cohort_from_folder(tmp_path, images="*.mgz")


def test_what_is_no_scan_is_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "a.nii", "b.nii", ".hidden.nii", "notes.txt", "table.csv", "preview.png")
    tree(tmp_path, "imagesTs/c.nii", "prepared.npy", "a.hdr", "a.img")
    assert set(found(tmp_path)) == {"a.nii", "b.nii", "a.hdr"}


def test_a_folder_of_dicom_slices_is_one_scan(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{s}/IM{n}.dcm" for s in ("p1", "p2") for n in range(4)))
    assert set(found(tmp_path)) == {"p1", "p2"}


def test_two_visits_of_one_person_are_one_group(tmp_path: Path) -> None:
    tree(tmp_path, "sub-01_ses-1_T1w.nii", "sub-01_ses-2_T1w.nii", "sub-02_ses-1_T1w.nii")
    groups = [s.group for s in cohort_from_folder(tmp_path).subjects]
    assert groups == ["sub-01", "sub-01", "sub-02"]


@pytest.mark.parametrize(
    ("files", "words"),
    [((), "holds no image"), (("a_seg.nii", "b_seg.nii"), "no image they belong to")],
)
def test_folders_without_scans(tmp_path: Path, files: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        cohort_from_folder(tree(tmp_path, *files))
    with pytest.raises(InputError, match="no folder"):
        cohort_from_folder(tmp_path / "gone")


def test_orphans_are_told(tmp_path: Path) -> None:
    cohort = cohort_from_folder(
        tree(tmp_path, "a.nii", "a_seg.nii", "b.nii", "b_seg.nii", "x_seg.nii")
    )
    assert "x_seg" in cohort.notes[0]


def test_owner_of_a_name_made_of_kinds_only() -> None:
    assert names.owner("T1") == ("t1",)
    assert names.match("T1", ["T2_seg", "T1_seg"]) == 1
    assert names.match("alone", []) is None


def test_real_cohorts(data_dir: Path) -> None:
    for name, count in (("hippocampus", 200), ("oasis_brains", 17), ("brain_2d", 20)):
        cohort = cohort_from_folder(data_dir / name)
        assert len(cohort.subjects) == cohort.labelled == count
        for s in cohort.subjects:
            own = s.image.name.split("_slice")[0].removesuffix("_t1.nii.gz").removesuffix(".nii.gz")
            assert s.labels.name.startswith(own)


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.nii", "deep/b.nii")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    assert set(found(tmp_path)) == {"a.nii", "deep/b.nii"}


def test_thousands_of_files(tmp_path: Path) -> None:
    """Each is compared with the few that share the rarest part of its name."""
    tree(tmp_path, *(f"study_{n:05}_{w}.nii" for n in range(1500) for w in ("t1", "seg")))
    pairs = found(tmp_path)
    assert len(pairs) == 1500
    assert all(k.replace("t1", "seg") == v for k, v in pairs.items())
