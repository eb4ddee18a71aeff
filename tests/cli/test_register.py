"""`register` on the sample pair: what it writes, and which files it takes."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import OutputError
from napari_voxelmorph.engine.files.landmarks import load_landmarks
from napari_voxelmorph.engine.review.case import opening
from napari_voxelmorph.engine.review.worklist import load_worklist

from .commands import QUICK, says


def test_register_writes_everything(result: Path, inputs: Path) -> None:
    assert {p.name for p in result.iterdir()} == {
        "moved.nii.gz", "moved_labels.nii.gz", "moved_landmarks.csv", "displacement.nii.gz",
        "session", "report.json", "report.png",
    }  # fmt: skip
    fixed, moved = (nibabel.load(p) for p in (inputs / "fixed.nii.gz", result / "moved.nii.gz"))
    assert moved.shape == fixed.shape
    assert np.allclose(moved.affine, fixed.affine)


def test_report_is_for_machines(result: Path) -> None:
    report = json.loads((result / "report.json").read_text(encoding="utf-8"))
    dice, error = report["findings"]["dice"], report["findings"]["landmark_error_mm"]
    assert dice["after"] > dice["before"] + 0.2
    assert error["after"] < 0.5 * error["before"]
    assert report["config"]["iterations"] == [20, 10]
    assert report["timings_seconds"]["total"] > 0
    assert report["provenance"]["versions"]["torch"]
    assert report["metrics"]["similarity_after"] > report["metrics"]["similarity_before"]
    for name in report["files"].values():
        assert (result / name).exists(), name


def test_moved_labels_stay_exact_and_landmarks_named(result: Path, inputs: Path) -> None:
    before = np.unique(nibabel.load(inputs / "moving_labels.nii.gz").get_fdata())
    after = np.unique(nibabel.load(result / "moved_labels.nii.gz").get_fdata())
    assert set(after) <= set(before)
    _, names = load_landmarks(result / "moved_landmarks.csv", 3)
    assert "pons" in names


def test_results_are_a_worklist_whose_segmentations_are_compared(
    result: Path, inputs: Path
) -> None:
    """Moved labels lie beside the session; what it keeps is judged, as in the window."""
    (case,) = load_worklist(result).cases
    steps = opening(case)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        found = end.value
    assert found.session is not None and found.registration.field is not None
    for role in ("moving_labels", "fixed_labels"):
        given = nibabel.load(inputs / f"{role}.nii.gz").get_fdata()
        np.testing.assert_array_equal(getattr(found, role).data, given)
    for role in ("moving_landmarks", "fixed_landmarks"):
        given, _ = load_landmarks(inputs / f"{role}.csv", 3)
        np.testing.assert_allclose(found.session.companions[role], given)


def test_progress_goes_to_stderr_and_the_summary_to_stdout(
    inputs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    assert main(["register", *pair, "--out", str(tmp_path), "--preset", "rigid-only"]) == 0
    out, err = capfd.readouterr()
    assert "registered to" in out and "report.png" in out
    assert "%" in err and "Traceback" not in err
    assert (
        main(["register", *pair, "--out", str(tmp_path), "--preset", "rigid-only", "--quiet"]) == 0
    )
    assert capfd.readouterr() == ("", "")


def test_start_matrix(inputs: Path, tmp_path: Path, pair_3d) -> None:
    np.savetxt(tmp_path / "start.txt", pair_3d.truth.affine)
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    options = [
        "--start-matrix",
        str(tmp_path / "start.txt"),
        "--affine",
        "none",
        "--transform",
        "none",
    ]
    assert main(["register", *pair, "--out", str(tmp_path / "out"), *options, "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert np.allclose(report["affine_fixed_to_moving_mm"], pair_3d.truth.affine, atol=1e-6)


def test_one_volume_of_four_dimensions(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images, masks and labels: FILE@N; without it nothing is guessed."""
    for name in ("moving", "moving_labels"):
        one = nibabel.load(inputs / f"{name}.nii.gz")
        data = np.asarray(one.dataobj)
        many = np.stack([np.zeros_like(data), data, np.zeros_like(data)], axis=-1)
        nibabel.save(nibabel.Nifti1Image(many, one.affine), tmp_path / f"{name}.nii.gz")
    (tmp_path / "odd@1").write_text("a name is a name where there is such a file")
    fixed, series, out = str(inputs / "fixed.nii.gz"), str(tmp_path / "moving.nii.gz"), tmp_path
    given = ["register", fixed, series, "--out", str(out), *QUICK]
    says(given, 2, "moving.nii.gz@0 to moving.nii.gz@2", capsys)
    given[2] = f"{series}@3"
    says(given, 2, "no volume 3", capsys)
    given[2] = str(tmp_path / "odd@1")
    says(given, 2, "odd@1", capsys)
    given[2] = f"{series}@1"
    labels = [f"{tmp_path / 'moving_labels.nii.gz'}@1", str(inputs / "fixed_labels.nii.gz")]
    given += ["--moving-labels", labels[0], "--fixed-labels", labels[1]]
    assert main([*given, "--moving-mask", labels[0], "--quiet"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["findings"]["dice"]["after"] > 0.5
    assert main(["apply", str(out), f"{series}@1", "--quiet"]) == 0
    applied = nibabel.load(tmp_path / "moving_1_moved.nii.gz").get_fdata()
    assert np.allclose(applied, nibabel.load(out / "moved.nii.gz").get_fdata(), atol=1e-3)
    given[2:3] = [series, "--moving-volume", "0"]
    says(given, 2, "constant", capsys)


def test_too_large_for_the_memory_is_told_by_the_headers(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    """Exit code 4, with an option that works."""
    from napari_voxelmorph.engine import estimate

    given = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz"), "--out", str(tmp_path)]
    monkeypatch.setattr(estimate, "free_memory", lambda device: 3.22e8)
    monkeypatch.setattr(files, "load", None)  # nothing is read
    says(["register", *given], 4, "--voxel-size 8", capsys)
    monkeypatch.undo()
    assert main(["register", *given, *QUICK, "--voxel-size", "8", "--quiet"]) == 0
    assert nibabel.load(tmp_path / "moved.nii.gz").header.get_zooms() == (8, 8, 8)


def test_a_full_disk_leaves_the_former_result_as_it_was(
    result: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OutputError("“report.png” was not written: the disk is full.")

    def content() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in result.rglob("*") if p.is_file()}

    before = content()
    monkeypatch.setattr("napari_voxelmorph.cli.results.save_report", full)
    pair = [str(inputs / "moving.nii.gz"), str(inputs / "fixed.nii.gz")]
    says(["register", *pair, "--out", str(result), *QUICK], 3, "disk is full", capsys)
    assert content() == before


def test_a_result_replaces_the_former_whole(inputs: Path, tmp_path: Path) -> None:
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    for start in ("header", "centers"):
        assert main(["register", *pair, "--out", str(tmp_path), "--start", start, *QUICK]) == 0
    for file in ("report.json", "session/session.json"):
        assert '"start": "centers"' in (tmp_path / file).read_text()
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"moved.nii.gz", "displacement.nii.gz", "session", "report.json", "report.png"}
