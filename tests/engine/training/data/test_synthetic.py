"""The source of synthetic pairs: numbers decide, maps are kept apart, and it trains."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.checkpoints import save_model
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import PRESETS as NETWORKS
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.synthesis.anatomy_maps import find_maps, load_anatomy
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.synthetic import (
    PRESETS,
    SyntheticConfig,
    SyntheticSource,
    synthetic_source,
)
from napari_voxelmorph.engine.training.loop import train

SMALL_2D = replace(PRESETS["any-2d"], shape=(48, 56), labels=6, validation=2, ramp=10)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small heads of nested ellipsoids, off-centre, as NIfTI files with FreeSurfer ids."""
    folder = tmp_path_factory.mktemp("maps")
    for k, size in enumerate((1.0, 1.1, 0.9)):
        at = np.indices((60, 70, 66)).reshape(3, -1).T - np.array([30 + k, 36, 33 - k])
        radius = np.linalg.norm(at / (np.array([22, 28, 24]) * size), axis=1).reshape(60, 70, 66)
        ids = np.zeros(radius.shape, np.int16)
        for limit, i in ((1.2, 507), (1.0, 24), (0.9, 3), (0.75, 2), (0.3, 4), (0.15, 10)):
            ids[radius < limit] = i
        right = ids[30 + k :]
        for left, twin in ((3, 42), (2, 41), (4, 43), (10, 49)):
            right[right == left] = twin
        affine = np.diag([3.0, 3.0, 3.0, 1.0])
        affine[:3, 3] = (-90 + 10 * k, -100, -80)
        nibabel.save(nibabel.Nifti1Image(ids, affine), folder / f"head_{k}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def heads(maps: Path) -> SyntheticSource:
    config = SyntheticConfig(shape=(40, 48, 56), spacing=4.0, maps=str(maps), held_out=1)
    return SyntheticSource(config)


@pytest.fixture(scope="module")
def shapes() -> SyntheticSource:
    return SyntheticSource(SMALL_2D)


@pytest.mark.parametrize("name", ["heads", "shapes"])
def test_the_number_decides(name: str, request: pytest.FixtureRequest) -> None:
    source: SyntheticSource = request.getfixturevalue(name)
    again = SyntheticSource(source.config)
    # Another order: what was drawn before does not matter.
    later, first = again.draw(40), again.draw(3)
    assert torch.equal(source.draw(3).moving, first.moving)
    assert torch.equal(source.draw(40).fixed, later.fixed)
    assert torch.equal(source.validation(1).fixed, again.validation(1).fixed)
    assert not torch.equal(first.moving, later.moving)
    assert not torch.equal(source.draw(0).moving, source.validation(0).moving)
    other = SyntheticSource(replace(source.config, seed=1))
    assert not torch.equal(other.draw(3).moving, first.moving)


@pytest.mark.parametrize("name", ["heads", "shapes"])
def test_samples_are_what_a_training_expects(name: str, request: pytest.FixtureRequest) -> None:
    source: SyntheticSource = request.getfixturevalue(name)
    for sample in (source.draw(7), source.validation(0)):
        for image, labels in (
            (sample.moving, sample.moving_labels),
            (sample.fixed, sample.fixed_labels),
        ):
            assert image.shape == (1, *source.shape) and image.dtype == torch.float32
            assert labels is not None
            assert labels.shape == source.shape and labels.dtype == torch.int16
            assert labels.min() >= 0 and labels.max() <= len(source.labels)
            assert torch.isfinite(image).all() and image.min() >= 0 and image.max() <= 1.5
    described = json.loads(json.dumps(dict(source.description)))
    assert described == source.description


def test_validation_sees_other_people(heads: SyntheticSource) -> None:
    trained = {name for n in range(30) for name in heads.draw(n).names}
    held = {name for n in range(4) for name in heads.validation(n).names}
    assert trained <= {"head_0", "head_1"} and held == {"head_2"}


def test_new_noise_maps_come_and_old_ones_go(shapes: SyntheticSource) -> None:
    early = {shapes.draw(n).names[0] for n in range(12)}
    late = {shapes.draw(n).names[0] for n in range(1000, 1012)}
    assert len(early) > 2 and not early & late


def test_difficulty_rises_and_stays() -> None:
    source = SyntheticSource(replace(SMALL_2D, easiest=0.2, hardest=0.6, ramp=100))
    assert [source.difficulty(n) for n in (0, 50, 100, 900)] == pytest.approx([0.2, 0.4, 0.6, 0.6])
    assert SyntheticSource(replace(SMALL_2D, ramp=0)).difficulty(0) == 1.0


def test_maps_are_aligned_and_kept(maps: Path, tmp_path: Path) -> None:
    first = load_anatomy(find_maps(maps), 2.0, tmp_path)
    (kept,) = tmp_path.iterdir()
    again = load_anatomy(find_maps(maps), 2.0, tmp_path)
    assert kept.name.startswith("maps_") and first.names == again.names
    for one, two in zip(first.data, again.data, strict=True):
        assert np.array_equal(one, two)
    # Of different size and place, and now they overlap.
    brains = [np.isin(d, [first.table.ids.index(i) for i in (2, 41)]) for d in first.data]
    for other in brains[1:]:
        assert 2 * (brains[0] & other).sum() / (brains[0].sum() + other.sum()) > 0.9
    # Left comes second along the first axis, up comes first along the second.
    left = np.argwhere(np.isin(first.data[0], first.table.ids.index(2))).mean(0)
    right = np.argwhere(np.isin(first.data[0], first.table.ids.index(41))).mean(0)
    assert left[0] > right[0] + 5
    assert np.abs((left + right)[1:] / 2 - (np.array(first.data[0].shape[1:]) - 1) / 2).max() < 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (4, 40)}, "8 to 1024 voxels"),
        ({"kind": "anatomy", "maps": "/nowhere"}, "three axes"),
        ({"kind": "anatomy", "shape": (40, 40, 40), "maps": "/nowhere"}, "label maps"),
        ({"kind": "anatomy", "shape": (400, 400, 400), "maps": "/nowhere"}, "at most"),
    ],
)
def test_what_cannot_be_is_said(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SyntheticSource(replace(SMALL_2D, **change))  # type: ignore[arg-type]


def test_unknown_names_are_said(maps: Path) -> None:
    with pytest.raises(InputError, match="brain-3d"):
        synthetic_source("liver")
    with pytest.raises(InputError, match="colour"):
        synthetic_source("any-2d", colour=3)
    with pytest.raises(InputError, match="held out"):
        synthetic_source("brain-3d", str(maps), held_out=3)


def test_maps_without_a_brain_are_refused(tmp_path: Path) -> None:
    for k in range(2):
        image = nibabel.Nifti1Image(np.ones((9, 9, 9), np.int16), np.eye(4))
        nibabel.save(image, tmp_path / f"{k}.nii.gz")
    with pytest.raises(InputError, match="no cerebrum"):
        load_anatomy(find_maps(tmp_path))


def test_it_trains(tmp_path: Path) -> None:
    """Overlap of the shapes rises: the pairs, their labels and the loop agree."""
    source = SyntheticSource(replace(SMALL_2D, shape=(32, 32), hardest=0.0, validation=0))
    network = build(replace(NETWORKS["velocity"], ndim=2), torch.Generator().manual_seed(0), 0.02)
    start = tmp_path / "start"
    save_model(network, ModelCard("start", network.architecture, source.space), start)
    config = TrainingConfig(
        similarity="none", segmentation_weight=1.0, smoothness=0.0, steps=60, batch=4,
        learning_rate=3e-3, warm_up=5, augmentation=0.0, validate_every=60, precision="float32",
        decay="constant", bidirectional=False, start_from=str(start),
    )  # fmt: skip
    steps = [step for step in train(source, config, tmp_path / "run") if step.terms]
    missing = [step.terms["segmentations"] for step in steps]
    assert np.mean(missing[-20:]) < np.mean(missing[:20]) - 0.015
