"""Small cohorts on disk, with a known content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.training.data.prepare import prepare


def blob(shape=(20, 24, 18), shift=0.0, size=6.0, spacing=1.0, seed=0):
    """A bright ellipsoid with an inner part (labels 1 and 2), a little noise."""
    middle = [(n - 1) / 2 + shift for n in shape]
    grid = np.meshgrid(*map(np.arange, shape), indexing="ij")
    far = sum(
        ((g - m) / (size * (1 + 0.2 * a))) ** 2
        for a, (g, m) in enumerate(zip(grid, middle, strict=True))
    )
    labels = (far < 1).astype(np.uint8) + (far < 0.3)
    noise = np.random.default_rng(seed).random(shape)
    affine = np.diag([*[spacing] * len(shape), 1.0])
    image = (100 * labels + 5 * noise).astype(np.float32)
    return Volume(image, affine, name="blob"), Volume(labels, affine, "labels", "blob labels")


def write_cohort(folder: Path, count=6, labels=True, **options) -> Path:
    """Files subject_0.nii.gz, subject_0_seg.nii.gz, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        image, segmentation = blob(shift=0.5 * n - 1, size=5 + 0.3 * n, seed=n, **options)
        files.save(image, folder / f"subject_{n}.nii.gz")
        if labels:
            files.save(segmentation, folder / f"subject_{n}_seg.nii.gz")
    return folder


def run(steps):
    """The end of a generator, and all it told on the way."""
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as finished:
            return finished.value, told


@pytest.fixture
def cohort_folder(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "scans")


@pytest.fixture
def prepared(cohort_folder: Path, tmp_path: Path):
    """Six scans, not aligned, one of them held out for nothing."""
    from napari_voxelmorph.engine.training.data.config import DataConfig
    from napari_voxelmorph.engine.training.data.opening import open_cohort

    steps = prepare(open_cohort(cohort_folder), tmp_path / "prepared", DataConfig(affine=False))
    return run(steps)[0]
