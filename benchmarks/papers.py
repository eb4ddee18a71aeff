"""The papers' experiments at our scale: networks trained on the hippocampus scans.

    python benchmarks/papers.py                       # all experiments, into the cache folder
    python benchmarks/papers.py losses sizes --steps 2000 --out tables.md

200 small MR crops: 160 people to train on, 20 to validate, 20 to test; every network gets the
same budget.  Scores are on 20 test pairs of different people, on the models' common grid;
labels are warped by their nearest voxel.  Results are kept in the cache, so an interrupted run
goes on where it stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from trained import (
    Bench,
    Row,
    floating,
    folds,
    hippocampus,
    judged,
    mean,
    optimised,
    overlap,
    pairs,
)

from napari_voxelmorph.engine.evaluation.metrics import dice
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.losses.variational import smoothing_sigma
from napari_voxelmorph.engine.networks.field_grid import displacement_of
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.probabilistic import sample
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.source import CohortSource

LNCC = TrainingConfig(
    network="velocity",
    similarity="lncc",
    radius=2,
    smoothness=0.5,
    learning_rate=1e-3,
    precision="bfloat16",
)
MSE = replace(LNCC, similarity="mse", smoothness=0.02)
VM2 = replace(LNCC, network="voxelmorph-2", bidirectional=False)
DIFF = replace(LNCC, network="voxelmorph-diff", similarity="mse", smoothness=10.0)


def losses(bench: Bench) -> str:
    """Before / optimiser only / MSE / CC / + segmentation / diffeomorphic / + refinement."""
    scans = hippocampus()
    cells: list[tuple[str, TrainingConfig]] = [
        ("VoxelMorph-2, MSE", replace(VM2, similarity="mse", smoothness=0.02)),
        ("VoxelMorph-2, CC", VM2),
        ("VoxelMorph-2, CC + segmentations", replace(VM2, segmentation_weight=1.0)),
        ("velocity, MSE", MSE),
        ("velocity, CC", LNCC),
        ("velocity, CC + segmentations", replace(LNCC, segmentation_weight=1.0)),
        ("pyramid, CC", replace(LNCC, network="pyramid")),
        ("pyramid, CC + segmentations", replace(LNCC, network="pyramid", segmentation_weight=1.0)),
        ("probabilistic (voxelmorph-diff), MSE", DIFF),
    ]
    source = bench.source("base", scans, LNCC)
    alone = bench.cell("optimiser", lambda: optimised(None, source))
    lines = [
        "| method | Dice | NDV % | folded voxels | CPU s per pair | + refinement: Dice | NDV % |",
        "|---|---|---|---|---|---|---|",
        f"| before | {alone['before']:.3f} | | | | | |",
        f"| optimiser only | {alone['dice']:.3f} | {alone['ndv']:.4f} | {alone['folded']:.1f} "
        f"| {alone['seconds']:.2f} | | |",
    ]
    for label, config in cells:
        name = _name("losses", label)
        row = bench.cell(name, lambda n=name, c=config: judged(*bench.trained(n, scans, c)[:2]))
        refined = bench.cell(
            name + "-refined", lambda n=name, c=config: optimised(*bench.trained(n, scans, c)[:2])
        )
        lines.append(
            f"| {label} | {row['dice']:.3f} | {row['ndv']:.4f} | {row['folded']:.1f} "
            f"| {row['seconds']:.2f} | {refined['dice']:.3f} | {refined['ndv']:.4f} |"
        )
    return "\n".join(lines)


def sizes(bench: Bench) -> str:
    """Training-set sizes, each with and without refinement."""
    lines = ["| scans to train on | Dice | + refinement |", "|---|---|---|"]
    for count in (5, 20, 80, 160):
        name = _name("size", str(count))
        scans = hippocampus(count)
        row = bench.cell(name, lambda n=name, s=scans: judged(*bench.trained(n, s, LNCC)[:2]))
        refined = bench.cell(
            name + "-refined", lambda n=name, s=scans: optimised(*bench.trained(n, s, LNCC)[:2])
        )
        lines.append(f"| {count} | {row['dice']:.3f} | {refined['dice']:.3f} |")
    return "\n".join(lines)


def directions(bench: Bench) -> str:
    """Forward and inverse accuracy with and without the bidirectional loss."""
    lines = ["| loss | forward Dice | inverse Dice | gap |", "|---|---|---|---|"]
    for label, both in (("one direction", False), ("both directions", True)):
        name, config = _name("directions", label), replace(LNCC, bidirectional=both)
        row = bench.cell(
            name, lambda n=name, c=config: judged(*bench.trained(n, hippocampus(), c)[:2])
        )
        gap = abs(row["dice"] - row["inverse"])
        lines.append(f"| {label} | {row['dice']:.4f} | {row['inverse']:.4f} | {gap:.4f} |")
    return "\n".join(lines)


def samples(bench: Bench) -> str:
    """Folded voxels of samples, with the diagonal and with the smoothed posterior."""
    lines = ["| posterior | Dice of the mean | folded voxels per sample | NDV % of samples |"]
    lines.append("|---|---|---|---|")
    for posterior in ("diagonal", "smoothed"):
        name, config = _name("samples", posterior), replace(DIFF, posterior=posterior)
        row = bench.cell(name, lambda n=name, c=config: _sampled(bench, n, c))
        lines.append(
            f"| {posterior} | {row['dice']:.3f} | {row['folded']:.2f} | {row['ndv']:.5f} |"
        )
    return "\n".join(lines)


@torch.inference_mode()
def _sampled(bench: Bench, name: str, config: TrainingConfig) -> Row:
    network, source, _ = bench.trained(name, hippocampus(), config)
    width = smoothing_sigma(config.smoothness) if config.posterior == "smoothed" else 0.0
    generator, rows = torch.Generator().manual_seed(0), []
    for s in pairs(source):
        mean_, log_variance = network.distribution(s.moving[None], s.fixed[None])
        at_mean = displacement_of(mean_, source.shape, network.architecture)[0]
        score = overlap(s.moving_labels, s.fixed_labels, at_mean)
        for _ in range(8):
            velocity = sample(mean_, log_variance, generator, width)
            u = displacement_of(velocity, source.shape, network.architecture)[0]
            rows.append({"dice": score, **folds(u)})
    return mean(rows)


def cohorts(bench: Bench) -> str:
    """Scans of one kind, a network of the other kind, and what fine-tuning to ten scans brings."""
    other = hippocampus(80, lambda p: not floating(p))
    own = hippocampus(10, floating)
    name = _name("cohort", "other kind")
    network, _, _ = bench.trained(name, other, LNCC)
    base = bench.folder(other, LNCC) / "best"
    source = bench.source("cohort own", own, LNCC)
    short = Bench(bench.cache, max(1, bench.steps // 4))
    tuned = replace(LNCC, start_from=str(base), learning_rate=LNCC.learning_rate / 2)
    rows = [
        (
            "trained on 80 scans of the other kind",
            bench.cell(name, lambda: judged(network, source)),
        ),
        (
            "the same, fine-tuned to 10 of its own (a quarter of the steps)",
            short.cell(
                "cohort-tuned", lambda: judged(short.trained("cohort-tuned", own, tuned)[0], source)
            ),
        ),
        (
            "trained on these 10 alone (as many steps)",
            short.cell(
                "cohort-alone", lambda: judged(short.trained("cohort-alone", own, LNCC)[0], source)
            ),
        ),
    ]
    lines = ["| network | Dice | before |", "|---|---|---|"]
    lines += [f"| {label} | {row['dice']:.4f} | {row['before']:.4f} |" for label, row in rows]
    return "\n".join(lines)


#: λ of the networks that are trained one by one.
LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)
STRUCTURES = {1: "anterior", 2: "posterior"}


def lambdas(bench: Bench) -> str:
    """One HyperMorph, twice the steps, against a network for each λ; the best λ by structure."""
    scans, double = hippocampus(), Bench(bench.cache, 2 * bench.steps)
    every, source, spent = double.trained("lambda-every", scans, replace(LNCC, hyper="smoothness"))
    lines = ["| λ | HyperMorph: Dice | own network: Dice | difference |", "|---|---|---|---|"]
    alone = 0.0
    for lam in LAMBDAS:
        config = replace(LNCC, smoothness=LNCC.smoothness * lam / (1 - lam))
        name = _name("lambda", f"{lam:g}")
        one = bench.cell(name, lambda n=name, c=config: _with_cost(bench, n, scans, c))
        ours = double.cell(f"{name}-hyper", lambda v=lam: judged(every.at(v), source))
        alone += one["spent"]
        lines.append(
            f"| {lam:g} | {ours['dice']:.4f} | {one['dice']:.4f} | {ours['dice'] - one['dice']:+.4f} |"
        )
    lines += ["", f"Training: {spent:.0f} CPU s against {alone:.0f} for the five."]
    best = double.cell("lambda-best", lambda: _best_lambda(every, source))
    found = (f"{name} {best[name]:.2f}" for name in (*STRUCTURES.values(), "both"))
    return "\n".join([*lines, "", f"Best λ: {', '.join(found)}."])


def _with_cost(bench: Bench, name: str, scans: list[list[str]], config: TrainingConfig) -> Row:
    network, source, spent = bench.trained(name, scans, config)
    return {**judged(network, source), "spent": spent}


@torch.inference_mode()
def _best_lambda(every: RegistrationNetwork, source: CohortSource) -> Row:
    """The λ of the highest Dice over the test pairs, by structure."""
    values, curves = np.linspace(0, 1, 21), []
    for lam in values:
        network, rows = every.at(float(lam)), []
        for s in pairs(source):
            field = network(s.moving[None], s.fixed[None])
            u = displacement_of(field, source.shape, network.architecture)
            moved = warp(s.moving_labels[None, None].float(), u, mode="nearest")[0, 0]
            found = dice(s.fixed_labels.numpy(), moved.to(s.fixed_labels.dtype).numpy())
            rows.append({name: found[label] for label, name in STRUCTURES.items()})
        curves.append(mean(rows) | {"both": float(np.mean([list(r.values()) for r in rows]))})
    return {key: float(values[int(np.argmax([c[key] for c in curves]))]) for key in curves[0]}


def _name(*words: str) -> str:
    return "-".join("".join(c if c.isalnum() else "_" for c in w) for w in words)


TABLES = {
    "losses": losses,
    "sizes": sizes,
    "directions": directions,
    "samples": samples,
    "cohorts": cohorts,
    "lambdas": lambdas,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; default: all")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument(
        "--cache", type=Path, default=Path.home() / ".cache" / "napari-voxelmorph-papers"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bench = Bench(options.cache, options.steps)
    text = f"Hippocampus, {options.steps} steps each.\n"
    for name in options.tables or TABLES:
        text += f"\n### {name}: {TABLES[name].__doc__}\n\n{TABLES[name](bench)}\n"
        if options.out:
            options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
