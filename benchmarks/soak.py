"""Many registrations in one process: does its memory grow?

    python benchmarks/soak.py [--engine 300] [--json FILE]

The engine registers small pairs of changing size, contrast and method, with segmentations warped and
measured; some runs are stopped in the middle.  Every tenth run it prints the resident memory after
collecting garbage and trimming malloc's heap.  The growth is the median of all slopes between two
measurements (Theil-Sen) from the second quarter on: what is compiled, cached and fragmented in the
beginning does not count.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import psutil

EVERY = 10


def memory_mb() -> float:
    """Resident memory without garbage and without what malloc could give back."""
    for _ in range(2):
        gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss / 1e6


def soak(name: str, count: int, run: Callable[[int], object]) -> dict[str, Any]:
    """Run so often; the measurements and the growth per run."""
    points: list[tuple[int, float]] = []
    began = time.process_time()
    for n in range(1, count + 1):
        run(n)
        if n % EVERY == 0:
            points.append((n, memory_mb()))
            print(f"{name} {n:4d}  {points[-1][1]:7.1f} MB  {len(gc.get_objects()):8d} objects",
                  flush=True)  # fmt: skip
    late = points[len(points) // 4 :]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(late, 2)]
    growth = 1000 * statistics.median(slopes) if slopes else float("nan")
    print(f"{name}: {growth:+.1f} kB per run, {time.process_time() - began:.0f} CPU seconds")
    return {"runs": count, "MB": points, "kB per run": round(growth, 2)}


def pairs() -> Iterator[Any]:
    """Phantoms of two sizes, 2-D and 3-D, of one and of two contrasts."""
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    for seed in range(2):
        for ndim, spacing in ((3, 7.0), (3, 8.0), (2, 3.0)):
            yield make_pair(ndim, seed=seed, spacing=spacing)
            yield make_pair(ndim, seed=seed, spacing=spacing, contrasts=("T1", "T2"))


def engine_runs() -> Callable[[int], object]:
    """A registration of the engine, all methods in turn; some are stopped in the middle."""
    from napari_voxelmorph.engine.config import DEFAULT
    from napari_voxelmorph.engine.evaluation.structures import compare, segmented
    from napari_voxelmorph.engine.registration import Registrar

    made = list(pairs())
    kinds = [{"similarity": s} for s in ("lncc", "mi", "mind", "mse")] + [{"transform": "none"}]
    registrar = Registrar("cpu")

    def run(n: int) -> None:
        pair = made[n % len(made)]
        config = replace(DEFAULT, iterations=(12, 6, 4), **kinds[n % len(kinds)])
        registrar.set_pair(pair.moving, pair.fixed)
        if n % 7 == 0:
            steps = registrar.steps(config)
            for _ in range(5):
                next(steps)
            steps.close()
            return
        result = registrar.register(config)
        labels = result.warp_labels(pair.moving_labels)
        spacing = pair.fixed.spacing
        for _ in compare(segmented(pair.fixed_labels.data, spacing), segmented(labels, spacing)):
            pass
        assert np.isfinite(result.moved.data).all()

    return run


def main() -> None:
    """Soak the engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=int, default=300, help="how many registrations")
    parser.add_argument("--json", help="also write the measurements here")
    arguments = parser.parse_args()
    report = {"engine": soak("engine", arguments.engine, engine_runs())}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
