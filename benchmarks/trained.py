"""Networks trained on the hippocampus scans for the benchmarks: kept once trained, and judged."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.evaluation.metrics import dice, mean_dice
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.jacobian import folding
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.networks.field_grid import both_displacements, displacement_of
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.source import CohortSource, preparing
from napari_voxelmorph.engine.training.data.table import cohort_from_table
from napari_voxelmorph.engine.training.loop import train

DATA = Path(os.environ.get("NAPARI_VOXELMORPH_DATA", Path(__file__).parents[2] / "shared" / "data"))
TRAIN, HELD_OUT = 160, 20
Row = dict[str, Any]


class Bench:
    """One call of this script: where things are, and how long networks are trained."""

    def __init__(self, cache: Path, steps: int) -> None:
        self.cache, self.steps = cache, steps
        cache.mkdir(parents=True, exist_ok=True)

    def source(self, name: str, scans: list[list[str]], config: TrainingConfig) -> CohortSource:
        """Pairs of scans given as rows: image, labels, split, subject."""
        table = self.cache / f"{name}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["image", "labels", "split", "subject"], *scans])
        data = DataConfig(multiple=8, held_out_pairs=10)
        steps = preparing(cohort_from_table(table), config, self.cache / "prepared", data)
        return _last(steps)

    def trained(
        self, name: str, scans: list[list[str]], config: TrainingConfig
    ) -> tuple[RegistrationNetwork, CohortSource, float]:
        """A network trained with `config`, from the cache if it is there; and its CPU seconds."""
        config = replace(config, steps=self.steps, validate_every=max(1, self.steps // 8))
        source = self.source(name, scans, config)
        folder = self.folder(scans, config)
        spent = folder / "cpu_seconds.json"
        if not spent.is_file():
            began = time.process_time()
            _last(train(source, config, folder, resume=folder.exists()))
            spent.write_text(json.dumps(time.process_time() - began))
        network, _ = load_model(folder / "best")
        return network, source, json.loads(spent.read_text())

    def folder(self, scans: list[list[str]], config: TrainingConfig) -> Path:
        """Tables share networks: named after what is trained, not after the table."""
        config = replace(config, steps=self.steps, validate_every=max(1, self.steps // 8))
        story = json.dumps([dataclasses.asdict(config), scans])
        return self.cache / "runs" / hashlib.sha256(story.encode()).hexdigest()[:16]

    def cell(self, name: str, compute: Callable[[], Row]) -> Row:
        """A row of a table, from the cache if it is there."""
        path = self.cache / f"{name}-{self.steps}.row.json"
        if not path.is_file():
            row = compute()
            path.write_text(json.dumps(row))
            print(name, {k: round(v, 4) for k, v in row.items()}, flush=True)
        return dict(json.loads(path.read_text()))


def _last(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def hippocampus(train_count: int = TRAIN, only: Callable[[Path], bool] | None = None) -> list:
    """Rows of the table: the first 160 people train, the next 20 validate, the last 20 test."""
    images = sorted((DATA / "hippocampus" / "images").glob("*.nii*"))
    images = [p for p in images if only is None or only(p)]
    held = min(HELD_OUT, len(images) // 4)
    test, validation = images[-held:], images[-2 * held : -held]
    parts = [
        ("train", images[: -2 * held][:train_count]),
        ("validation", validation),
        ("test", test),
    ]
    return [
        [str(p), str(p.parents[1] / "labels" / p.name), split, p.name.split(".")[0]]
        for split, paths in parts
        for p in paths
    ]


def floating(path: Path) -> bool:
    """The scans that were stored as floating point numbers come from other scanner settings."""
    return nibabel.load(path).get_data_dtype().kind == "f"


def pairs(source: CohortSource) -> Iterator[Any]:
    for moving, fixed in source.test_pairs(HELD_OUT):
        yield source.sample(moving, fixed)


def mean(rows: list[Row]) -> Row:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def overlap(moving: torch.Tensor, fixed: torch.Tensor, displacement: torch.Tensor | None) -> float:
    if displacement is not None:
        labels = moving[None, None].float()
        moving = warp(labels, displacement[None], mode="nearest")[0, 0].to(fixed.dtype)
    return mean_dice(dice(fixed.numpy(), moving.numpy()))


def folds(displacement: torch.Tensor) -> Row:
    """NDV in percent of the grid, and voxels whose central determinant is not positive."""
    measured = folding(displacement.numpy())
    return {"ndv": measured.ndv, "folded": measured.central * displacement[0].numel() / 100}


@torch.inference_mode()
def judged(network: RegistrationNetwork, source: CohortSource) -> Row:
    """Dice before and after, of the inverse, folding; a mean over the test pairs."""
    rows = []
    for s in pairs(source):
        began = time.process_time()
        field = network(s.moving[None], s.fixed[None])
        row: Row = {"before": overlap(s.moving_labels, s.fixed_labels, None)}
        if network.architecture.output == "velocity":
            forward, inverse = both_displacements(field, source.shape, network.architecture)
            row["inverse"] = overlap(s.fixed_labels, s.moving_labels, inverse[0])
        else:
            forward = displacement_of(field, source.shape, network.architecture)
        row["seconds"] = time.process_time() - began
        row["dice"] = overlap(s.moving_labels, s.fixed_labels, forward[0])
        rows.append({**row, **folds(forward[0])})
    return mean(rows)


def optimised(network: RegistrationNetwork | None, source: CohortSource) -> Row:
    """The field optimiser alone, or from the network's result (instance optimisation)."""
    rows = []
    for s in pairs(source):
        moving, fixed = (Volume(x[0].numpy(), np.eye(4)) for x in (s.moving, s.fixed))
        config, start, began = RegistrationConfig(), None, time.process_time()
        if network is not None:
            kind = network.architecture
            with torch.inference_mode():
                data = network(s.moving[None], s.fixed[None])[0].numpy()
            grid = np.full(3, float(kind.scale)), np.full(3, kind.offset)
            start = Field(data, *grid, kind.output)
            config = replace(config, transform=kind.output, iterations=(0, 40, 20))
        field = _last(
            deform(fixed, moving, np.eye(4), config, device=torch.device("cpu"), start=start)
        )
        u = torch.from_numpy(field.sample(np.zeros(3), np.ones(3), source.shape))
        row = {"seconds": time.process_time() - began}
        row["before"] = overlap(s.moving_labels, s.fixed_labels, None)
        row["dice"] = overlap(s.moving_labels, s.fixed_labels, u)
        rows.append({**row, **folds(u)})
    return mean(rows)
