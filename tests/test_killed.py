"""A process that is killed at any moment leaves files of before or of after, never half a file."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.checkpoints import INDEX, WEIGHTS, load_model, save_model
from napari_voxelmorph.engine.files import load, load_displacement, load_session
from napari_voxelmorph.engine.files.landmarks import load_landmarks
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.review.kept import kept_findings
from napari_voxelmorph.engine.review.verdicts import Verdicts
from napari_voxelmorph.engine.shelf import shelf
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.run_folder import read_history
from napari_voxelmorph.engine.training.state import fresh, resume_state

from .writers import TINY, network_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
KILLS = int(os.environ.get("NAPARI_VOXELMORPH_KILLS", "8"))


@pytest.fixture(scope="module")
def parent() -> Iterator[subprocess.Popen[str]]:
    """The process that forks the writers."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("writers.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    ) as process:  # fmt: skip
        yield process
        process.terminate()


def kill_one(parent: subprocess.Popen[str], name: str, folder: Path, moment: random.Random) -> int:
    """Start a writer, kill it after its first file; returns the number it said last."""
    assert parent.stdin is not None and parent.stdout is not None
    print(json.dumps([name, str(folder)]), file=parent.stdin, flush=True)
    pid, said = 0, -1
    while not pid or said < 0:
        line = parent.stdout.readline()
        assert line and line != "dead\n", "the writer ended by itself"
        if line.startswith("pid"):
            pid = int(line.split()[1])
        else:
            said = int(line)
    time.sleep(moment.uniform(0, 0.04))
    os.kill(pid, signal.SIGKILL)
    while (line := parent.stdout.readline()) != "dead\n":
        said = int(line)
    return said


def check_verdicts(folder: Path, said: int) -> None:
    found = Verdicts(folder, "Ann")
    assert found.answered(map(str, range(said + 1))) == said + 1  # nothing that was kept is lost
    found.give("after", "reject")
    assert Verdicts(folder, "Ann").answered(["after"]) == 1


def check_findings(folder: Path, said: int) -> None:
    found = kept_findings(folder, "case")
    assert found is not None and len(found.structures) == 3
    assert all(len(s.picture) == 9000 and len(set(s.picture)) == 1 for s in found.structures)


def check_checkpoints(folder: Path, said: int) -> None:
    for name in ("last", "best"):
        load_model(folder / name)
    state = resume_state(fresh(network_of(7), TrainingConfig(average=0.0)), folder)
    assert state.step >= said
    same = [network_of(state.step % 2).state_dict()[k].equal(v)
            for k, v in state.network.state_dict().items()]  # fmt: skip
    assert all(same)
    assert [r["step"] for r in read_history(folder)][: said + 1] == list(range(said + 1))
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]  # resuming tidies up


def check_models(folder: Path, said: int) -> None:
    for entry in shelf(packaged=[], user=folder):
        assert not entry.problem
        load_model(entry.folder)


def check_results(folder: Path, said: int) -> None:
    load(folder / "moved.nii.gz")
    load_displacement(folder / "displacement.nii.gz")
    load_session(folder / "session")
    json.loads((folder / "report.json").read_text(encoding="utf-8"))


def check_images(folder: Path, said: int) -> None:
    data = load(folder / "image.nii.gz").data
    assert data.size == data.shape[0] ** 3 and data.min() == data.max()
    load_landmarks(folder / "points.csv", 3)


CHECKS: dict[str, Callable[[Path, int], None]] = {
    "verdicts": check_verdicts, "findings": check_findings, "checkpoints": check_checkpoints,
    "models": check_models, "images": check_images,
}  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A model as a zip file."""
    save_model(network_of(0), ModelCard("tiny", TINY), tmp_path / "m")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as pack:
        for file in (INDEX, WEIGHTS):
            pack.write(tmp_path / "m" / file, f"m/{file}")
    return tmp_path


@pytest.mark.parametrize("name", CHECKS)
def test_killed_while_it_writes(name: str, parent: Any, prepared: Path) -> None:
    moment = random.Random(name)
    for n in range(KILLS):
        folder = prepared / f"{name} {n}"
        said = kill_one(parent, name, folder, moment)
        CHECKS[name](folder, said)


def test_killed_while_results_are_written(parent: Any, tmp_path: Path, pair_2d: Any) -> None:
    """`register --out` into a folder that holds another result."""
    from napari_voxelmorph.cli.results import Pair, write_results
    from napari_voxelmorph.engine.result import Registration

    for name, shift in (("result 1", 1.0), ("result 2", 2.0)):
        (tmp_path / name).mkdir()
        affine = np.eye(3)
        affine[0, 2] = shift
        result = Registration(pair_2d.fixed, pair_2d.moving, affine)
        write_results(result, Pair(pair_2d.fixed, pair_2d.moving), tmp_path / name, [])
    moment = random.Random(0)
    for _ in range(2 * KILLS):
        check_results(tmp_path / "out", kill_one(parent, "results", tmp_path / "out", moment))


def test_where_folders_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems give the folder its new name in two steps."""
    folder = tmp_path / "model"
    save_model(network_of(0), ModelCard("old", TINY), folder)
    monkeypatch.setattr("napari_voxelmorph.engine.files.writing.exchange", lambda *_: False)
    save_model(network_of(1), ModelCard("new", TINY), folder)
    assert load_model(folder)[1].name == "new" and [p.name for p in tmp_path.iterdir()] == ["model"]


def test_exchange(tmp_path: Path) -> None:
    from napari_voxelmorph.engine.files.exchange import exchange

    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot exchange two names")
    assert (tmp_path / "a" / "b").is_file() and (tmp_path / "b" / "a").is_file()
    assert not exchange(tmp_path / "a", tmp_path / "none")
    assert (tmp_path / "a" / "b").is_file()
