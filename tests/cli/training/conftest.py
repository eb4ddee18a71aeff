"""Ten small pictures, and a short training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.geometry.volume import Volume

QUICK = ["--no-affine", "--multiple", "8", "--precision", "float32", "--test-fraction", "0.2"]


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def trained(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    given = ["--steps", "12", "--validate-every", "6", "--quiet", *QUICK]
    assert main(["train", str(scans), "--out", str(folder), *given]) == 0
    return folder


@pytest.fixture
def quick() -> list[str]:
    """Options of a training for a test."""
    return QUICK
