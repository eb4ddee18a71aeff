"""What the Train dock reads of an earlier run: shown as far as it is whole, or refused in words."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.gui.training.train_progress_section import figures
from napari_voxelmorph.gui.training.train_words import best_in_words
from napari_voxelmorph.gui.training.training_choice import DataChoice, read_choice, write_choice
from napari_voxelmorph.gui.training.training_runs import list_runs, load_run, new_run_folder

from ..fuzzing import fuzz_bytes, fuzz_json

SCORES = {"step": 2, "loss": 0.5, "dice": 0.7, "dice_before": 0.4, "ndv": 0.0, "similarity": 0.3,
          "similarity_before": 0.2, "best": True}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "last").mkdir(parents=True)
    (folder / "training.json").write_text(json.dumps({"config": asdict(TrainingConfig())}))
    lines = [{"step": 1, "loss": 0.9}, {"step": 2, "validation": SCORES}]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "last" / "state.json").write_text('{"step": 2}')
    write_choice(folder, DataChoice("folder", "/scans", DataConfig()))
    return folder


@pytest.mark.parametrize(
    "name", ["training.json", "history.jsonl", "last/state.json", "window.json"]
)
def test_changed_runs(run, name):
    def read():
        list_runs(run.parent)
        read_choice(run)
        loaded = load_run(run)
        best_in_words(loaded.history)
        figures(loaded.history.latest, loaded.history.best)

    fuzz_bytes(run / name, read)
    if name.endswith(".json"):
        fuzz_json(run / name, read)


@pytest.mark.parametrize("config", [{"steps": "many"}, {"stepz": 3}, {"steps": 3, "network": 1}])
def test_a_recipe_that_cannot_be_is_told_in_a_sentence(run, config):
    (run / "training.json").write_text(json.dumps({"config": config}))
    with pytest.raises(FileFormatError, match=r"training\.json|network"):
        load_run(run)


@pytest.mark.parametrize("path", ["/scans/../../evil", "/scans/..", "/", "a/b\\c:d", "é*?"])
def test_names_of_data_cannot_lead_out_of_the_folder(tmp_path, path):
    folder = new_run_folder(DataChoice("table", path), tmp_path)
    assert folder.parent == tmp_path and ".." not in folder.name and "\\" not in folder.name
