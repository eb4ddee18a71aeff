"""Processes that write one thing over and over, until they are killed (`tests/test_killed.py`).

Started with the name of a writer and a folder per line on the standard input; each becomes a
process of its own by fork, so that the imports are paid for once.  It says a line for everything
that has been written.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from napari_voxelmorph.cli.results import all_together
from napari_voxelmorph.engine.checkpoints import save_model
from napari_voxelmorph.engine.files import save
from napari_voxelmorph.engine.files.landmarks import save_landmarks
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.model_transfer import add
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.review.kept import Findings, Found, keep_findings
from napari_voxelmorph.engine.review.verdicts import Verdicts
from napari_voxelmorph.engine.shelf import entry_at, remove
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.run_folder import History
from napari_voxelmorph.engine.training.state import fresh, save_best, save_last

TINY = Architecture(ndim=2, encoder=(2,), decoder=((2,),))


def network_of(seed: int) -> torch.nn.Module:
    """The same weights for the same seed."""
    return build(TINY, torch.Generator().manual_seed(seed))


def verdicts(folder: Path) -> Iterator[int]:
    """One case after the other."""
    reader = Verdicts(folder, "Ann")
    for n in range(10**6):
        reader.give(str(n), "accept", "a note" * 20)
        yield n


def findings(folder: Path) -> Iterator[int]:
    """Of one case, with pictures, longer and shorter ones."""
    for n in range(10**6):
        rows = tuple(
            Found(k, str(n), {"dice": 0.5}, picture=bytes([n % 2]) * 9000) for k in range(3)
        )
        keep_findings(folder, Findings("case", rows, {"x": "y" * (n % 2) * 20000}))
        yield n


def checkpoints(folder: Path) -> Iterator[int]:
    """Of a training: the last, the best, and the history."""
    folder.mkdir(exist_ok=True)
    history = History(folder)
    for n in range(10**6):
        state = fresh(network_of(n % 2), TrainingConfig(average=0.0))
        state.step = n
        save_last(state, ModelCard("last", TINY), folder)
        save_best(state, ModelCard("best", TINY), folder)
        history.append({"step": n, "loss": 0.5})
        yield n


def models(folder: Path) -> Iterator[int]:
    """Comes onto the shelf and goes again."""
    for n in range(10**6):
        entry = add(folder.with_name("model.zip"), f"model {n}", folder)
        yield n
        if n % 2:
            remove(entry_at(entry.folder))
        else:
            save_model(network_of(n), ModelCard("again", TINY), entry.folder)


def results(folder: Path) -> Iterator[int]:
    """What `register --out` leaves, one result over the other."""
    folder.mkdir(exist_ok=True)
    for n, source in enumerate(cycle(sorted(folder.parent.glob("result *")))):
        with all_together(folder) as stage:
            shutil.copytree(source, stage, dirs_exist_ok=True)
        yield n


def images(folder: Path) -> Iterator[int]:
    """An image and a list of points."""
    folder.mkdir(exist_ok=True)
    for n in range(10**6):
        size = 8 + n % 9
        save(Volume(np.full((size, size, size), n % 100, np.int16)), folder / "image.nii.gz")
        save_landmarks(np.full((size, 3), 1.0), folder / "points.csv")
        yield n


WRITERS: dict[str, Callable[[Path], Iterator[int]]] = {
    f.__name__: f for f in (verdicts, findings, checkpoints, models, results, images)
}


def main() -> None:
    """Fork a writer for every line; say its number, and when it is dead."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        name, folder = json.loads(line)
        child = os.fork()
        if child == 0:
            for n in WRITERS[name](Path(folder)):
                os.write(1, f"{n}\n".encode())
            os._exit(0)
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
