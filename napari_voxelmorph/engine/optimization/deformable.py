"""The training-free deformable stage: a field found by multi-resolution ascent on similarity.

On each level: integrate the field, warp, take the force of the similarity, smooth it (fluid),
move with momentum at a bounded step, fold the step into the field, smooth the field (elastic).
A velocity takes the step in the log domain, ``v ← v + d + ½ [v, d]`` (log-demons, Vercauteren
et al., MICCAI 2008), so that the map stays ``exp(v)`` and its inverse ``exp(-v)``; a
displacement composes it, ``u ← d + u ∘ (id + d)``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.landmarks import LandmarkPairs
from napari_voxelmorph.engine.optimization.field_ops import CpuOps, Ops, TorchOps
from napari_voxelmorph.engine.optimization.landmark_pull import NO_PULLS, Pulls, pulls_of
from napari_voxelmorph.engine.optimization.starting_field import starting_field
from napari_voxelmorph.engine.optimization.terms import make_term
from napari_voxelmorph.engine.optimization.work_grid import Level, WorkGrid, prepare

# Tuned on oasis_brains (benchmarks/NOTES.md); lengths in cells of the level's field,
# coarsest first, the last one repeated on the finest levels.
_STEPS = (0.35, 0.25, 0.2)
#: Times such a step, the longest that is taken anywhere.
_CAP = 1.5
_FIELD_SIGMA = (0.8, 0.6, 0.43)
_FORCE_SIGMA = 1.0
#: In 2-D smoothing averages over fewer neighbours: so much stiffer there.
_FLAT_STIFFNESS = 1.5
_MOMENTUM = 0.7
_REFERENCE_EVERY = 5
#: Landmarks have settled when they come nearer by less than this (cells) over ten steps.
_STILL_CLOSING = 0.02


@dataclass(frozen=True)
class DeformStep:
    """One iteration: where it stands, and the field so far on request."""

    level: str
    fraction: float
    similarity: float
    field: Callable[[], Field]


Steps = Generator[DeformStep, None, Field]


def deform(
    fixed: Volume,
    moving: Volume,
    affine: Matrix,
    config: RegistrationConfig,
    *,
    device: torch.device,
    fixed_mask: Volume | None = None,
    moving_mask: Volume | None = None,
    start: Field | None = None,
    stopped: Callable[[], bool] = lambda: False,
    grid: WorkGrid | None = None,
    last: bool = False,
    landmarks: LandmarkPairs | None = None,
) -> Steps:
    """Find the field that makes the moving image, after `affine`, look like the fixed one.

    Yields after every iteration; returns the field with the best similarity of the finest
    level that ran.  Closing the generator stops it.

    Parameters
    ----------
    start : Field, optional
        To begin with instead of zero; of the kind that ``config.transform`` names.
    stopped : callable
        Asked after every iteration; once it says True, the best field so far is returned.
    grid : WorkGrid, optional
        The pair as `work_grid.prepare` made it, for whoever deforms it many times.
    last : bool
        Return each level's last field, not its best: a stiffer field than the one it began
        from is never more similar.
    landmarks : LandmarkPairs, optional
        Pull the field with ``config.landmark_weight``; it then returns each level's last field, for
        what obeys the landmarks is seldom what is most similar.
    """
    if grid is None:
        grid = prepare(fixed, moving, affine, config, fixed_mask, moving_mask)
    ops: Ops = CpuOps() if device.type == "cpu" else TorchOps(device)
    count = len(config.iterations)
    costs = [n * 8.0**i for i, n in enumerate(config.iterations)]
    state: Any = None
    factors = np.ones(3, np.int64)
    for index, iterations in enumerate(config.iterations):
        if iterations == 0 and (state is not None or start is not None):
            continue
        if state is not None and stopped():
            break
        level = grid.level(index, count)
        if state is None and start is not None:
            state = starting_field(ops, start, grid, level)
        else:
            state = _carried(ops, state, factors, level)
        factors = level.factors * level.ratio
        done, share = sum(costs[:index]) / max(1.0, sum(costs)), costs[index] / max(1.0, sum(costs))
        number = _place(index, count)
        longest = _CAP * _STEPS[number]
        pulls = pulls_of(ops, landmarks, (fixed, affine), grid, level, config, longest)
        climb = _climb(ops, level, state, config, number, iterations, stopped, last, pulls)
        place = (done, share, iterations)
        state = yield from _tell(climb, grid, factors, config, ops, level, fixed.ndim, *place)
    if state is None and start is not None:
        return start
    return _field(ops, state, grid, factors, config, fixed.ndim)


def _tell(
    climb: Generator[tuple[float, Any], None, Any],
    grid: WorkGrid,
    factors: Any,
    config: RegistrationConfig,
    ops: Ops,
    level: Level,
    ndim: int,
    done: float,
    share: float,
    iterations: int,
) -> Generator[DeformStep, None, Any]:
    """Turn the bare iterations of a level into `DeformStep`s; return the level's best state."""
    count = 0
    while True:
        try:
            value, now = next(climb)
        except StopIteration as finished:
            return finished.value
        count += 1
        yield DeformStep(
            f"{level.spacing:.3g} mm",
            done + share * count / max(1, iterations),
            value,
            partial(_field, ops, now, grid, factors, config, ndim),
        )


def _climb(
    ops: Ops,
    level: Level,
    state: Any,
    config: RegistrationConfig,
    place: int,
    iterations: int,
    stopped: Callable[[], bool],
    last: bool = False,
    pulls: Pulls = NO_PULLS,
) -> Generator[tuple[float, Any], None, Any]:
    """The iterations of one level, from `state`; yields (similarity, state), returns the best
    (or the last)."""
    fixed, moving, weight = (ops.array(a) for a in (level.fixed, level.moving, level.weight))
    terms = [make_term(config, ops, fixed, moving, weight, level.ratio, place == 0)]
    if config.symmetric:
        terms.append(make_term(config, ops, moving, fixed, weight, level.ratio, place == 0))
    flat = level.fixed.shape[0] == 1
    stiffness = np.sqrt(config.smoothness * (_FLAT_STIFFNESS if flat else 1.0))
    force_sigma = _FORCE_SIGMA * max(1.0, stiffness) / level.cell
    field_sigma = _FIELD_SIGMA[place] * stiffness / level.cell
    velocity = config.transform == "velocity"
    momentum, reference = ops.zeros(tuple(state.shape)), 0.0
    best, best_value, history, apart = state, -np.inf, [], []
    for iteration in range(iterations):
        value, force, warps = _force(ops, terms, state, velocity)
        history.append(value)
        apart.append(pulls.apart(warps))
        if value > best_value:
            best, best_value = state, value
        if _settled(history, config.tolerance) and apart[-11] - apart[-1] < _STILL_CLOSING:
            break
        momentum = _MOMENTUM * momentum + (1 - _MOMENTUM) * ops.smooth(force, force_sigma)
        if iteration % _REFERENCE_EVERY == 0:
            now = ops.high_value(ops.length(momentum))
            # The last field is taken where landmarks pull: steps must calm down to it.
            reference = max(now, reference) if pulls else now
        if reference <= 0 and not pulls:
            break
        scale = np.float32(_STEPS[place] / reference if reference > 0 else 0.0)
        step = ops.capped(momentum * scale, _CAP * _STEPS[place])
        step = pulls.step(warps, step)
        moved = ops.add_with_bracket(state, step) if velocity else ops.compose(state, step)
        state = ops.smooth(moved, field_sigma)
        yield value, state
        if stopped():
            break
    if last or pulls:
        return state
    if iterations:
        value, _, _ = _force(ops, terms, state, velocity)
    return state if not iterations or value >= best_value else best


def _force(ops: Ops, terms: list[Any], state: Any, velocity: bool) -> tuple[float, Any, list[Any]]:
    """Similarity, force and the displacements of the warp.

    With a second term also of the inverse warp, whose force counts negatively (symmetric
    log-demons, Vercauteren et al. 2008: exp(v) and exp(-v)).
    """
    forward = ops.integrate(state) if velocity else state
    value, force = terms[0].force(forward, ops.zeros(tuple(state.shape)))
    if len(terms) == 1:
        return value, force, [forward]
    backward = ops.integrate(-state) if velocity else -state
    back_value, back_force = terms[1].force(backward, ops.zeros(tuple(state.shape)))
    return 0.5 * (value + back_value), 0.5 * (force - back_force), [forward, backward]


def _settled(history: list[float], tolerance: float) -> bool:
    """No better than `tolerance` (relative) over the last ten steps."""
    if len(history) < 21 or tolerance <= 0:
        return False
    before, now = max(history[:-10]), max(history[-10:])
    return now - before < tolerance * max(abs(before), 1e-6)


def _place(index: int, count: int) -> int:
    """Which entry of the tuned tables a level uses: the finest level takes the last."""
    return max(0, len(_STEPS) - (count - index))


def _carried(ops: Ops, state: Any, factors: Any, level: Level) -> Any:
    """The field of the level before, on this level's cells (zero to begin with)."""
    shape = level.field_shape
    if state is None:
        return ops.zeros((3, *shape))
    ratio = factors / (level.factors * level.ratio)
    if tuple(state.shape[1:]) == shape and (ratio == 1).all():
        return state
    carried = ops.resample(state, ratio, (ratio - 1) / 2, shape)
    return carried * ops.array(ratio.astype(np.float32).reshape(3, 1, 1, 1))


def _field(
    ops: Ops, state: Any, grid: WorkGrid, factors: Any, config: RegistrationConfig, ndim: int
) -> Field:
    """The optimiser's state as a `Field` on the fixed image's axes."""
    data = ops.numpy(state)
    scale = grid.step * factors
    offset = grid.origin + grid.step * (factors - 1) / 2
    kind = "velocity" if config.transform == "velocity" else "displacement"
    data = data if ndim == 3 else data[1:, 0]
    return Field(data.copy(), scale[3 - ndim :], offset[3 - ndim :], kind)  # type: ignore[arg-type]
