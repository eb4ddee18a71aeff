"""From files to one grid: right places, right labels, bad scans told and left out, nothing redone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError, OutputError
from napari_voxelmorph.engine.files.landmarks import save_landmarks
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data import alignment, items, survey
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.opening import open_cohort
from napari_voxelmorph.engine.training.data.prepare import prepare
from napari_voxelmorph.engine.training.data.source import CohortSource
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject
from napari_voxelmorph.engine.training.data.volumes import cohort_from_volumes

STILL = DataConfig(affine=False)


@pytest.fixture
def ready(tmp_path: Path, finished):
    """Prepare what is in the folder `scans`."""

    def work(config=STILL, **options):
        steps = prepare(open_cohort(tmp_path / "scans"), tmp_path / "kept", config, **options)
        return finished(steps)

    return work


def arrays(prepared, item):
    shape = prepared.space.shape
    image = prepared.store.array(item.key, "image", shape)
    labels = prepared.store.array(item.key, "labels", shape) if item.ids else None
    return image, labels


# -- what comes out ---------------------------------------------------------------------


def test_grid_holds_every_scan_and_labels_are_exact(write_cohort, ready) -> None:
    folder = write_cohort()
    prepared = ready()
    assert prepared.space.spacing == 1.0 and prepared.space.orientation == "RAS"
    assert all(n % 16 == 0 for n in prepared.space.shape)
    assert prepared.labels == (1, 2)
    assert len(prepared.items) == 6 and not prepared.notes
    for item in prepared.items:
        image, labels = arrays(prepared, item)
        assert image.dtype == np.float16 and labels.dtype == np.uint8
        assert float(image.min()) == 0 and 0.9 < float(image.max()) < 1.3
        original = files.load(folder / f"{item.name}_seg.nii.gz", "labels").data
        # Axes in the same order, the same voxels: nothing but a shift, so counts agree.
        assert [np.sum(labels == i) for i in (1, 2)] == [np.sum(original == i) for i in (1, 2)]


def test_world_places_are_kept_without_alignment(tmp_path, blob, finished) -> None:
    """Two files of one content on differently stored grids lie on each other."""
    image, labels = blob(shape=(22, 26, 20), shift=1.0)
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 21
    other = Volume(image.data[::-1].transpose(1, 0, 2).copy(), flipped[:, [1, 0, 2, 3]], name="b")
    other_labels = Volume(
        labels.data[::-1].transpose(1, 0, 2).copy(), other.affine, "labels", "b labels"
    )
    cohort = cohort_from_volumes([image, other], [labels, other_labels])
    prepared = finished(prepare(cohort, tmp_path / "kept", STILL))
    first, second = (arrays(prepared, item) for item in prepared.items)
    np.testing.assert_allclose(first[0], second[0], atol=2e-3)
    assert np.array_equal(first[1], second[1])


def test_affine_alignment_brings_scans_together(tmp_path, blob, finished) -> None:
    pairs = [blob(shape=(28, 30, 26), shift=s, size=6, seed=n) for n, s in enumerate((0, 4))]
    cohort = cohort_from_volumes(*zip(*pairs, strict=True))
    overlap = []
    for affine in (False, True):
        prepared = finished(prepare(cohort, tmp_path / "kept", DataConfig(affine=affine)))
        masks = [arrays(prepared, item)[1] > 0 for item in prepared.items]
        overlap.append(2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()))
    assert overlap[0] < 0.6 and overlap[1] > 0.93


def test_landmarks_become_voxels(write_cohort, finished, tmp_path) -> None:
    folder = write_cohort(count=3)
    lines = ["image,labels,landmarks"]
    for n in range(3):
        # The centre of the blob, in world mm, see `blob`; the extra one has no partner.
        middle = np.array([[9.5, 11.5, 8.5]]) + 0.5 * n - 1
        extra = np.vstack([middle, middle + n])
        save_landmarks(extra, folder / f"{n}.csv", ["centre", f"own {n}"])
        lines.append(f"scans/subject_{n}.nii.gz,scans/subject_{n}_seg.nii.gz,scans/{n}.csv")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    steps = prepare(
        open_cohort(tmp_path / "table.csv"), tmp_path / "kept", DataConfig(affine=False)
    )
    prepared = finished(steps)
    for item in prepared.items:
        _, labels = arrays(prepared, item)
        mass = np.argwhere(labels > 0).mean(axis=0)
        np.testing.assert_allclose(item.landmarks["centre"], mass, atol=0.1)
    sample = CohortSource(prepared).draw(0)
    assert sample.moving_landmarks.shape == sample.fixed_landmarks.shape == (1, 3)


def test_coarser_grid_and_given_space(write_cohort, ready) -> None:
    write_cohort(spacing=1.0)
    coarse = ready(DataConfig(affine=False, spacing=2.0, multiple=8))
    assert coarse.space.spacing == 2.0 and max(coarse.space.shape) <= 16
    given = Space((24, 32, 24), 1.0, "LPS", 98.0, 2.0)
    assert ready(space=given).space == given
    open_shape = ready(space=Space(None, 1.5, "RAS")).space
    assert open_shape.shape is not None and open_shape.spacing == 1.5
    with pytest.raises(InputError, match="registers 2-D images, and the scans are 3-D"):
        ready(space=Space((32, 32)))


def test_two_d(write_cohort, ready) -> None:
    write_cohort(shape=(40, 34))
    prepared = ready()
    assert len(prepared.space.shape) == 2
    sample = CohortSource(prepared, augmentation=1.0).draw(3)
    assert sample.moving.shape == (1, *prepared.space.shape)


def test_atlas(write_cohort, ready, blob, tmp_path) -> None:
    write_cohort(count=3)
    image, labels = blob(shape=(24, 24, 24), size=5)
    files.save(image, tmp_path / "atlas.nii.gz")
    files.save(labels, tmp_path / "atlas_seg.nii.gz")
    config = DataConfig(
        str(tmp_path / "atlas.nii.gz"), str(tmp_path / "atlas_seg.nii.gz"), affine=False
    )
    prepared = ready(config)
    source = CohortSource(prepared, augmentation=0.7)
    draws = [source.draw(n) for n in range(6)]
    assert {s.names[1] for s in draws} == {"atlas"}
    assert {s.names[0] for s in draws} == {i.name for i in prepared.of("train")}
    assert prepared.atlas.ids == (1, 2)
    with pytest.raises(InputError, match="The atlas: there is no file"):
        ready(DataConfig(str(tmp_path / "gone.nii")))


# -- what is kept -----------------------------------------------------------------------


@pytest.fixture
def quick_alignment(monkeypatch):
    """Two steps, and the identity."""

    def align(fixed, moving):
        yield from (1, 2)
        return np.eye(4)

    monkeypatch.setattr(alignment, "align", align)


def test_nothing_is_done_twice(write_cohort, ready, monkeypatch, quick_alignment) -> None:
    folder = write_cohort()
    config = DataConfig()
    first = ready(config)
    made = {p.name: p.stat().st_mtime_ns for p in first.store.folder.iterdir()}

    def refuse(*_):
        raise AssertionError("done again")

    with monkeypatch.context() as patched:
        for module, name in ((survey, "read_scan"), (items, "read_scan"), (alignment, "align")):
            patched.setattr(module, name, refuse)
        assert [i.key for i in ready(config).items] == [i.key for i in first.items]
    assert {p.name: p.stat().st_mtime_ns for p in first.store.folder.iterdir()} == made
    # A changed file, and only that, is.
    changed = folder / "subject_2.nii.gz"
    os.utime(changed, ns=(1, 1))
    keys = [(a.key, b.key, a.name) for a, b in zip(first.items, ready(config).items, strict=True)]
    assert {name for a, b, name in keys if a != b} == {"subject_2"}


def test_a_damaged_store_is_mended(write_cohort, ready) -> None:
    write_cohort(count=3)
    first = ready()
    for path in first.store.folder.iterdir():
        path.write_bytes(path.read_bytes()[:40])
    again = ready()
    for a, b in zip(first.items, again.items, strict=True):
        assert a.key == b.key
        assert arrays(again, b)[0] is not None


def test_closing_stops_and_what_was_done_is_kept(
    write_cohort, ready, tmp_path, quick_alignment
) -> None:
    write_cohort()
    steps = prepare(open_cohort(tmp_path / "scans"), tmp_path / "kept", DataConfig())
    for step in steps:
        if step.phase.startswith("Aligning") and step.done == 3:
            break
    steps.close()
    assert 0 <= step.fraction < 1 and step.subject
    kept = {p.name for p in (tmp_path / "kept").glob("*.image.npy")}
    assert len(kept) == 3
    assert kept <= {p.name for p in ready(DataConfig()).store.folder.iterdir()}


def test_a_place_that_cannot_be_written(write_cohort, tmp_path, finished) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        finished(prepare(open_cohort(write_cohort()), tmp_path / "file" / "kept"))


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    write_cohort, ready, tmp_path, monkeypatch
) -> None:
    write_cohort(count=3)

    def full(file, arr):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OutputError, match="disk is full"):
        patched.setattr(np, "save", full)
        ready()
    assert not list((tmp_path / "kept").glob("*.npy"))
    assert len(ready().items) == 3


# -- bad input --------------------------------------------------------------------------


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


def test_some_nan_count_as_background(write_cohort, ready, blob) -> None:
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


def test_the_description_is_json_without_names(write_cohort, ready) -> None:
    import json

    write_cohort()
    prepared = ready(DataConfig(affine=False, test_fraction=0.3))
    text = json.dumps(dict(prepared.description), allow_nan=False)
    assert "subject_" not in text and str(Path.cwd()) not in text
    digests = {s: set(d) for s, d in prepared.description["splits"].items()}
    for item in prepared.items:
        assert item.digest in digests[item.split]


def test_processes_begin_at_different_places(monkeypatch) -> None:
    from napari_voxelmorph.engine.training.data.progress import in_turn

    assert list(in_turn(5)) == [0, 1, 2, 3, 4]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert list(in_turn(5)) == [2, 3, 4, 0, 1]


def test_any_process_prepares_the_same(write_cohort, ready, monkeypatch) -> None:
    write_cohort(count=5)
    first = ready()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    again = ready()
    assert [i.key for i in first.items] == [i.key for i in again.items]
    assert dict(first.description) == dict(again.description)
