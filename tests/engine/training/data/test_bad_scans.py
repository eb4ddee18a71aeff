"""Bad scans are told and left out; what cannot be trained on is refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.opening import open_cohort
from napari_voxelmorph.engine.training.data.prepare import prepare
from napari_voxelmorph.engine.training.data.source import CohortSource
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject
from napari_voxelmorph.engine.training.data.volumes import cohort_from_volumes

STILL = DataConfig(affine=False)


def test_bad_scans_are_told_and_left_out(write_cohort, ready, blob) -> None:
    folder = write_cohort(count=4)
    whole = (folder / "subject_0.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "junk.nii").write_bytes(b"junk" * 500)
    files.save(Volume(np.full((9, 9, 9), np.nan, np.float32)), folder / "nan.nii")
    files.save(Volume(np.ones((9, 9, 9), np.float32)), folder / "flat.nii")
    files.save(Volume(np.random.default_rng(0).random((30, 30))), folder / "plane.nii")
    files.save(Volume(blob()[0].data, np.diag([40.0, 40, 40, 1])), folder / "metres.nii")
    prepared = ready()
    assert {i.name for i in prepared.items} == {f"subject_{n}" for n in range(4)}
    notes = "\n".join(prepared.notes)
    for name, words in {
        "cut": "could not be read",
        "junk": "could not be read",
        "nan": "no finite value",
        "flat": "constant",
        "plane": "2-D, and 5 of 6 scans are 3-D",
        "metres": "is the spacing in its header right",
    }.items():
        line = next(n for n in prepared.notes if n.startswith(f"{name} is left out"))
        assert words in line, notes


def test_some_nan_count_as_background(write_cohort, ready, blob, arrays) -> None:
    folder = write_cohort(count=3)
    image, _ = blob()
    image.data[0, 0, :5] = np.nan
    files.save(image, folder / "subject_0.nii.gz")
    prepared = ready()
    assert "subject_0: 5 voxels are NaN" in prepared.notes[0]
    assert np.isfinite(arrays(prepared, prepared.items[0])[0]).all()


def test_segmentations_that_do_not_fit_are_told_and_not_used(write_cohort, ready, blob) -> None:
    folder = write_cohort(count=4)
    files.save(blob(shape=(10, 10, 10))[1], folder / "subject_1_seg.nii.gz")
    (folder / "subject_2_seg.nii.gz").write_bytes(b"nothing")
    prepared = ready()
    ids = {i.name: i.ids for i in prepared.items}
    assert ids["subject_0"] == (1, 2) and ids["subject_1"] == ids["subject_2"] == ()
    assert any("subject_1: the segmentation is not used" in n for n in prepared.notes)
    source = CohortSource(prepared)
    for n in range(4):
        sample = source.draw(n)
        assert (sample.moving_labels is None) == (not ids[sample.names[0]])


def test_label_sets_that_differ(write_cohort, ready, blob) -> None:
    folder = write_cohort(count=4)
    for n, old, new in ((0, 2, 7), (1, 2, 0)):
        labels = blob(seed=n)[1]
        labels.data[labels.data == old] = new
        files.save(labels, folder / f"subject_{n}_seg.nii.gz")
        files.save(blob(seed=n)[0], folder / f"subject_{n}.nii.gz")
    prepared = ready()
    assert prepared.labels == (1, 2)
    notes = " ".join(prepared.notes)
    assert "not scored: 7" in notes
    assert "2 of 4 segmentations lack some labels (subject_0, subject_1)" in notes


def test_large_and_odd_ids_are_numbered(tmp_path, blob, finished) -> None:
    labels = blob()[1]
    ids = np.array([0, -3, 10_000_019])[labels.data]
    pair = [blob(seed=n)[0] for n in range(2)]
    seg = Volume(ids, labels.affine, "labels", "ids")
    prepared = finished(prepare(cohort_from_volumes(pair, [seg, seg]), tmp_path / "k", STILL))
    assert prepared.labels == (-3, 10_000_019)
    sample = CohortSource(prepared).draw(0)
    assert set(sample.moving_labels.unique().tolist()) == {0, 1, 2}


def test_copies_of_a_scan(write_cohort, ready, finished) -> None:
    folder = write_cohort(count=3)
    content = (folder / "subject_0.nii.gz").read_bytes()
    (folder / "copy.nii.gz").write_bytes(content)
    prepared = ready()
    assert len(prepared.items) == 3
    assert "the same scan as" in prepared.notes[0]
    (folder / "table.csv").write_text(
        "image,split\ncopy.nii.gz,test\nsubject_0.nii.gz,train\nsubject_1.nii.gz,train\n"
    )
    with pytest.raises(InputError, match="same scan, and in two splits"):
        finished(prepare(open_cohort(folder / "table.csv"), folder.parent / "kept", STILL))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_scans(tmp_path, count: int, blob, finished) -> None:
    cohort = Cohort("few", tuple(Subject(f"s{n}", blob()[0]) for n in range(count)))
    with pytest.raises(InputError, match="at least 2 are needed"):
        finished(prepare(cohort, tmp_path / "kept"))


def test_when_all_are_bad_the_reasons_are_told(tmp_path, finished) -> None:
    for n in range(3):
        (tmp_path / f"s{n}.nii").write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match=r"no scan that can be used.*s0 is left out: .*damaged"):
        finished(prepare(open_cohort(tmp_path), tmp_path / "kept"))


def test_copies_without_a_split_are_used_once_whatever_the_seed(write_cohort, ready) -> None:
    folder = write_cohort(count=8)
    content = (folder / "subject_0.nii.gz").read_bytes()
    (folder / "copy.nii.gz").write_bytes(content)
    for seed in range(4):  # with some of them, the copy would be held out
        prepared = ready(seed=seed)
        assert len(prepared.items) == 8 and len(prepared.of("validation")) == 2


def test_what_is_held_out_can_be_used(write_cohort, ready) -> None:
    folder = write_cohort(count=6)
    for n in range(6):
        (folder / f"bad_{n}.nii.gz").write_bytes(b"junk" * 100)
    for seed in range(3):
        assert len(ready(seed=seed).of("validation")) == 2


def test_a_person_in_two_splits_is_refused_before_anything_is_read(write_cohort, finished) -> None:
    folder = write_cohort(count=3)
    (folder / "table.csv").write_text(
        "image,subject,split\nsubject_0.nii.gz,ann,test\nsubject_1.nii.gz,ann,train\n"
        "subject_2.nii.gz,bob,train\n"
    )
    steps = prepare(open_cohort(folder / "table.csv"), folder.parent / "kept", STILL)
    with pytest.raises(InputError, match="“ann” is in two splits, test and train"):
        next(steps)
