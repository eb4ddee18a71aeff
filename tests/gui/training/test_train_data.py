"""What the Train dock finds and says of scans.  No window."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.gui.training.train_words import readiness
from napari_voxelmorph.gui.training.training_choice import (
    DataChoice,
    Found,
    Scan,
)
from napari_voxelmorph.gui.training.training_data import left_out, look
from napari_voxelmorph.gui.training.training_layers import belonging


@pytest.fixture(autouse=True)
def own_shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "home" / "models"))


def scan(shape, seed):
    rng = np.random.default_rng(seed)
    data = np.zeros(shape, np.float32)
    data[tuple(slice(3, n - 3) for n in shape)] = 0.5 + 0.5 * rng.random([n - 6 for n in shape])
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(4, n // 2) for n in shape)] = 4
    labels[tuple(slice(n // 2, n - 4) for n in shape)] = 17
    return data, labels


@pytest.fixture
def folder(tmp_path):
    """Six scans, five of them with a segmentation, and a file that is none."""
    place = tmp_path / "scans"
    place.mkdir()
    for n in range(6):
        data, labels = scan((18, 20, 16), n)
        affine = np.diag([1.5, 1.5, 1.5, 1])
        nib.save(nib.Nifti1Image(data, affine), place / f"sub{n}.nii.gz")
        if n != 2:
            nib.save(nib.Nifti1Image(labels, affine), place / f"sub{n}_seg.nii.gz")
    (place / "broken.nii.gz").write_bytes(b"no scan")
    return place


def finish(steps):
    """The answer of a generator, and what it yielded."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def test_a_folder_is_told_in_words(folder):
    choice = DataChoice("folder", str(folder), DataConfig(validation_fraction=0.34))
    found, steps = finish(look(choice))
    assert found.problem == ""
    assert found.headline == "6 scans, 5 with segmentations"
    assert found.facts[0].replace("\u00a0", " ") == "3-D, 18 × 20 × 16 voxels of 1.5 mm"
    assert found.facts[1] == "2 structures: 4, 17"
    assert "4 to learn from, 2 held out" in found.facts[2]
    assert [name for name, _ in found.skipped] == ["broken"]
    assert "damaged" in found.skipped[0][1]
    assert found.structures == 2 and all(n % 16 == 0 for n in found.shape)
    assert len(steps) == 7 and any("Small cohort" in w for w in found.warnings)


def test_nothing_held_out_is_warned_of(folder):
    found, _ = finish(look(DataChoice("folder", str(folder), DataConfig(validation_fraction=0.0))))
    assert any("No scan is held out" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (DataChoice("folder", "/nowhere/at/all"), "no folder"),
        (DataChoice("table", "/nowhere/table.csv"), "table.csv"),
        (DataChoice("bids", "/nowhere/bids"), "bids"),
        (DataChoice("layers"), "at least 2"),
    ],
)
def test_what_cannot_be_trained_on_is_said(choice, said):
    found, _ = finish(look(choice))
    assert said in found.problem and not found.shape


def test_an_empty_folder_a_single_scan_and_a_missing_atlas_are_problems(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    assert finish(look(DataChoice("folder", str(tmp_path / "empty"))))[0].problem
    for path in folder.iterdir():
        if not path.name.startswith("sub0"):
            path.unlink()
    found, _ = finish(look(DataChoice("folder", str(folder))))
    assert "at least 2" in found.problem
    atlas = DataConfig(atlas=str(tmp_path / "no_atlas.nii"))
    found, _ = finish(look(DataChoice("folder", str(folder), atlas)))
    assert "no_atlas.nii" in found.problem
    path = folder / "sub0.nii.gz"
    found, _ = finish(look(DataChoice("folder", str(path))))
    assert "is a file" in found.problem


def test_scans_of_layers_need_no_files():
    scans = [Scan(Volume(data, name=f"s{n}"), Volume(seg, kind="labels", name=f"s{n} labels"))
             for n, (data, seg) in enumerate(scan((20, 24), n) for n in range(4))]  # fmt: skip
    found, _ = finish(look(DataChoice("layers", scans=tuple(scans))))
    assert found.headline == "4 scans, all with segmentations" and found.facts[0].startswith("2-D")


def test_notes_are_told_apart():
    skipped, others = left_out(["a is left out: it is 2-D.", "Labels differ."])
    assert skipped == [("a", "it is 2-D.")] and others == ["Labels differ."]


def test_layers_count_as_the_same_by_their_arrays():
    data, _ = scan((12, 12), 0)
    one = DataChoice("layers", scans=(Scan(Volume(data)),))
    assert one.same_as(DataChoice("layers", scans=(Scan(Volume(data)),)))
    assert not one.same_as(DataChoice("layers", scans=(Scan(Volume(data.copy())),)))
    assert not one.same_as(replace(one, data=DataConfig(spacing=2.0))) and not one.same_as(None)


class Named:
    def __init__(self, name):
        self.name = name


def test_segmentations_of_layers_are_found_by_name_or_else_one_by_one():
    images = [Named("scan_01"), Named("scan_02")]
    labels = [Named("scan_02 labels"), Named("scan_01 labels")]
    assert belonging(images, labels) == labels[::-1]
    assert belonging(images, labels[:1]) == [None, labels[0]]
    paints = [Named("left"), Named("right")]
    assert belonging(images, paints) == paints
    assert belonging(images, paints[:1]) == [None, None]


@pytest.mark.parametrize(
    ("recipe", "found", "said"),
    [
        ({"segmentation_weight": 1.0}, {}, "The recipe needs segmentations"),
        ({"landmark_weight": 1.0}, {"structures": 2}, "The recipe needs landmarks"),
        ({"field_weight": 1.0}, {"landmarks": True}, "Known fields need an atlas"),
        ({"landmark_weight": 1.0, "field_weight": 1.0}, {"landmarks": True, "transforms": True},
         "Start training"),
    ],
)  # fmt: skip
def test_what_the_recipe_needs_is_said_on_the_button(recipe, found, said):
    ready = readiness("", False, Found(shape=(16, 16), **found), None, TrainingConfig(**recipe))
    assert ready.text.startswith(said) and ready.enabled == (said == "Start training")


def test_a_model_for_other_scans_is_warned_of(tmp_path, folder):
    from napari_voxelmorph.engine.checkpoints import save_model
    from napari_voxelmorph.engine.model_card import ModelCard
    from napari_voxelmorph.engine.networks.architecture import PRESETS
    from napari_voxelmorph.engine.networks.registry import build

    shelf = tmp_path / "home" / "models"
    shelf.mkdir(parents=True)
    for name, ndim, shape in (("large", 3, (160, 192, 160)), ("flat", 2, (64, 64))):
        architecture = replace(PRESETS["velocity"], ndim=ndim)
        network = build(architecture, torch.Generator().manual_seed(0))
        card = ModelCard(name, architecture, Space(shape, 1.5), profile=(0.1, 0.2, 0.3))
        save_model(network, card, shelf / name)
    choice = DataChoice("folder", str(folder))
    found, _ = finish(look(choice, "large"))
    assert found.shape == (160, 192, 160) and "as “large” was trained" in found.facts[-1]
    words = " ".join(found.warnings)
    assert "most of its work would be lost" in words and "another contrast" in words
    assert "registers 2-D images, and the scans are 3-D" in finish(look(choice, "flat"))[0].problem
    assert "There is no model “gone”" in finish(look(choice, "gone"))[0].problem


def test_landmarks_and_attributes_of_a_table_are_told(folder):
    rows = ["image,landmarks,age"]
    for n in range(6):
        rows.append(f"sub{n}.nii.gz,{f'p{n}.csv' if n < 4 else ''},{30 + n}")
        (folder / f"p{n}.csv").write_text(f"name,x,y,z\ntip,{n},2,3\n")
    (folder / "table.csv").write_text("\n".join(rows))
    found, _ = finish(look(DataChoice("table", str(folder / "table.csv"))))
    assert "4 with landmarks, 6 with attributes" in found.facts
    assert found.landmarks and not found.transforms
