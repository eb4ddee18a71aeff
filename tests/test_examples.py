"""The examples run, and stay short enough to be read."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_examples_are_short(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) < 31


def main_of(name: str):
    return runpy.run_path(str(FOLDER / f"{name}.py"))["main"]


def test_register_two_images(tmp_path: Path, pair_2d) -> None:
    from napari_voxelmorph.engine import files

    for role in ("fixed", "moving"):
        files.save(getattr(pair_2d, role), tmp_path / f"{role}.nii.gz")
    out = tmp_path / "result"
    main_of("register_two_images")(
        str(tmp_path / "fixed.nii.gz"), str(tmp_path / "moving.nii.gz"), str(out)
    )
    assert {p.name for p in out.iterdir()} == {"moved.nii.gz", "displacement.nii.gz", "session"}


def test_sample_pair() -> None:
    assert main_of("sample_pair")() < 2.0


def test_watch_and_stop() -> None:
    result = main_of("watch_and_stop")()
    assert result.moved.data.shape == result.fixed.shape
