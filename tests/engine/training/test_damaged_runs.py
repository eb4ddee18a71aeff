"""Damaged run folders: resumed or shown as far as they are whole, or refused in a sentence."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.training import run_folder
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.loop import train
from napari_voxelmorph.engine.training.state import fresh, resume_state

from ...fuzzing import fuzz_bytes, fuzz_json


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run of a small network, with everything that a run folder holds."""
    from .conftest import QUICK, make_source

    folder = tmp_path_factory.mktemp("runs") / "run"
    config = TrainingConfig(**{**asdict(QUICK), "steps": 4, "validate_every": 2})
    for _ in train(make_source(), config, folder):
        pass
    return folder


@pytest.mark.parametrize("name", ["training.json", "history.jsonl"])
def test_changed_records(run, name):
    whole = (run / "history.jsonl").read_bytes()

    def read():
        changed = (run / "history.jsonl").read_bytes()
        run_folder.read_record(run)
        run_folder.curves(run)
        run_folder.History(run, 2)  # which writes the history anew
        (run / "history.jsonl").write_bytes(changed)

    fuzz_bytes(run / name, read)
    if name.endswith(".json"):
        fuzz_json(run / name, read)
    assert (run / "history.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    [
        '{"step": true, "loss": 1}',
        '{"step": -3, "loss": 1}',
        '{"step": %s, "loss": 1}' % ("9" * 400),
        '{"step": 3, "loss": %s}' % ("9" * 400),
        '{"step": 3, "validation": 7}',
        '{"step": 3, "validation": {"dice": "x"}}',
        '{"step": 3, "loss": 1e999}',
        '{"step": 3, "loss": "low"}',
        "[" * 100_000,
    ],
)
def test_lines_that_no_training_wrote(tmp_path, line):
    (tmp_path / "history.jsonl").write_text('{"step": 1, "loss": 0.5}\n' + line + "\n")
    assert run_folder.curves(tmp_path) == {"loss": [[1, 0.5]]}
    assert run_folder.read_history(tmp_path)[0] == {"step": 1, "loss": 0.5}


@pytest.mark.parametrize(
    "name", ["state.json", "optimizer.safetensors", "model.json", "weights.safetensors"]
)
def test_changed_checkpoints(run, name):
    from napari_voxelmorph.engine.checkpoints import read_card

    architecture = read_card(run / "last").architecture

    def read():
        network = build(architecture, torch.Generator())
        resume_state(fresh(network, TrainingConfig()), run)

    fuzz_bytes(run / "last" / name, read, 40)


def test_changed_prepared_scans(tmp_path):
    """What is damaged is not found, and made again."""
    store = Store(tmp_path)
    store.keep("key", {"a": 1}, {"image": np.zeros((3, 4), np.float32)})

    def read():
        store.values("key")
        found = store.array("key", "image", (3, 4))
        assert found is None or found.shape == (3, 4)

    fuzz_bytes(tmp_path / "key.image.npy", read)
    fuzz_bytes(tmp_path / "key.json", read)
