"""The stages of a run: pre-align, deform (by a network, the optimiser, or both), measure."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import torch

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.device import describe_device
from napari_voxelmorph.engine.evaluation.quality import measuring, quality
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.landmarks import LandmarkPairs
from napari_voxelmorph.engine.network_stage import Prediction, predicting
from napari_voxelmorph.engine.optimization.affine import align
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.optimization.landmark_affine import fit_landmarks
from napari_voxelmorph.engine.pair_checks import beginning
from napari_voxelmorph.engine.provenance import provenance
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.steps import Clock, Step, relay, timed

#: Share of the whole run that pre-alignment takes when a deformation follows.
_AFFINE_SHARE = 0.2
#: Where the network's pass ends when its result is refined.
_NETWORK_UNTIL = 0.35
#: The last part of a run: the moved image and the numbers.
_MEASURE_FROM = 0.95
#: A volume thinner than this may be left as it lay (see `_kept_if_better`).
_FEW_SLICES = 8

Run = Generator[Step, None, Registration]
Stopped = Callable[[], bool]


def never() -> bool:
    """Nobody stops this run."""
    return False


@dataclass(frozen=True, eq=False)
class Task:
    """A checked pair and what to do with it; see `Registrar.steps`."""

    fixed: Volume
    moving: Volume
    fixed_mask: Volume | None
    moving_mask: Volume | None
    config: RegistrationConfig
    start: Matrix | None
    device: torch.device
    stopped: Stopped = never
    landmarks: LandmarkPairs | None = None


def run(task: Task) -> Run:
    """All stages, one after the other; every stage's own steps are passed on."""
    config, clock = task.config, Clock()
    timings: dict[str, float] = {}
    began = task.start
    if began is None:
        began = beginning(task.fixed, task.moving, config.start)
    base = Registration(task.fixed, task.moving, began, None, config)
    result, model = _on_landmarks(task, base), None
    if config.affine != "none":
        with timed(timings, "affine"):
            result = yield from _align(task, result, clock)
    if config.model:
        with timed(timings, "network"):
            result, model = yield from _predict(task, result, clock)
    if config.transform != "none" and (model is None or config.refine):
        with timed(timings, "deformable" if model is None else "refinement"):
            result = yield from _optimise(task, result, clock)
    with timed(timings, "resampling and metrics"):
        result = yield from _measure(task, result, base, clock)
    timings["total"] = sum(timings.values())
    story = provenance(
        task.fixed, task.moving, describe_device(task.device), datetime.now(UTC), task.start
    )
    if model is not None:
        story["model"] = model.story()
    if task.landmarks is not None:
        story["landmarks"] = task.landmarks.to_json()
    if result.unrefined is not None:
        first = {name: seconds for name, seconds in timings.items() if name != "refinement"}
        first["total"] -= timings["refinement"]
        before = {k: v for k, v in story.items() if k != "landmarks" or config.start == k}
        alone = _with(result.unrefined, timings=first, provenance=before)
        result = _with(result, unrefined=alone)
    return _with(result, timings=timings, provenance=story)


def _on_landmarks(task: Task, base: Registration) -> Registration:
    """The pair with its landmarks on each other, where the run starts so."""
    if task.landmarks is None or task.config.start != "landmarks" or task.start is not None:
        return base
    kind: Literal["rigid", "affine"] = "rigid" if task.config.affine == "rigid" else "affine"
    return replace(base, affine=fit_landmarks(task.landmarks, kind))


def _align(task: Task, base: Registration, clock: Clock) -> Run:
    """The best rigid or affine matrix, as a result without a field."""
    config = task.config
    start = config.start if task.start is None else task.start
    if config.start == "landmarks" and task.start is None:
        start = base.affine
    kind: Literal["rigid", "affine"] = "rigid" if config.affine == "rigid" else "affine"
    stage = align(
        task.fixed,
        task.moving,
        kind=kind,
        similarity=config.affine_similarity,
        start=start,
        fixed_mask=task.fixed_mask,
        moving_mask=task.moving_mask,
    )
    until = _MEASURE_FROM if config.transform == "none" else _AFFINE_SHARE
    affine = yield from relay(
        stage, clock, "Pre-aligning", (0.0, until), lambda s: replace(base, affine=s.matrix)
    )
    return replace(base, affine=_kept_if_better(base, affine))


def _predict(
    task: Task, aligned: Registration, clock: Clock
) -> Generator[Step, None, tuple[Registration, Prediction]]:
    """The network's deformation."""
    config = task.config
    stage = predicting(
        config.model, task.moving, task.fixed, aligned.affine, task.device, config.model_lambda
    )
    span = (_deforms_from(config), _NETWORK_UNTIL if config.refine else _MEASURE_FROM)
    model = yield from relay(stage, clock, "Network", span, lambda s: aligned)
    found = model.registration
    return replace(aligned, field=found.field, posterior=found.posterior), model


def _optimise(task: Task, begun: Registration, clock: Clock) -> Run:
    """The optimiser's deformation; from a network's field it goes on in that field's own kind."""
    config, first = task.config, begun.field
    settings, low = config, _deforms_from(config)
    if first is not None:
        settings = replace(config, transform=first.kind, iterations=config.refine_iterations)
        low = _NETWORK_UNTIL
    stage = deform(
        task.fixed,
        task.moving,
        begun.affine,
        settings,
        device=task.device,
        fixed_mask=task.fixed_mask,
        moving_mask=task.moving_mask,
        start=first,
        stopped=task.stopped,
        landmarks=task.landmarks,
    )
    phase = "Deforming" if first is None else "Refining"
    field: Field = yield from relay(
        stage, clock, phase, (low, _MEASURE_FROM), lambda s: replace(begun, field=s.field())
    )
    return replace(begun, field=field, unrefined=None if first is None else begun)


def _deforms_from(config: RegistrationConfig) -> float:
    return 0.0 if config.affine == "none" else _AFFINE_SHARE


def _measure(task: Task, result: Registration, base: Registration, clock: Clock) -> Run:
    """The result with its numbers, and with those of the network alone where it was refined."""
    first, span = result.unrefined, (_MEASURE_FROM, 1.0)
    if first is not None:
        middle = (_MEASURE_FROM + 1.0) / 2
        stage = measuring(first, base, task.fixed_mask)
        place, span = (_MEASURE_FROM, middle), (middle, 1.0)
        metrics = yield from relay(stage, clock, "Measuring", place, lambda s: result)
        result = replace(result, unrefined=_with(first, metrics=metrics))
    shown = result
    stage = measuring(result, base, task.fixed_mask)
    metrics = yield from relay(stage, clock, "Measuring", span, lambda s: shown)
    return _with(result, metrics=metrics)


def _with(result: Registration, **changes: Any) -> Registration:
    """`dataclasses.replace` that keeps the moved image: it was made for the metrics."""
    changed = replace(result, **changes)
    if "moved" in result.__dict__:
        changed.__dict__["moved"] = result.moved
    return changed


def _kept_if_better(begun: Registration, affine: Matrix) -> Matrix:
    """The pre-alignment found; for a stack of few slices, the start where that agrees better.

    Few slices hold too little across them to pin a 3-D rotation: the search can slide off.
    """
    if begun.ndim == 2 or min(*begun.fixed.shape, *begun.moving.shape) >= _FEW_SLICES:
        return affine
    found = quality(replace(begun, affine=affine), begun)
    worse = found["similarity_after"] < found["similarity_before"]
    return begun.affine if worse else affine
