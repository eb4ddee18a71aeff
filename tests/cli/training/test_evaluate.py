"""``evaluate``, as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.checkpoints import read_card
from napari_voxelmorph.engine.geometry.volume import Volume


def test_the_held_out_scans_are_known_again(scans: Path, trained: Path, tmp_path, capfd) -> None:
    out = tmp_path / "scores"
    assert main(["evaluate", str(trained), str(scans), "--out", str(out), "--no-affine"]) == 0
    text = capfd.readouterr().out
    assert "Dice before" in text and "mean" in text
    report = json.loads((out / "results.json").read_text())
    held_out = set(read_card(trained / "best").training["data"]["splits"]["test"])
    from napari_voxelmorph.engine.training.data.fingerprint import digest

    tested = {digest(scans / f"{row['moving']}.nii.gz") for row in report["pairs"]}
    assert tested == held_out and len(report["pairs"]) == 2
    rows = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    mean = np.mean([float(row["dice"]) for row in rows])
    assert report["mean"]["dice"] == pytest.approx(mean)
    assert 0 < report["mean"]["dice_before"] <= 1 and report["mean"]["seconds"] > 0
    assert not report["failed"] and not report["notes"]


def test_scans_that_were_trained_on_are_told(scans: Path, trained: Path, tmp_path, capfd) -> None:
    (tmp_path / "table.csv").write_text(
        "image,labels,split\n"
        + "".join(f"{scans}/s{n}.nii.gz,{scans}/s{n}_seg.nii.gz,test\n" for n in range(10))
    )
    arguments = [str(trained / "best"), str(tmp_path / "table.csv"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *arguments, "--no-affine", "--pairs", "2"]) == 0
    assert "6 of 10 scans are among those the model was trained on" in capfd.readouterr().err


def test_pairs_that_fail_are_told(scans: Path, trained: Path, tmp_path, capfd) -> None:
    (tmp_path / "bad.nii").write_bytes(b"junk" * 100)
    rows = f"image\n{scans}/s0.nii.gz\n{scans}/s1.nii.gz\nbad.nii\n"
    (tmp_path / "table.csv").write_text(rows)
    arguments = [str(trained), str(tmp_path / "table.csv"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *arguments, "--no-affine", "--split", "all"]) == 0
    assert capfd.readouterr().out.count("Failed: ") == 4
    report = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(report["pairs"]) == 2 and report["mean"]["dice"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "{scans}"], "There is no model"),
        (["{trained}", "{tmp}/gone"], "no file or folder"),
        (["{trained}", "{scans}", "--pairs", "0"], "at least 1"),
        (["{trained}", "{other}"], "holds no scan of the split “test”"),
    ],
)
def test_evaluate_mistakes(arguments, words, scans: Path, trained: Path, tmp_path, capfd) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for n in range(2):
        files.save(Volume(np.random.default_rng(50 + n).random((30, 26))), other / f"o{n}.nii")
    places = {"scans": scans, "trained": trained, "tmp": tmp_path, "other": other}
    given = [a.format(**places) for a in arguments]
    assert main(["evaluate", *given, "--out", str(tmp_path / "out")]) == 2
    assert words in capfd.readouterr().err
