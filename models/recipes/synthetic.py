"""Train the models that come with the package, on synthetic pairs alone.

    python models/recipes/synthetic.py brain-3d --maps label_maps --out run
    python models/recipes/synthetic.py brain-3d --maps label_maps --out run --resume --steps 60000
    python models/recipes/synthetic.py any-2d --out run2d

`label_maps` is a folder of FreeSurfer label maps (for brain-3d: the twenty of SynthSeg, Apache-2.0);
any-2d needs nothing but noise.  Ctrl-C stops; ``--resume`` goes on.  The run folder is that of
``napari-voxelmorph train``, so the model is scored on real scans by

    napari-voxelmorph evaluate run/best SCANS --out scores

Three stages, each starting from the former's weights.  Without the first, in which the true
displacement of pairs from one map is known, nothing is learnt for hundreds of steps.
"""

from __future__ import annotations

import argparse
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.synthetic import synthetic_source
from napari_voxelmorph.engine.training.loop import train


@dataclass(frozen=True)
class Stage:
    """One training with its data; `data` goes to `synthetic_source`."""

    name: str
    config: TrainingConfig
    data: dict[str, Any]


_BASE = TrainingConfig(
    network="pyramid",
    similarity="none",
    segmentation_weight=1.0,
    augmentation=0.0,
    learning_rate=1e-3,
    field_std=0.01,
    warm_up=50,
    decay="constant",
    validate_every=1000,
)
BRAIN = [
    Stage(
        "start",
        replace(_BASE, field_weight=0.3, smoothness=0.3, bidirectional=False, steps=1500),
        {"known": True, "easiest": 0.0, "hardest": 0.5, "ramp": 1000},
    ),
    Stage(
        "hard",
        replace(_BASE, smoothness=1.0, learning_rate=7e-4, steps=40000, average=0.999),
        {"easiest": 0.3, "hardest": 1.0, "ramp": 10000, "seed": 1},
    ),
    Stage(
        "fine",
        replace(_BASE, smoothness=1.0, learning_rate=3e-4, steps=20000, average=0.999,
                decay="cosine"),
        {"easiest": 1.0, "hardest": 1.0, "ramp": 0, "seed": 2},
    ),
]  # fmt: skip
STAGES = {
    "brain-3d": BRAIN,
    "any-2d": [
        replace(stage, config=replace(stage.config, batch=4, learning_rate=1e-3)) for stage in BRAIN
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--maps", default="", help="folder of label maps, for brain-3d")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--stage", choices=[s.name for s in BRAIN], help="this stage alone")
    parser.add_argument("--steps", type=int, help="of the stage, instead of the recipe's")
    parser.add_argument("--grid", type=int, nargs="+", help="voxels, instead of the recipe's")
    parser.add_argument("--spacing", type=float, help="mm, instead of the recipe's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: all")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    former: Path | None = None
    try:
        for stage in STAGES[options.model]:
            folder = options.out / stage.name
            if options.stage in (None, stage.name):
                run(stage, folder, former, options)
            former = folder / "best"
    except VoxelMorphError as error:
        raise SystemExit(str(error)) from None


def run(stage: Stage, folder: Path, former: Path | None, options: argparse.Namespace) -> None:
    """Train one stage, or what is left of it."""
    data = dict(stage.data)
    if options.grid:
        data["shape"] = tuple(options.grid)
    if options.spacing:
        data["spacing"] = options.spacing
    source = synthetic_source(options.model, options.maps, cache=options.out / "maps", **data)
    resume = options.resume and (folder / "last").is_dir()
    if options.resume and folder.is_dir() and not resume:
        shutil.rmtree(folder)  # stopped before its first checkpoint
    config = replace(stage.config, device=options.device)
    if former is not None:
        config = replace(config, start_from=str(former))
    if options.steps:
        config = replace(config, steps=options.steps)
    with closing(train(source, config, folder, resume=resume)) as steps:
        for step in steps:
            if step.validation is not None:
                v = step.validation
                print(f"{stage.name} {step.step}: Dice {v.dice_before:.4f} -> {v.dice:.4f}, "
                      f"NDV {v.ndv:.4f} %", flush=True)  # fmt: skip
            elif step.step % 50 == 0 and step.terms:
                terms = ", ".join(f"{name} {value:.4f}" for name, value in step.terms.items())
                print(
                    f"{stage.name} {step.step}: {terms}, {step.seconds_per_step:.2f} s", flush=True
                )


if __name__ == "__main__":
    main()
