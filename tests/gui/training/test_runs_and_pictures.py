"""What a run folder remembers, and how a held-out pair is shown.  No window."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.samples import PairsInMemory, Sample
from napari_voxelmorph.gui.training import training_preview
from napari_voxelmorph.gui.training.train_words import duration
from napari_voxelmorph.gui.training.training_choice import (
    DataChoice,
    read_choice,
    write_choice,
)
from napari_voxelmorph.gui.training.training_preview import as_pair, grid_affine, registered


def test_the_choice_survives_the_run_folder(tmp_path):
    data = DataConfig(atlas="/a/b.nii", affine=False, spacing=2.5, validation_fraction=0.25)
    choice = DataChoice("table", "/x/y.csv", data)
    write_choice(tmp_path, choice)
    assert read_choice(tmp_path) == choice
    (tmp_path / "window.json").write_text('{"source": "table"}')
    assert read_choice(tmp_path) is None and read_choice(tmp_path / "none") is None


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


def test_the_first_picture_does_not_put_the_second_off(monkeypatch):
    """It compiles the kernels; those that follow may take a tenth of the time."""
    clock = [0.0]

    def slow(*_):
        clock[0] += 30
        return None

    monkeypatch.setattr(training_preview, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(training_preview, "registered", slow)
    wanted = threading.Event()
    wanted.set()
    sample = Sample(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8))
    maker = training_preview.PreviewMaker(PairsInMemory([sample]), wanted)

    def shown(seconds, step):
        clock[0] = seconds
        made = SimpleNamespace(step=step, snapshot=lambda: None)
        return maker.picture(made) is not None

    assert shown(0, 1) and not shown(30.5, 2)
    assert shown(31.5, 3)
    assert not shown(200, 4) and shown(61.5 + 271, 5)
