"""Seconds and memory of one registration by a network: pass, integration and warp.

    python benchmarks/inference.py [--repetitions 5] [--vxm-python PYTHON] [--out table.md]

Every method lives in a process of its own, on the same cores; repetitions alternate, so that
what else the machine does strikes all alike.  Wall seconds and CPU seconds (user + system) are
medians; on a busy machine compare the latter.  Peak memory is VmHWM of the process, with
interpreter and libraries.  ``voxelmorph`` 0.3.4 is measured when PYTHON has it.  With the
scans of the papers' space and the published weights, also the overlap (Dice over the papers' 30
labels) in bfloat16 and float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measure import peak_megabytes, timed

SHAPE = (160, 192, 224)
DATA = Path(os.environ.get("NAPARI_VOXELMORPH_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = DATA / "published_weights"
VM2, DIFF = "cvpr2018_vm2_cc", "miccai2018_10_02_init1"
#: Name -> what it is.
METHODS = {
    "voxelmorph 0.3.4": "`VxmPairwise`, its defaults, float32",
    "pyramid": "ours, 1/2 resolution",
    "velocity": "ours, 1/2 resolution",
    "published VM-2, plain": "float32, channels first, whole layers",
    "published VM-2": "ours",
    "published MICCAI'18": "ours",
}
Run = Callable[[], Any]


def main() -> None:
    """Measure all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vxm-python", type=Path, help="a Python with voxelmorph==0.3.4")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(options.worker, options.threads)
        return
    names = [n for n in options.methods if _available(n, options.vxm_python)]
    parts = []
    for part in (lambda: table(measure(names, options)), overlap):
        parts.append(part())
        print(parts[-1], end="\n\n", flush=True)
    if options.out:
        options.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _available(name: str, vxm: Path | None) -> bool:
    if name == "voxelmorph 0.3.4":
        return vxm is not None
    return "published" not in name or WEIGHTS.is_dir()


def measure(names: list[str], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Medians by method."""
    workers = {}
    for name in names:
        python = options.vxm_python if name == "voxelmorph 0.3.4" else sys.executable
        command = [python, __file__, "--worker", name, "--threads", str(options.threads)]
        pipe = subprocess.PIPE
        workers[name] = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for repetition in range(options.repetitions + 1):
        for name, worker in workers.items():
            assert worker.stdin and worker.stdout
            worker.stdin.write("run\n")
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            if repetition:  # the first compiles and warms up
                found[name].append(answer)
    for worker in workers.values():
        worker.communicate("")
    keys = ("wall", "cpu", "megabytes")
    return {name: {k: median(a[k] for a in runs) for k in keys} for name, runs in found.items()}


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown, with ratios to the first row and of the published network to its plain run."""
    first = next(iter(found.values()))
    plain = found.get("published VM-2, plain")
    lines = [
        f"One pair of {' x '.join(map(str, SHAPE))} voxels; load {os.getloadavg()[0]:.1f}.",
        "",
        "| network | wall s | CPU s | peak MB | CPU: times faster | wall: times faster | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, own in found.items():
        other = plain if plain and name == "published VM-2" else first
        ratios = [f"{other['cpu'] / own['cpu']:.1f}", f"{other['wall'] / own['wall']:.1f}"]
        values = [f"{own['wall']:.2f}", f"{own['cpu']:.2f}", f"{own['megabytes']:.0f}"]
        share = f"{own['megabytes'] / other['megabytes']:.2f}"
        label = f"{name} ({METHODS[name]})"
        lines.append("| " + " | ".join([label, *values, *ratios, share]) + " |")
    return "\n".join(
        [*lines, "", "Published VM-2 against its plain run, the rest against the first."]
    )


def serve(name: str, threads: int) -> None:
    """The worker: one registration for every line that comes in."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import torch

    torch.set_num_threads(threads)
    run = vxm_run() if name == "voxelmorph 0.3.4" else our_run(name)
    for _ in sys.stdin:
        _, seconds = timed(run)
        print(json.dumps({**seconds, "megabytes": peak_megabytes()}), flush=True)


def images() -> list[np.ndarray]:
    """Two smooth blobs; the time does not depend on the content."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE), indexing="ij")
    return [np.exp(-4 * sum((a - c) ** 2 for a in axes)).astype(np.float32) for c in (0, 0.1)]


def vxm_run() -> Run:
    """voxelmorph 0.3.4 as its documentation calls it."""
    import torch
    import voxelmorph

    network = voxelmorph.nn.models.VxmPairwise(3, 1, 1).eval()
    pair = [torch.from_numpy(i)[None, None] for i in images()]

    def run() -> None:
        with torch.inference_mode():
            network(*pair, return_warped_source=True)

    return run


def our_run(name: str) -> Run:
    """Ours: the networks as the Registrar runs them, or the plain way."""
    import torch

    from napari_voxelmorph.engine.geometry.warp import warp
    from napari_voxelmorph.engine.keras_import import import_keras
    from napari_voxelmorph.engine.networks import slabs
    from napari_voxelmorph.engine.networks.architecture import PRESETS
    from napari_voxelmorph.engine.networks.field_grid import displacement_of
    from napari_voxelmorph.engine.networks.precision import for_inference
    from napari_voxelmorph.engine.networks.registry import build

    generator = torch.Generator().manual_seed(0)
    if name in PRESETS:
        network = build(PRESETS[name], generator, field_std=1e-2)
    else:
        network = import_keras(WEIGHTS / f"{DIFF if 'MICCAI' in name else VM2}.h5")
    pair = images()
    if not name.endswith("plain"):
        network = for_inference(network, torch.device("cpu"))
        return lambda: register(network, *pair)
    slabs.LARGEST = 2**62

    def run() -> None:
        moving, fixed = (torch.from_numpy(i)[None, None] for i in pair)
        with torch.inference_mode():
            warp(moving, displacement_of(network(moving, fixed), SHAPE, network.architecture))

    return run


def register(network: Any, moving: np.ndarray, fixed: np.ndarray, labels: bool = False) -> Any:
    """Pass, integration and warp; `labels`: of a label map with the image's shape instead."""
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.networks.predict import run
    from napari_voxelmorph.engine.networks.space import Space, place
    from napari_voxelmorph.engine.result import Registration

    target = Volume(fixed)
    where = place(Space(None, None), target)
    field = where.field(run(network, moving, fixed), network.architecture)
    result = Registration(target, Volume(moving), np.eye(4), field)
    return result if labels else result.moved


def overlap() -> str:
    """Dice of the published networks in both precisions, where scans and weights are there."""
    folder = DATA / "vxm_space"
    if not (folder.is_dir() and WEIGHTS.is_dir()):
        return "(no published weights or scans of their space)"
    import torch

    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.keras_import import import_keras
    from napari_voxelmorph.engine.networks.precision import for_inference, inference_precision

    with np.load(folder / "test_scan.npz") as file:
        scans = {"test_scan": (file["vol"], file["seg"])}
    scans["subject_1"] = tuple(
        np.load(folder / f"subject_1_{k}.npz")["vol_data"] for k in ("vol", "seg")
    )
    with np.load(folder / "labels.npz") as file:
        ids = file["labels"]
    cpu = torch.device("cpu")
    lines = [
        f"Precision chosen here: {inference_precision(cpu)[0]}.",
        "",
        "| weights | pair | Dice float32 | Dice as run | difference | field: mean difference |",
        "|---|---|---|---|---|---|",
    ]
    for file_name in (VM2, "cvpr2018_vm2_l2", "cvpr2018_vm1_cc", DIFF):
        for names in (("subject_1", "test_scan"), ("test_scan", "subject_1")):
            (image, labels), (target, wanted) = (scans[n] for n in names)
            pair = image.astype(np.float32), target.astype(np.float32)
            dice, fields = [], []
            for chosen in (False, True):
                network = import_keras(WEIGHTS / f"{file_name}.h5")
                network = for_inference(network, cpu) if chosen else network
                result = register(network, *pair, labels=True)
                moved = result.warp(Volume(labels.astype(np.float32)), "nearest")
                dice.append(mean_dice(moved, wanted, ids))
                fields.append(result.displacement)
            apart = np.abs(fields[0] - fields[1]).mean()
            numbers = [f"{d:.4f}" for d in (*dice, dice[1] - dice[0], apart)]
            lines.append(f"| {file_name} | {' → '.join(names)} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def mean_dice(one: Any, other: Any, ids: Any) -> float:
    """Over the structures."""
    both = [((one == i) & (other == i)).sum() for i in ids]
    sizes = [(one == i).sum() + (other == i).sum() for i in ids]
    return float(np.mean([2 * b / s for b, s in zip(both, sizes, strict=True)]))


if __name__ == "__main__":
    began = time.time()
    main()
    if "--worker" not in sys.argv:
        print(f"({time.time() - began:.0f} s)", file=sys.stderr)
