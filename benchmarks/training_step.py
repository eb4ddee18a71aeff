"""Seconds and memory of one training step: forward, local correlation, smoothness, backward, update.

    python benchmarks/training_step.py [--repetitions 5] [--vxm-python PYTHON] [--out table.md]

Every method lives in a process of its own, on the same cores; repetitions alternate, so that
what else the machine does strikes all alike.  Wall seconds and CPU seconds (user + system) are
medians; on a busy machine compare the latter.  Peak memory is VmHWM of the process; "step" is
what it grew by since all was imported.  ``voxelmorph`` 0.3.4 is measured when PYTHON has it:
`VxmPairwise` with its defaults, neurite's `NCC` (9 voxels) and `SpatialGradient`, Adam.  Its
default network takes multiples of 32 voxels only, so the images are padded with zeros; a second
row has one level less and needs no padding.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measure import peak_megabytes, timed

SHAPE = (96, 112, 96)
OFFICIAL = "voxelmorph 0.3.4"
#: Name -> (what it is, parameters of the recipe).
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    OFFICIAL: ("full resolution, one direction", {"nb_features": (16,) * 5}),
    f"{OFFICIAL}, four levels": ("the same without padding", {"nb_features": (16,) * 4}),
    "velocity": ("one direction", {"bidirectional": False}),
    "velocity, float32": ("one direction", {"bidirectional": False, "precision": "float32"}),
    "velocity, both ways": ("the default recipe", {}),
    "velocity, segmentations": ("both ways, 30 structures", {"segmentation_weight": 1.0}),
    "pyramid": ("both ways", {"network": "pyramid"}),
    "voxelmorph-2": ("full resolution", {"network": "voxelmorph-2"}),
}
Run = Callable[[], Any]


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE)
    parser.add_argument("--vxm-python", type=Path, help="a Python with voxelmorph==0.3.4")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(options.worker, options.threads, tuple(options.shape))
        return
    if options.vxm_python is None:
        options.methods = [m for m in options.methods if not m.startswith(OFFICIAL)]
    text = table(measure(options), options.shape)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Medians by method."""
    workers = {}
    for name in options.methods:
        python = options.vxm_python if name.startswith(OFFICIAL) else sys.executable
        shape = ["--shape", *map(str, options.shape)]
        command = [python, __file__, "--worker", name, "--threads", str(options.threads), *shape]
        pipe = subprocess.PIPE
        workers[name] = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in options.methods}
    for repetition in range(options.repetitions + 2):
        for name, worker in workers.items():
            assert worker.stdin and worker.stdout
            worker.stdin.write("step\n")
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            if repetition > 1:  # the first two compile and warm up
                found[name].append(answer)
    for worker in workers.values():
        worker.communicate("")
    keys = ("wall", "cpu", "megabytes", "step")
    return {name: {k: median(a[k] for a in runs) for k in keys} for name, runs in found.items()}


def table(found: dict[str, dict[str, float]], shape: tuple[int, ...]) -> str:
    """Markdown, with ratios to the first row."""
    first = next(iter(found.values()))
    lines = [
        f"One step on a pair of {' x '.join(map(str, shape))} voxels; load {os.getloadavg()[0]:.1f}.",
        "",
        "| network | wall s | CPU s | peak MB | step MB | CPU: times faster | wall: times faster | "
        "peak | step |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, own in found.items():
        values = [f"{own[k]:.2f}" for k in ("wall", "cpu")]
        values += [f"{own[k]:.0f}" for k in ("megabytes", "step")]
        ratios = [f"{first[k] / own[k]:.1f}" for k in ("cpu", "wall")]
        ratios += [f"{own[k] / first[k]:.2f}" for k in ("megabytes", "step")]
        lines.append("| " + " | ".join([f"{name} ({METHODS[name][0]})", *values, *ratios]) + " |")
    return "\n".join(lines)


def serve(name: str, threads: int, shape: tuple[int, ...]) -> None:
    """The worker: one step for every line that comes in."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import torch

    torch.set_num_threads(threads)
    run = official(name, shape) if name.startswith(OFFICIAL) else ours(name, shape)
    before = peak_megabytes()
    for _ in sys.stdin:
        _, seconds = timed(run)
        peak = peak_megabytes()
        print(json.dumps({**seconds, "megabytes": peak, "step": peak - before}), flush=True)


def images(shape: tuple[int, ...]) -> list[Any]:
    """Two smooth noisy images from 0 to 1, (1, *S) tensors, as alike as two subjects."""
    import torch

    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((3, 1, *(n // 6 for n in shape)), np.float32))
    smooth = torch.nn.functional.interpolate(coarse, shape, mode="trilinear")
    noise = torch.from_numpy(rng.random((2, 1, *shape), np.float32))
    return [0.5 * smooth[0] + 0.4 * smooth[1 + k] + 0.1 * noise[k] for k in range(2)]


def official(name: str, shape: tuple[int, ...]) -> Run:
    """A step with the official package's parts."""
    import neurite
    import torch
    import voxelmorph

    network = voxelmorph.nn.models.VxmPairwise(3, 1, 1, **METHODS[name][1]).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    correlation = neurite.nn.modules.NCC(9)
    smoothness = neurite.nn.modules.SpatialGradient("l2")
    multiple = 2 ** len(METHODS[name][1]["nb_features"])
    margin = [m for n in reversed(shape) for m in (0, -n % multiple)]
    moving, fixed = (torch.nn.functional.pad(i[None], margin) for i in images(shape))

    def step() -> None:
        field, moved = network(moving, fixed, return_warped_source=True)
        loss = (1 - correlation(fixed, moved)).mean() + smoothness(field)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ours(name: str, shape: tuple[int, ...]) -> Run:
    """Updates of `engine.training.loop.train`, with all that it does besides."""
    import tempfile

    import torch

    from napari_voxelmorph.engine.training.config import TrainingConfig
    from napari_voxelmorph.engine.training.loop import train
    from napari_voxelmorph.engine.training.samples import PairsInMemory, Sample

    config = TrainingConfig(validate_every=10**6, steps=10**6, device="cpu", **METHODS[name][1])
    moving, fixed = images(shape)
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 31, (2, 1, *(n // 8 for n in shape))))
    maps = torch.nn.functional.interpolate(coarse.float(), shape).short()[:, 0]
    source = PairsInMemory([Sample(moving, fixed, *maps)], labels=tuple(range(1, 31)))
    folder = tempfile.TemporaryDirectory()
    steps = train(source, config, Path(folder.name) / "run")

    def step() -> Any:
        return next(steps), folder

    return step


if __name__ == "__main__":
    main()
