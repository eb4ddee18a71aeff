"""``train`` and ``evaluate``, as a user meets them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.cli.parser import build_parser
from napari_voxelmorph.cli.training_options import data_config, recipe_names, training_config
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.checkpoints import read_card
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.training.config import DEFAULT, RECIPES
from napari_voxelmorph.engine.training.data.config import DEFAULT as DATA_DEFAULT

QUICK = ["--no-affine", "--multiple", "8", "--precision", "float32", "--test-fraction", "0.2"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten small pictures of a disc in a disc, with segmentations."""
    folder = tmp_path_factory.mktemp("scans")
    x, y = np.mgrid[:30, :26]
    for n in range(10):
        far = np.hypot((x - 14 - 0.3 * n) / (1 + 0.02 * n), y - 12)
        labels = (far < 9).astype(np.uint8) + (far < 4)
        image = 80 * labels + np.random.default_rng(n).random(labels.shape) * 9
        files.save(Volume(image.astype(np.float32)), folder / f"s{n}.nii.gz")
        files.save(Volume(labels, kind="labels"), folder / f"s{n}_seg.nii.gz")
    return folder


@pytest.fixture(scope="module")
def trained(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    given = ["--steps", "12", "--validate-every", "6", "--quiet", *QUICK]
    assert main(["train", str(scans), "--out", str(folder), *given]) == 0
    return folder


def parse(*arguments: str):
    return build_parser().parse_args(["train", "scans", "--out", "run", *arguments])


# -- options ----------------------------------------------------------------------------


def test_options_are_the_parameters() -> None:
    assert training_config(parse()) == DEFAULT
    assert data_config(parse()) == DATA_DEFAULT
    given = parse("--steps", "7", "--spacing", "2", "--no-affine", "--no-bidirectional")
    assert training_config(given).steps == 7 and not training_config(given).bidirectional
    assert data_config(given).spacing == 2 and not data_config(given).affine
    for typed, name in recipe_names().items():
        assert training_config(parse("--recipe", typed)) == RECIPES[name][0]
    assert data_config(parse("--atlas", "a.nii")).atlas == str(Path("a.nii").resolve())


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert "examples:" in text and f"napari-voxelmorph {command} " in text
    assert "None" not in text


# -- train ------------------------------------------------------------------------------


def test_a_run_leaves_a_model_and_its_history(trained: Path) -> None:
    card = read_card(trained / "best")
    assert {"dice", "dice_before", "ndv"} <= card.scores.keys()
    assert card.space.shape is not None and len(card.profile) == 3
    data = card.training["data"]
    assert data["counts"] == {"train": 6, "validation": 2, "test": 2}
    assert not any(f'"s{n}' in json.dumps(data) for n in range(10))
    lines = (trained / "history.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert max(steps) == 12


def test_progress_and_summary(scans: Path, tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "shelf"))
    given = ["--steps", "4", "--validate-every", "2", *QUICK, "--save-as", "discs"]
    given += ["--licence", "CC0", "--domain", "discs of one kind"]
    assert main(["train", str(scans), "--out", str(tmp_path / "run"), *given]) == 0
    out, err = capfd.readouterr()
    assert "Dice, held-out pairs" in out and '--model "discs"' in out
    assert "Training “velocity” on 6 scans, 2 held out, 2 structures" in err
    assert "Validation at step 4 of 4: loss" in err and "Dice" in err
    card = read_card(tmp_path / "shelf" / "discs")
    assert (card.licence, card.domain) == ("CC0", "discs of one kind")
    # The name is refused before a training, not after it.
    again = ["train", str(scans), "--out", str(tmp_path / "other"), "--save-as", "discs"]
    assert main(again) == 2
    assert "already a model “discs”" in capfd.readouterr().err
    assert not (tmp_path / "other").exists()


def test_interrupted_and_resumed(scans: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "napari_voxelmorph.cli", "train"]
    given = ["--steps", "100000", "--validate-every", "100000", *QUICK]
    process = subprocess.Popen(
        [*command, str(scans), "--out", str(run), *given],
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    history = run / "history.jsonl"
    deadline = time.monotonic() + 120
    while not (history.exists() and history.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Stopped after step" in err and "--resume" in err and "Traceback" not in err
    done = json.loads((run / "last" / "state.json").read_text())["step"]
    assert done >= 1
    # The data need not be named again; the number of steps may change.
    assert main(["train", "--out", str(run), "--resume", "--steps", str(done + 3), "--quiet"]) == 0
    assert read_card(run / "best").training["recipe"]["steps"] == done + 3


def test_fine_tuning_keeps_the_models_space(scans: Path, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = ["--start-from", str(trained / "best"), "--steps", "2", "--spacing", "3", "--quiet"]
    assert main(["train", str(scans), "--out", str(run), *given, *QUICK]) == 0
    assert read_card(run / "best").space == read_card(trained / "best").space


MISTAKES = {
    "DATA is missing": ["--out", "{tmp}/run"],
    "There is no file or folder": ["{tmp}/nowhere", "--out", "{tmp}/run"],
    "is no cohort": ["{scans}/s0.nii.gz", "--out", "{tmp}/run"],
    "holds no image": ["{tmp}", "--out", "{tmp}/run"],
    "no training in": ["--out", "{tmp}/run", "--resume"],
    "There is a training in": ["{scans}", "--out", "{trained}"],
    "steps: expected a whole number": ["{scans}", "--out", "{tmp}/run", "--steps", "0"],
    "spacing: expected a number": ["{scans}", "--out", "{tmp}/run", "--spacing", "-1"],
    "There is no model “x”": ["{scans}", "--out", "{tmp}/run", "--start-from", "x"],
    "No image in": ["{scans}", "--out", "{tmp}/run", "--image-pattern", "*.mgz"],
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_sentences(
    words: str, scans: Path, trained: Path, tmp_path: Path, capfd
) -> None:
    places = {"scans": scans, "trained": trained, "tmp": tmp_path}
    arguments = [a.format(**places) for a in MISTAKES[words]]
    assert main(["train", *arguments]) == 2
    err = capfd.readouterr().err
    assert words in err and "Traceback" not in err


def test_two_processes(scans: Path, tmp_path: Path) -> None:
    """torchrun's own environment: one process speaks, both end well."""
    run = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "napari_voxelmorph.cli", "train", str(scans), "--out", str(run)]
    command += ["--steps", "3", "--validate-every", "3", "--threads", "1", *QUICK]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The training is finished.") == 1
    assert json.loads((run / "training.json").read_text())["pairs_per_step"] == 2


# -- evaluate ---------------------------------------------------------------------------


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
