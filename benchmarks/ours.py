"""napari-voxelmorph's engine as a method of the benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from data import read
from measure import peak_megabytes, timed
from peers import Answer

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.parallel import set_threads
from napari_voxelmorph.engine.registration import Registrar


def ours(job: dict[str, Any]) -> Answer:
    """Register with the job's settings (fields of `RegistrationConfig`).

    A small throw-away pair runs first, so that what is timed holds no compilation; its
    seconds are in the notes.  The displacement on the whole grid is part of the time.
    """
    import torch

    set_threads(job["threads"])
    torch.set_num_threads(job["threads"])
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in job["settings"].items()}
    config = replace(DEFAULT, **options)
    pair = job["pair"]
    fixed, moving = (Volume(*read(pair[k]), name=k) for k in ("fixed", "moving"))
    masks = {
        k: Volume(*read(pair[k], labels=True), kind="labels", name=k)
        for k in ("fixed_mask", "moving_mask")
        if pair[k]
    }
    _, warm_up = timed(lambda: _run(*_throw_away(fixed.ndim), {}, config, None))
    start = None if job.get("start") is None else np.array(job["start"])
    (result, u), total = timed(lambda: _run(moving, fixed, masks, config, start))
    memory = peak_megabytes()
    timings = dict(result.timings)
    affine = timings.get("affine", 0.0)
    extra = timings.get("resampling and metrics", 0.0)
    share = affine / max(total["wall"], 1e-9)
    rest = total["wall"] - affine - extra
    notes: dict[str, Any] = {
        "warm_up": warm_up["wall"],
        "timings": timings,
        "metrics": dict(result.metrics),
    }
    if torch.cuda.is_available() and config.device.startswith(("cuda", "auto")):
        notes["gpu_megabytes"] = torch.cuda.max_memory_allocated() / 2**20
    return Answer(
        result.affine,
        u,
        {"wall": affine, "cpu": total["cpu"] * share},
        {"wall": rest, "cpu": total["cpu"] * rest / max(total["wall"], 1e-9)},
        memory,
        notes,
    )


def _run(
    moving: Volume, fixed: Volume, masks: dict[str, Volume], config: Any, start: np.ndarray | None
) -> Any:
    registrar = Registrar()
    registrar.set_pair(moving, fixed, **masks)
    result = registrar.register(config, start)
    return result, np.asarray(result.displacement)


def _throw_away(ndim: int) -> tuple[Volume, Volume]:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * ndim, indexing="ij"))
    blob = np.exp(-4 * (grid**2).sum(0)) * 100
    noisy = [(blob + rng.normal(size=blob.shape)).astype(np.float32) for _ in range(2)]
    return Volume(np.roll(noisy[0], 1, 0)), Volume(noisy[1])
