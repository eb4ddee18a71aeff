"""Corrections by hand: kept beside the verdicts, found again with their case, never deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError, OutputError
from napari_voxelmorph.engine.files import save
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.review.case import Case, OpenCase, opening
from napari_voxelmorph.engine.review.corrected import (
    corrected_path,
    keep_corrected,
    load_corrected,
    set_aside,
)

PLACE = np.array([[-1.0, 0, 0, 9], [0, 0, 1.5, -4], [0, 2.0, 0, 3], [0, 0, 0, 1]])


@pytest.fixture
def fixed() -> Volume:
    return Volume(np.random.default_rng(0).random((9, 8, 7), np.float32), PLACE, name="fixed")


def labels(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 4, (9, 8, 7)).astype(np.uint16) * 300


def test_a_correction_comes_back_as_it_was(tmp_path: Path, fixed: Volume) -> None:
    assert load_corrected(tmp_path, "A / 1", fixed) is None
    path = keep_corrected(tmp_path, "A / 1", fixed, labels())
    assert path == corrected_path(tmp_path, "A / 1") and path.parent == tmp_path / "corrected"
    np.testing.assert_array_equal(load_corrected(tmp_path, "A / 1", fixed), labels())
    assert load_corrected(tmp_path, "A - 1", fixed) is None  # another case
    theirs: Any = nib.load(path)
    np.testing.assert_array_equal(np.asarray(theirs.dataobj), labels())
    np.testing.assert_allclose(theirs.affine, PLACE, atol=1e-5)


def test_what_is_discarded_is_set_aside(tmp_path: Path, fixed: Volume) -> None:
    assert set_aside(tmp_path, "A") is None
    asides = []
    for seed in range(2):
        keep_corrected(tmp_path, "A", fixed, labels(seed))
        asides.append(set_aside(tmp_path, "A"))
        assert load_corrected(tmp_path, "A", fixed) is None
    assert len(set(asides)) == 2
    for seed, path in enumerate(asides):
        theirs: Any = nib.load(path)
        np.testing.assert_array_equal(np.asarray(theirs.dataobj), labels(seed))


def test_a_correction_on_another_grid_is_told_and_left(tmp_path: Path, fixed: Volume) -> None:
    path = keep_corrected(tmp_path, "A", fixed, labels())
    moved = PLACE.copy()
    moved[0, 3] += 1
    with pytest.raises(InputError, match="another grid"):
        load_corrected(tmp_path, "A", Volume(fixed.data, moved))
    assert path.is_file()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        keep_corrected(tmp_path / "file", "A", fixed, labels())


def opened(case: Case, folder: Path | None) -> OpenCase:
    steps = opening(case, folder)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: OpenCase = end.value
            return found


def test_a_case_is_opened_with_its_correction(tmp_path: Path, fixed: Volume) -> None:
    for name, volume in (("fixed", fixed), ("seg", fixed.with_data(labels(), kind="labels"))):
        save(volume, tmp_path / f"{name}.nii.gz")
    case = Case("A", fixed=tmp_path / "fixed.nii.gz", moved_labels=tmp_path / "seg.nii.gz")
    folder = tmp_path / "review"
    assert opened(case, folder).corrected is None and opened(case, folder).note == ""
    path = keep_corrected(folder, "A", fixed, labels(1))
    found = opened(case, folder)
    assert found.corrected is not None and found.moving_labels is not None
    np.testing.assert_array_equal(found.corrected, labels(1))
    np.testing.assert_array_equal(found.moving_labels.data, labels())
    assert opened(case, None).corrected is None
    # A damaged one does not keep the case from being judged.
    path.write_bytes(path.read_bytes()[:60])
    broken = opened(case, folder)
    assert broken.corrected is None and path.name in broken.note
