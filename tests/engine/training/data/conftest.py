"""Small cohorts on disk, with a known content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.opening import open_cohort
from napari_voxelmorph.engine.training.data.prepare import prepare

STILL = DataConfig(affine=False)


def make_blob(shape=(20, 24, 18), shift=0.0, size=6.0, spacing=1.0, seed=0):
    """A bright ellipsoid with an inner part (labels 1 and 2), a little noise."""
    middle = [(n - 1) / 2 + shift for n in shape]
    grid = np.meshgrid(*map(np.arange, shape), indexing="ij")
    radii = [size * (1 + 0.2 * a) for a in range(len(shape))]
    far = sum(((g - m) / r) ** 2 for g, m, r in zip(grid, middle, radii, strict=True))
    labels = (far < 1).astype(np.uint8) + (far < 0.3)
    noise = np.random.default_rng(seed).random(shape)
    affine = np.diag([*[spacing] * len(shape), 1.0])
    image = (100 * labels + 5 * noise).astype(np.float32)
    return Volume(image, affine, name="blob"), Volume(labels, affine, "labels", "blob labels")


def end_of(steps):
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture
def blob():
    return make_blob


@pytest.fixture
def finished():
    return end_of


@pytest.fixture
def write_cohort(tmp_path: Path):
    """Files subject_0.nii.gz, subject_0_seg.nii.gz, ... in the folder `scans`."""

    def write(count=6, **options) -> Path:
        folder = tmp_path / "scans"
        folder.mkdir(exist_ok=True)
        for n in range(count):
            image, labels = make_blob(shift=0.5 * n - 1, size=5 + 0.3 * n, seed=n, **options)
            files.save(image, folder / f"subject_{n}.nii.gz")
            files.save(labels, folder / f"subject_{n}_seg.nii.gz")
        return folder

    return write


@pytest.fixture
def prepared(write_cohort, tmp_path: Path):
    """Six scans, not aligned, two of them held out."""
    cohort = open_cohort(write_cohort())
    return end_of(prepare(cohort, tmp_path / "prepared", STILL))


@pytest.fixture
def ready(tmp_path: Path):
    """Prepare what is in the folder `scans`."""

    def work(config=STILL, **options):
        steps = prepare(open_cohort(tmp_path / "scans"), tmp_path / "kept", config, **options)
        return end_of(steps)

    return work


@pytest.fixture
def arrays():
    """Image and labels of a prepared scan, as they are kept."""

    def read(prepared, item):
        shape = prepared.space.shape
        image = prepared.store.array(item.key, "image", shape)
        labels = prepared.store.array(item.key, "labels", shape) if item.ids else None
        return image, labels

    return read
