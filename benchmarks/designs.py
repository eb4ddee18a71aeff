"""Designs of networks, trained on the same real pairs for the same CPU time.

    python benchmarks/designs.py                                 # both cohorts, all designs
    python benchmarks/designs.py hippocampus --seconds 60 --designs velocity pyramid
    python benchmarks/designs.py brains --threads 2 --out table.md

Every design gets as many steps as fit into the budget of CPU seconds (user + system), which a few
trial steps tell; everything else is equal: pairs, loss, learning rate, batches of one.  Scores are
on the test pairs.  ``brains``: 12 people at 2 mm, pre-aligned, 3 others for the test (of 1003 and
1023, one person scanned twice, only one takes part).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tables import table
from trained import DATA, hippocampus, judged

from napari_voxelmorph.engine.checkpoints import load_model, save_model
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import PRESETS, Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.training.batch import stack
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.source import CohortSource, preparing
from napari_voxelmorph.engine.training.data.table import cohort_from_table
from napari_voxelmorph.engine.training.loop import train
from napari_voxelmorph.engine.training.objective import loss_terms, predict_fields

#: "Weights of a model to start from" carries any architecture into a training.
DESIGNS: dict[str, Architecture] = {
    "voxelmorph-2": PRESETS["voxelmorph-2"],
    "velocity": PRESETS["velocity"],
    "velocity, symmetric": replace(PRESETS["velocity"], symmetric=True),
    "pyramid": PRESETS["pyramid"],
}
CONFIG = TrainingConfig(similarity="lncc", radius=2, smoothness=0.5, precision="bfloat16")
COHORTS = {
    "hippocampus": DataConfig(affine=False, held_out_pairs=5),
    "brains": DataConfig(affine=True, spacing=2.0, held_out_pairs=2),
}
TRIAL_STEPS = 6


def main() -> None:
    """Train and judge; results are kept in the cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohorts", nargs="*", default=list(COHORTS))
    parser.add_argument("--designs", nargs="+", default=list(DESIGNS))
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--set", nargs="*", default=[], help="parameters, such as learning_rate=1e-3"
    )
    default = os.environ.get("VOXELMORPH_BENCH_CACHE", "~/.cache/napari-voxelmorph-bench")
    parser.add_argument("--cache", type=Path, default=Path(default).expanduser() / "designs")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    changes = {k: json.loads(v) for k, v in (pair.split("=") for pair in options.set)}
    config, text = replace(CONFIG, **changes), ""
    for cohort in options.cohorts:
        source = source_of(cohort, config, options.cache)
        rows = [row(d, cohort, source, config, options) for d in options.designs]
        head = ["design", "weights", "steps", "CPU s", "Dice", "NDV %", "CPU s per pair"]
        text += f"{cohort}, {' x '.join(map(str, source.shape))}, before "
        text += f"{rows[0]['before']:.3f}:\n\n{table(head, map(cells, rows))}\n\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def cells(found: dict[str, Any]) -> list[str]:
    """A row of the table."""
    return [
        found["design"],
        f"{found['weights']:,}",
        f"{found['steps']}",
        f"{found['cpu']:.0f}",
        f"{found['dice']:.3f}",
        f"{found['ndv']:.4f}",
        f"{found['seconds']:.2f}",
    ]


def source_of(cohort: str, config: TrainingConfig, cache: Path) -> CohortSource:
    """The prepared cohort."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{cohort}.csv"
    with path.open("w", newline="") as file:
        rows = hippocampus() if cohort == "hippocampus" else brains()
        csv.writer(file).writerows([["image", "labels", "split", "subject"], *rows])
    return finished(preparing(cohort_from_table(path), config, cache / cohort, COHORTS[cohort]))


def brains() -> list[list[str]]:
    """Rows of the table: 11 people train, 2 validate, 3 test."""
    paths = sorted((DATA / "oasis_brains").glob("*_t1.nii.gz"))
    paths = [p for p in paths if not p.name.startswith("1023")]
    splits = ["test"] * 3 + ["validation"] * 2 + ["train"] * (len(paths) - 5)
    return [
        [str(p), str(p).replace("_t1", "_labels"), split, p.name.split("_")[0]]
        for p, split in zip(paths, splits, strict=True)
    ]


def row(
    design: str,
    cohort: str,
    source: CohortSource,
    config: TrainingConfig,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Train one design and judge it on the test pairs, or take it from the cache."""
    name = f"{cohort}-{design}-{options.seconds:.0f}-{'-'.join(options.set)}".replace(", ", "_")
    path = options.cache / f"{name}.json"
    if not path.is_file():
        began = options.cache / f"begin-{design}".replace(", ", "_")
        network = build(DESIGNS[design], torch.Generator().manual_seed(0))
        save_model(network, ModelCard(design, DESIGNS[design], source.space), began)
        both = config.bidirectional and DESIGNS[design].output == "velocity"
        config = replace(config, start_from=str(began), bidirectional=both)
        steps = int(options.seconds / seconds_per_step(design, source, config))
        config = replace(config, steps=steps, validate_every=max(1, -(-steps // 2)))
        clock = time.process_time()
        # The last weights, not the best validated ones: few pairs would choose at random.
        finished(train(source, config, options.cache / "runs" / name))
        found = {"design": design, "steps": steps, "cpu": time.process_time() - clock}
        network, _ = load_model(options.cache / "runs" / name / "last")
        found["weights"] = sum(p.numel() for p in network.parameters())
        path.write_text(json.dumps({**found, **judged(network, source)}))
        print(path.read_text(), flush=True)
    return dict(json.loads(path.read_text()))


def seconds_per_step(design: str, source: CohortSource, config: TrainingConfig) -> float:
    """CPU seconds of a step, the median of a few."""
    network = build(DESIGNS[design]).to(memory_format=torch.channels_last_3d)
    optimizer, times = torch.optim.AdamW(network.parameters(), 1e-6), []
    for number in range(TRIAL_STEPS):
        clock = time.process_time()
        batch = stack([source.draw(number)], torch.device("cpu"))
        fields = predict_fields(network, batch, config, precision=torch.bfloat16)
        terms = loss_terms(fields, batch, config, network.architecture.scale)
        sum(terms.values(), torch.zeros(())).backward()
        optimizer.step()
        times.append(time.process_time() - clock)
    return sorted(times[1:])[len(times) // 2 - 1]


def finished(steps: Any) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    main()
