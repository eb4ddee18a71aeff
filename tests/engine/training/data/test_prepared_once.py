"""What was prepared is kept: nothing is redone, stopped work is not lost."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import OutputError
from napari_voxelmorph.engine.training.data import alignment, items, survey
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.opening import open_cohort
from napari_voxelmorph.engine.training.data.prepare import prepare
from napari_voxelmorph.engine.training.data.progress import in_turn


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


def test_a_damaged_store_is_mended(write_cohort, ready, arrays) -> None:
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
    assert 3 <= len(kept) < 6
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


def test_processes_begin_at_different_places(monkeypatch) -> None:
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
