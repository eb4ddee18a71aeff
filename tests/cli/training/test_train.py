"""``train``, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.cli.parser import build_parser
from napari_voxelmorph.cli.training_options import data_config, recipe_names, training_config
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.checkpoints import read_card
from napari_voxelmorph.engine.training.config import DEFAULT, RECIPES
from napari_voxelmorph.engine.training.data.config import DEFAULT as DATA_DEFAULT

QUICK = ["--no-affine", "--multiple", "8", "--precision", "float32", "--test-fraction", "0.2"]


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


# -- what else teaches --------------------------------------------------------------------


def numbers_of(run: Path) -> list[dict[str, float]]:
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["terms"] for line in lines if "terms" in json.loads(line)]


def test_by_known_fields_and_by_landmarks(scans: Path, tmp_path: Path, capfd) -> None:
    from napari_voxelmorph.engine.files.transforms.registry import save_transform
    from napari_voxelmorph.engine.result import Registration

    atlas = files.load(scans / "s0.nii.gz", "image")
    rows = ["image,labels,landmarks,transform,split"]
    for n in range(1, 9):
        scan = files.load(scans / f"s{n}.nii.gz", "image")
        # As the discs were made: shifted along x by 0.3 n about the middle, and stretched.
        matrix = np.diag([1 + 0.02 * n, 1, 1])
        matrix[0, 2] = 14 + 0.3 * n - 14 * matrix[0, 0]
        save_transform(Registration(atlas, scan, matrix), tmp_path / f"t{n}.nii.gz", "itk")
        (tmp_path / f"p{n}.csv").write_text(f"name,x,y\nmiddle,{14 + 0.3 * n},12\n")
        files_of = f"{scans}/s{n}.nii.gz,{scans}/s{n}_seg.nii.gz,p{n}.csv,t{n}.nii.gz"
        rows.append(f"{files_of},{'train' if n < 7 else 'validation'}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    given = ["train", str(tmp_path / "table.csv"), "--steps", "36", "--validate-every", "36"]
    given += ["--no-affine", "--multiple", "8", "--precision", "float32", "--quiet"]
    given += ["--similarity", "none", "--smoothness", "0", "--learning-rate", "0.005"]
    given += ["--warm-up", "1", "--augmentation", "0", "--decay", "constant"]
    field = ["--field-weight", "1", "--atlas", str(scans / "s0.nii.gz")]
    assert main([*given, *field, "--out", str(tmp_path / "known")]) == 0
    terms = numbers_of(tmp_path / "known")
    assert set(terms[0]) == {"known field"}
    losses = [t["known field"] for t in terms]
    assert np.mean(losses[-6:]) < 0.6 * np.mean(losses[:6])
    marks = ["--landmark-weight", "1"]
    assert main([*given, *marks, "--out", str(tmp_path / "marks")]) == 0
    assert set(numbers_of(tmp_path / "marks")[0]) == {"landmarks"}
    # What the scans do not have is said, and not trained without.
    folder = ["train", str(scans), *given[2:], "--out", str(tmp_path / "none")]
    assert main([*folder, "--landmark-weight", "1"]) == 2
    assert "landmarks of one name" in capfd.readouterr().err
    assert main([*folder, "--field-weight", "1"]) == 2
    assert "column “transform” of a table" in capfd.readouterr().err
