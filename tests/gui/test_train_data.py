"""What the Train dock finds and says of scans, and what a run folder remembers.  No window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.samples import PairsInMemory, Sample
from napari_voxelmorph.gui.training.train_words import duration
from napari_voxelmorph.gui.training.training_choice import (
    DataChoice,
    Scan,
    read_choice,
    write_choice,
)
from napari_voxelmorph.gui.training.training_data import left_out, look
from napari_voxelmorph.gui.training.training_layers import belonging
from napari_voxelmorph.gui.training.training_preview import as_pair, grid_affine, registered


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


def test_the_choice_survives_the_run_folder(tmp_path):
    data = DataConfig(atlas="/a/b.nii", affine=False, spacing=2.5, validation_fraction=0.25)
    choice = DataChoice("table", "/x/y.csv", data)
    write_choice(tmp_path, choice)
    assert read_choice(tmp_path) == choice
    (tmp_path / "window.json").write_text('{"source": "table"}')
    assert read_choice(tmp_path) is None and read_choice(tmp_path / "none") is None


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


@pytest.mark.parametrize("code", ["RAS", "LIA", "PSR"])
def test_a_held_out_pair_lies_as_its_space_says(code):
    affine = grid_affine((5, 7, 9), Space((5, 7, 9), 1.5, code))
    assert "".join(nib.aff2axcodes(affine)) == code
    np.testing.assert_allclose(nib.affines.voxel_sizes(affine), 1.5)
    np.testing.assert_allclose(affine @ [2, 3, 4, 1], [0, 0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_preview_is_what_the_network_computes(ndim):
    from napari_voxelmorph.engine.geometry.warp import warp
    from napari_voxelmorph.engine.networks.architecture import PRESETS
    from napari_voxelmorph.engine.networks.field_grid import displacement_of
    from napari_voxelmorph.engine.networks.registry import build

    generator = torch.Generator().manual_seed(0)
    network = build(replace(PRESETS["velocity"], ndim=ndim), generator).eval()
    shape = (16, 32, 16)[:ndim]
    moving, fixed = torch.rand((2, 1, *shape), generator=generator)
    with torch.no_grad():  # first weights hardly move anything; the velocity is linear in the last
        largest = network(moving[None], fixed[None]).abs().max()
        for p in list(network.parameters())[-2:]:
            p.mul_(0.8 / largest)
    sample = Sample(moving, fixed, names=("a", "b"))
    source = PairsInMemory([sample], space=Space(shape, 1.0, "RAS" if ndim == 3 else ""))
    pair = as_pair(sample, source.space)
    found = registered(network, sample, pair)
    with torch.no_grad():
        field = network(moving[None], fixed[None])
        displacement = displacement_of(field, shape, network.architecture)
        expected = warp(moving[None], displacement)[0, 0].numpy()
    assert 0.3 < float(displacement.abs().max()) < 4
    # The window integrates with as many squarings as it takes; inside, borders apart.
    inside = (slice(4, -4),) * ndim
    np.testing.assert_allclose(found.warp(pair.moving)[inside], expected[inside], atol=0.02)
    assert pair.moving.name == "a" and pair.fixed.name == "b"


def test_times_are_told_in_two_figures():
    assert [duration(s) for s in (0.2, 40, 600, 12_000, 80_000, 400_000)] == [
        "1 s", "40 s", "10 min", "3 h 20 min", "22 h", "4.6 days",
    ]  # fmt: skip


def test_runs_are_listed_newest_first_with_what_became_of_them(tmp_path):
    from napari_voxelmorph.gui.training.training_runs import list_runs, new_run_folder

    assert list_runs(tmp_path / "none") == []
    for name, step in (("2026-01-02 03-04-05 cohort", 40), ("2026-01-03 03-04-05 other", 100)):
        last = tmp_path / name / "last"
        last.mkdir(parents=True)
        (tmp_path / name / "training.json").write_text('{"config": {"steps": 100}}')
        (last / "state.json").write_text(f'{{"step": {step}}}')
    (tmp_path / "no run").mkdir()
    runs = list_runs(tmp_path)
    assert [r.finished for r in runs] == [True, False]
    assert runs[0].title == "other · finished · 2026-01-03 03:04"
    assert runs[1].title == "cohort · stopped at step 40 of 100 · 2026-01-02 03:04"
    fresh = new_run_folder(DataChoice("folder", str(Path("/x/my scans!"))), tmp_path)
    assert fresh.parent == tmp_path and fresh.name.endswith(" my-scans") and not fresh.exists()
