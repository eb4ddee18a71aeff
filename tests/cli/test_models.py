"""``models`` and ``register --model`` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_voxelmorph import save
from napari_voxelmorph.cli import main
from napari_voxelmorph.engine.checkpoints import INDEX, save_model
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space


def tiny(folder: Path, ndim: int = 2) -> Path:
    """A small random network whose field is about a voxel."""
    architecture = Architecture(ndim=ndim, encoder=(2, 2), decoder=((2,), (2,)))
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, generator)
    torch.nn.init.normal_(network.field.weight, 0.0, 0.1, generator)
    card = ModelCard(folder.name, architecture, Space(None, None), "For tests", "noise", "CC0-1.0",
                     scores={"dice": 0.5})  # fmt: skip
    save_model(network, card, folder)
    return folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "shelf"))
    return tiny(tmp_path / "tiny")


def run(capsys: Any, *words: Any) -> tuple[int, str, str]:
    code = main(["models", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def listed(capsys: Any) -> list[dict[str, Any]]:
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    return [m for m in json.loads(out) if m["own"]]


def test_from_an_empty_shelf_to_an_empty_shelf(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_voxelmorph.engine.shelf.package_folders", list)
    code, out, _ = run(capsys, "list")
    assert code == 0 and "models import" in out
    code, out, _ = run(capsys, "import", model, "--name", "my model")
    assert code == 0 and "--model 'my model'" in out
    code, out, _ = run(capsys, "list")
    assert out.splitlines()[0].split() == ["NAME", "SPACE", "SCORE", "SIZE", "LICENCE", "HASH",
                                           "TRAINED", "ON"]  # fmt: skip
    assert "my model" in out and "Dice 0.500" in out and "CC0-1.0" in out and "noise" in out
    code, out, _ = run(capsys, "show", "my model")
    assert code == 0 and "SHA-256" in out and "velocity (invertible)" in out
    code, out, _ = run(capsys, "show", "my model", "--json")
    shown = json.loads(out)
    assert shown["architecture"]["ndim"] == 2 and len(shown["sha256"]) == 64
    target = tmp_path / "sent.zip"
    assert run(capsys, "export", "my model", "--out", target)[0] == 0
    code, _, err = run(capsys, "export", "my model", "--out", target)
    assert code == 2 and "--force" in err
    assert run(capsys, "export", "my model", "--out", target, "--force")[0] == 0
    code, out, _ = run(capsys, "import", target, "--json")
    assert json.loads(out)[0]["sha256"] == shown["sha256"]
    assert run(capsys, "rename", "sent", "second")[0] == 0
    assert [m["name"] for m in listed(capsys)] == ["my model", "second"]
    code, _, err = run(capsys, "remove", "second")
    assert code == 2 and "--yes" in err and len(listed(capsys)) == 2
    code, out, _ = run(capsys, "remove", "second", "--yes", "--json")
    (trash,) = [json.loads(out)["path"]]
    assert [m["name"] for m in listed(capsys)] == ["my model"]
    assert run(capsys, "import", trash, "--name", "back")[0] == 0
    assert [m["name"] for m in listed(capsys)] == ["back", "my model"]


def test_what_cannot_be_done_is_said_in_a_sentence(model, tmp_path, capsys):
    run(capsys, "import", model)
    (tmp_path / "x.zip").write_bytes(b"nonsense")
    for words, said in (
        (("show", "absent"), "no model “absent”"),
        (("import", tmp_path / "absent"), "no file"),
        (("import", tmp_path / "x.zip"), "x.zip"),
        (("import", model, "--name", "a/b"), "cannot be a model's name"),
        (("import", model, model, "--name", "one"), "--name is for one"),
        (("rename", "tiny", ".."), "cannot be a model's name"),
    ):
        code, _, err = run(capsys, *words)
        assert code == 2 and said in err and "Traceback" not in err
    assert run(capsys, "export", "tiny", "--out", tmp_path / "no" / "x.zip")[0] == 3
    with pytest.raises(SystemExit):
        main(["models"])


def test_a_damaged_model_is_listed_as_damaged(model, tmp_path, capsys):
    run(capsys, "import", model)
    (tmp_path / "shelf" / "tiny" / INDEX).write_text("{}")
    code, out, _ = run(capsys, "list")
    assert code == 0 and "damaged" in out
    (damaged,) = listed(capsys)
    assert "not written by" in damaged["problem"] and "sha256" not in damaged
    code, out, _ = run(capsys, "show", "tiny")
    assert code == 0 and "Damaged" in out
    assert run(capsys, "remove", "tiny", "--yes")[0] == 0


def test_register_with_a_model(model, tmp_path, capsys, pair_2d):
    run(capsys, "import", model)
    scans = [tmp_path / "fixed.nii.gz", tmp_path / "moving.nii.gz"]
    for path, volume in zip(scans, (pair_2d.fixed, pair_2d.moving), strict=True):
        save(volume, path)
    command = ["register", *map(str, scans), "--model", "tiny", "--refine-iterations", "0,3,2"]
    reports = []
    for name, more in (("refined", []), ("alone", ["--no-refine"])):
        assert main([*command, "--out", str(tmp_path / name), *more]) == 0
        reports.append(json.loads((tmp_path / name / "report.json").read_text()))
        told = capsys.readouterr()
        assert "Network (one pass)" in told.err and ("Refining" in told.err) == (not more)
    refined, alone = reports
    assert refined["config"]["refine"] and not alone["config"]["refine"]
    assert refined["provenance"]["model"]["name"] == "tiny"
    assert (
        "refinement" in refined["timings_seconds"] and "refinement" not in alone["timings_seconds"]
    )
    assert main([*command, "--model", "absent", "--out", str(tmp_path / "x")]) == 2
    assert "no model “absent”" in capsys.readouterr().err
    assert main([*command, "--transform", "none", "--out", str(tmp_path / "x")]) == 2
    assert "deforms" in capsys.readouterr().err
    tiny(tmp_path / "shelf" / "solid", ndim=3)
    assert main([*command, "--model", "solid", "--out", str(tmp_path / "x")]) == 2
    assert "Models that fit: tiny" in capsys.readouterr().err
