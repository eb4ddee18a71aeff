"""The sample pair as files, and what `register` made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.files.landmarks import save_landmarks

from .commands import QUICK


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, pair_3d) -> Path:
    """A folder with the files of the sample pair; do not change it."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("fixed", "moving", "fixed_labels", "moving_labels"):
        files.save(getattr(pair_3d, name), folder / f"{name}.nii.gz")
    for name in ("fixed_landmarks", "moving_landmarks"):
        save_landmarks(getattr(pair_3d, name), folder / f"{name}.csv", pair_3d.landmark_names)
    return folder


@pytest.fixture(scope="session")
def result(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `register` wrote; do not change it."""
    out = tmp_path_factory.mktemp("result") / "new" / "folder"
    given = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz"), "--out", str(out)]
    for role in ("fixed", "moving"):
        given += [f"--{role}-labels", str(inputs / f"{role}_labels.nii.gz")]
        given += [f"--{role}-landmarks", str(inputs / f"{role}_landmarks.csv")]
    assert main(["register", *given, *QUICK]) == 0
    return out
