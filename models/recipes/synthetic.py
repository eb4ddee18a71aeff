"""Train the models that come with the package, on synthetic pairs alone.

    python models/recipes/synthetic.py brain-3d --maps label_maps --out run
    python models/recipes/synthetic.py brain-3d --maps label_maps --out run --resume --steps 60000
    python models/recipes/synthetic.py any-2d --out run2d

`label_maps` is a folder of FreeSurfer label maps (for brain-3d: the twenty of SynthSeg, Apache-2.0);
any-2d needs nothing but noise.  Ctrl-C stops; ``--resume`` goes on.  The run folder is that of
``napari-voxelmorph train``, so the model is scored on real scans by

    napari-voxelmorph evaluate run/best SCANS --out scores

Four stages, each starting from the former's weights.  Without the first, in which the true
displacement of pairs from one map is known, nothing is learnt for hundreds of steps; from the
second on the network is one for every λ; the last fits only how sure it is.
"""

from __future__ import annotations

import argparse
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_voxelmorph.engine.checkpoints import load_model, save_model
from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.networks.space import Space
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
    validate_every=500,
    precision="bfloat16",
)
#: λ = 0.5 weighs the smoothness by this much.
_HYPER = replace(_BASE, hyper="smoothness", smoothness=0.5, average=0.999)
_COARSE: dict[str, Any] = {"shape": (56, 64, 80), "spacing": 3.0}
_FINE: dict[str, Any] = {"shape": (80, 96, 112), "spacing": 2.0}
_EASY: dict[str, Any] = {"known": True, "easiest": 0.0, "hardest": 0.5, "ramp": 1000}
_HARDER: dict[str, Any] = {"easiest": 0.3, "hardest": 1.0, "ramp": 3000, "seed": 1}
_HARD: dict[str, Any] = {"easiest": 1.0, "hardest": 1.0, "ramp": 0, "seed": 2}
_SURE = replace(
    _HYPER, fit="uncertainty", segmentation_weight=30.0, smoothness=15.0, average=0.0,
    learning_rate=2e-3, steps=500, decay="cosine",
)  # fmt: skip


def stages(
    coarse: dict[str, Any], fine: dict[str, Any], batch: int, fine_rate: float
) -> list[Stage]:
    """From pairs of one map with known displacements to the worst of scans, for every λ."""
    made = [
        Stage(
            "start",
            replace(_BASE, field_weight=0.3, smoothness=0.3, bidirectional=False, steps=1500),
            {**coarse, **_EASY},
        ),
        Stage("hard", replace(_HYPER, learning_rate=7e-4, steps=8000), {**coarse, **_HARDER}),
        Stage(
            "fine",
            replace(_HYPER, learning_rate=fine_rate, steps=4000, decay="cosine"),
            {**fine, **_HARD},
        ),
        Stage("sure", _SURE, {**fine, **_HARD, "seed": 3}),
    ]
    return [replace(stage, config=replace(stage.config, batch=batch)) for stage in made]


STAGES = {
    "brain-3d": stages(_COARSE, _FINE, 1, 4e-4),
    "any-2d": stages({}, {}, 4, 4e-4),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--maps", default="", help="folder of label maps, for brain-3d")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument(
        "--stage", choices=[s.name for s in STAGES["any-2d"]], help="this stage alone"
    )
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


def on_grid(former: Path, space: Space, folder: Path) -> Path:
    """The former stage's model, meant for this stage's grid: from coarse to fine on purpose."""
    network, card = load_model(former)
    if card.space.spacing == space.spacing:
        return former
    target = folder.with_name(f"{folder.name}-from")
    save_model(network, replace(card, space=space), target)
    return target


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
        config = replace(config, start_from=str(on_grid(former, source.space, folder)))
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
