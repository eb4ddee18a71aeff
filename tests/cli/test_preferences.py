"""`napari-voxelmorph preferences`: show, set, reset; and all commands follow."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine.preferences import Preferences, current

from .commands import says


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of this test alone."""
    path = tmp_path / "preferences.json"
    monkeypatch.setenv("NAPARI_VOXELMORPH_PREFERENCES", str(path))
    monkeypatch.delenv("NAPARI_VOXELMORPH_MODELS", raising=False)
    return path


def test_shown_as_they_are_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preferences"]) == 0
    out = capsys.readouterr().out
    assert "all that is free" in out and "radiological" in out and str(place) in out
    assert not place.exists()  # looking changes nothing
    assert main(["preferences", "--memory-gb", "8", "--threads", "4", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "Memory at most (GB)   8\n" in out and "CPU threads           4\n" in out
    assert current() == Preferences(device="cpu", memory_gb=8.0, threads=4)
    assert main(["preferences", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["preferences"]["threads"] == 4 and told["file"] == str(place)


def test_reset_comes_before_what_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preferences", "--memory-gb", "8", "--threads", "4"]) == 0
    assert main(["preferences", "--reset", "--threads", "2"]) == 0
    assert current() == Preferences(threads=2)


def test_a_folder_means_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["preferences", "--models-folder", "shelf"]) == 0
    assert current().models_folder == str(tmp_path / "shelf")
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", "elsewhere")
    assert main(["preferences"]) == 0
    assert "NAPARI_VOXELMORPH_MODELS is set, and goes first" in capsys.readouterr().out
    assert main(["preferences", "--models-folder", ""]) == 0
    assert current() == Preferences()


def test_what_cannot_be_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    says(["preferences", "--threads", "999"], 2, "CPU threads: expected", capsys)
    says(["preferences", "--device", "abacus"], 2, "abacus", capsys)
    assert current() == Preferences()


def test_a_damaged_file_is_told_by_every_command(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write_text("{", encoding="utf-8")
    assert main(["models", "list"]) == 0
    assert "Note: The preferences" in capsys.readouterr().err
    assert main(["preferences", "--reset"]) == 0
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().err == ""


def test_a_run_keeps_to_the_memory_and_the_device(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["register", str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    given += ["--out", str(tmp_path / "out")]
    assert main(["preferences", "--memory-gb", "0.1"]) == 0
    says(given, 4, "that the preferences allow", capsys)
    assert main(["preferences", "--reset", "--device", "cuda:99"]) == 0
    says(given, 2, "preferences ask for the device “cuda:99”", capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_letters_that_the_terminal_does_not_have(
    encoding: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose name is no text, or a λ on an old terminal, is shown by its code."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    assert main(["preferences", "--models-folder", "/data/λ\udcff"]) == 0
    assert current().models_folder.endswith("λ\udcff")
    sys.stdout.flush()
    assert rb"\udcff" in written.getvalue()
