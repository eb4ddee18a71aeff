"""`register` with landmarks that take part: told in the report and the summary, refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_voxelmorph.cli import main

from .commands import QUICK


def given(inputs: Path, out: Path) -> list[str]:
    return [
        "register",
        str(inputs / "fixed.nii.gz"),
        str(inputs / "moving.nii.gz"),
        "--out",
        str(out),
    ]


def test_landmarks_take_part_and_the_report_says_so(
    inputs: Path, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [f"--{r}-landmarks={inputs / f'{r}_landmarks.csv'}" for r in ("fixed", "moving")]
    use = ["--landmark-weight", "10", "--start", "landmarks"]
    assert main([*given(inputs, tmp_path / "out"), *points, *QUICK, *use]) == 0
    told = capsys.readouterr().out
    assert "points used" in told
    report, plain = (
        json.loads((p / "report.json").read_text()) for p in (tmp_path / "out", result)
    )
    assert report["findings"]["landmarks_used"] and not plain["findings"]["landmarks_used"]
    assert len(report["provenance"]["landmarks"]["fixed"]) == len(
        report["findings"]["landmark_errors_mm"]
    )
    assert "landmarks" not in plain["provenance"]
    error, without = (r["findings"]["landmark_error_mm"] for r in (report, plain))
    assert error["after"] < 0.6 * without["after"]
    # Before is how the headers lay, not what the landmarks made of it.
    assert error["before"] == pytest.approx(without["before"], rel=0.5) and error["before"] > 5


@pytest.mark.parametrize("use", [["--landmark-weight", "1"], ["--start", "landmarks"]])
def test_missing_landmarks_are_asked_for(
    inputs: Path, tmp_path: Path, use: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given(inputs, tmp_path / "out"), *use]) != 0
    assert "no landmarks were given" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
