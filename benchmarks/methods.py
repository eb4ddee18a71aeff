"""Which settings each method gets on each pair, and running it in its own process."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from data import Pair, read
from judge import score

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parent / "napari_voxelmorph" / "engine"
#: A method that takes longer than this (s) on a pair has failed.
LIMIT = 3600
#: The default list of the main table.
NAMES = ("ours", "greedy", "ants", "simpleitk")
ALL_NAMES = (*NAMES, "network", "network-refined", "greedy-float", "simpleitk-bspline", "ants-cc")


@dataclass(frozen=True)
class Bench:
    """What all runs of one table share."""

    cache: Path
    peers: Path
    threads: int = 2
    fresh: bool = False
    overrides: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Run:
    """A method with its settings for one pair; ``label`` is how tables call it."""

    label: str
    method: str
    settings: dict[str, Any]


def choose(name: str, pair: Pair, overrides: tuple[tuple[str, Any], ...] = ()) -> Run:
    """The settings that a competent user of the tool would take for this pair."""
    if name == "ours":
        return Run(name, "ours", {**_ours(pair), **dict(overrides)})
    if name.startswith("network"):
        # A name on the shelf, or a folder.
        model = os.environ.get("VOXELMORPH_BENCH_MODEL", "brain-3d")
        refine = name.endswith("refined")
        settings = {**_ours(pair), "model": model, "refine": refine, **dict(overrides)}
        return Run(name, "ours", settings)
    if name.startswith("greedy"):
        return Run(name, "greedy", _greedy(pair, "100x50x20", name.endswith("float")))
    if name.startswith("ants"):
        return Run(name, "ants", _ants(pair, name.endswith("cc")))
    if name.startswith("simpleitk"):
        demons = pair.same_contrast and not name.endswith("bspline")
        return Run(name, "simpleitk", _simpleitk(pair, demons))
    raise SystemExit(f"Unknown method {name!r}; choose from {', '.join(ALL_NAMES)}.")


def curve(name: str, pair: Pair, iterations: str) -> Run:
    """`name` ("ours", "greedy", "greedy-float") with other iterations, such as "100x50x5"."""
    run = choose(name, pair)
    if name == "ours":
        settings = {**run.settings, "iterations": [int(i) for i in iterations.split("x")]}
    else:
        settings = _greedy(pair, iterations, name.endswith("float"))
    return Run(f"{name} {iterations}", run.method, settings)


def _ours(pair: Pair) -> dict[str, Any]:
    """The preset for the pair's contrasts, written out where it differs from the default."""
    # numbers and names only: the peers' environment has no napari-voxelmorph
    different = {
        "affine_similarity": "mi",
        "similarity": "mind",
        "smoothness": 3.0,
        "iterations": [100, 60, 5],
    }
    settings: dict[str, Any] = {} if pair.same_contrast else different
    return {**settings, "affine": "rigid"} if pair.rigid else settings


def _dimensions(pair: Pair) -> int:
    return int(read(pair.fixed)[0].ndim)


def _greedy(pair: Pair, iterations: str, single: bool) -> dict[str, Any]:
    radius = "2x2x1" if pair.thin else "x".join("2" * _dimensions(pair))
    ncc = f"-m NCC {radius}"
    start = "-ia-identity" if pair.headers else "-ia-image-centers"
    dof = 6 if pair.rigid else 12
    metric = ncc if pair.same_contrast else "-m NMI"
    coarse = "50x20" if pair.thin else "100x50x10"
    if pair.thin:
        iterations = "50x20"
    return {
        "affine": f"-dof {dof} {metric} {start} -n {coarse}",
        "deformable": f"{metric} -n {iterations}",
        "float": single,
    }


def _ants(pair: Pair, cc: bool) -> dict[str, Any]:
    # ANTsPy's defaults for SyN, written out.
    settings: dict[str, Any] = {"syn_metric": "mattes", "reg_iterations": [40, 20, 0]}
    if cc:
        settings = {"syn_metric": "CC", "syn_sampling": 2, "reg_iterations": [100, 50, 20]}
    return {"affine": {}, "deformable": settings}


def _simpleitk(pair: Pair, demons: bool) -> dict[str, Any]:
    flat = _dimensions(pair) == 2
    small = np.prod(read(pair.fixed)[0].shape) < 500_000
    settings = {"moments": not pair.headers, "sampling": 1.0 if flat or small else 0.1}
    if demons:
        return {**settings, "deformable": "demons", "iterations": [100, 50, 20]}
    return {
        **settings,
        "deformable": "bspline",
        "iterations": 40,
        "mesh_mm": 10.0 if flat or small else 12.0,
    }


def measure(
    bench: Bench, pair: Pair, run: Run, start: dict[str, Any] | None = None, picture: bool = False
) -> dict[str, Any]:
    """Run (or take from the cache) and score; returns the record.

    `start` is an earlier record whose affine (and its seconds) is used instead of a new one.
    """
    place = bench.cache / "results" / run.label.replace(" ", "_") / f"{pair.name}.json"
    key = _key(bench, pair, run, start)
    image = bench.cache / "pictures" / f"{pair.name}__{run.label.replace(' ', '_')}.png"
    if place.exists() and not bench.fresh and (image.exists() or not picture):
        record = json.loads(place.read_text())
        if record["key"] == key:
            return dict(record)
    place.parent.mkdir(parents=True, exist_ok=True)
    bench.cache.joinpath("work").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=bench.cache / "work"))
    try:
        answer = _execute(bench, pair, run, folder, start)
        record = {
            "key": key,
            "label": run.label,
            "pair": pair.name,
            "group": pair.group,
            "settings": run.settings,
            "threads": bench.threads,
        }
        if "error" in answer:
            record["error"] = answer["error"]
        else:
            u = np.load(folder / "displacement.npy")
            record.update(answer, **score(pair, np.array(answer["matrix"]), u))
            if picture:
                import pictures

                pictures.save(image, pair, np.array(answer["matrix"]), u)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    place.write_text(json.dumps(record, indent=1))
    return record


def _key(bench: Bench, pair: Pair, run: Run, start: dict[str, Any] | None) -> str:
    """Changes whenever the answer could; our own engine's source counts as a setting."""
    parts: list[Any] = [
        run.method,
        run.settings,
        pair.as_dict(),
        bench.threads,
        None if start is None else start["matrix"],
    ]
    if run.method == "ours":
        parts += [p.read_text() for p in sorted(ENGINE.rglob("*.py")) if _matters(p)]
        if "model" in run.settings:
            from napari_voxelmorph.engine.loaded_model import card_of

            parts.append(card_of(run.settings["model"]).sha256)
    return hashlib.sha1(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _matters(path: Path) -> bool:
    return not {"synthesis", "files"} & set(path.relative_to(ENGINE).parts)


def _execute(
    bench: Bench, pair: Pair, run: Run, folder: Path, start: dict[str, Any] | None
) -> dict[str, Any]:
    n = str(bench.threads)
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
        "NUMEXPR_NUM_THREADS",
    )
    environment = {**os.environ, **dict.fromkeys(names, n), "ANTS_RANDOM_SEED": "1"}
    python = sys.executable if run.method == "ours" else str(bench.peers / "bin" / "python")
    if run.method == "ours":
        environment["PYTHONPATH"] = str(HERE.parent)
    else:
        environment.pop("PYTHONPATH", None)
    job = {
        "method": run.method,
        "settings": run.settings,
        "pair": pair.as_dict(),
        "threads": bench.threads,
        "folder": str(folder),
        "start": None if start is None else start["matrix"],
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [python, str(HERE / "worker.py"), str(folder / "job.json")]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {LIMIT} s"}
    if done.returncode:
        return {"error": (done.stderr.strip() or done.stdout.strip())[-2000:]}
    answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    if start is not None:
        answer["seconds_affine"] = start["seconds_affine"]
    return answer


def with_fresh(bench: Bench, fresh: bool) -> Bench:
    """The same bench, with or without the cache."""
    return replace(bench, fresh=fresh)
