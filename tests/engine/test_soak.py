"""Registrations in one process leave nothing behind (`benchmarks/soak.py` does 300 of them)."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import torch

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.registration import Registrar
from napari_voxelmorph.engine.synthesis.phantom import make_pair

RUNS, WARM_UP = 25, 8


def held() -> tuple[int, int, int]:
    """Bytes by Python and numpy, objects of the collector, tensors."""
    for _ in range(2):
        gc.collect()
    found = gc.get_objects()
    return (
        tracemalloc.get_traced_memory()[0],
        len(found),
        sum(type(o) is torch.Tensor for o in found),
    )


def soak() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """What is held after the warm-up, and at the end."""
    pairs = [make_pair(2, seed=s, spacing=3.0 + s / 2, contrasts=("T1", c))
             for s in range(2) for c in ("T1", "T2")]  # fmt: skip
    similarities = ("lncc", "mi", "mind", "mse")
    registrar = Registrar("cpu")
    tracemalloc.start()
    try:
        for n in range(RUNS):
            pair = pairs[n % len(pairs)]
            similarity = similarities[n // 2 % len(similarities)]
            config = replace(DEFAULT, iterations=(4, 2, 2), similarity=similarity)
            registrar.set_pair(pair.moving, pair.fixed)
            if n % 5 == 0:
                steps = registrar.steps(config)
                for _ in range(4):
                    next(steps)
                steps.close()
            else:
                assert np.isfinite(registrar.register(config).moved.data).all()
            del pair
            if n == WARM_UP:
                before = held()
        after = held()
    finally:
        tracemalloc.stop()
    return before, after


def test_memory_does_not_grow() -> None:
    # In a process of its own: what other tests left to be collected is not counted.
    run = subprocess.run(
        [sys.executable, __file__], capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    before, after = json.loads(run.stdout)
    # One result of these sizes holds about 100 kB.
    assert after[0] - before[0] < 30_000
    assert after[1] - before[1] < 300
    assert after[2] <= before[2]


if __name__ == "__main__":
    print(json.dumps(soak()))
