"""Quasi-Newton ascent of a similarity over rigid or affine maps.

The similarity supplies a first curvature, which gets the proportions between rotations,
shifts and strains right but, the images being unlike, overrates the whole.  Its size is
set by the first step and its detail by BFGS updates (Nocedal and Wright, chapter 6).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.optimization.rigid_motion import move

Float64 = NDArray[np.float64]

#: Longest step of one iteration: radians, or shares of the radius of the content.
LONGEST_STEP = 0.25
#: Shortenings of a step before the direction is given up.
TRIALS = 6
#: `climb` yields about so often per iteration: after every look at the images.
YIELDS = 4


class Similarity(Protocol):
    """What an image comparison offers to the optimiser (larger is better)."""

    def value(self, map_: Float64) -> tuple[float, float]:
        """Similarity, and the share of the samples that could be compared."""
        ...

    def slopes(self, map_: Float64, directions: Float64) -> Iterator[tuple[Float64, Float64]]:
        """Gradients (P,) and curvatures (P, P), at the map that `value` saw last.

        Their mean is the slope: of one or two images, so that a run can stop in between.
        """
        ...


def climb(
    similarity: Similarity,
    start: Float64,
    directions: Float64,
    *,
    iterations: int,
    least_step: float,
    least_overlap: float,
) -> Iterator[tuple[Float64, float]]:
    """Improve a map step by step.

    Parameters
    ----------
    start : ndarray (4, 4)
        Normalised fixed frame to moving world.
    directions : ndarray (P, 4, 4)
        From `rigid_motion.generators`.
    least_step : float
        Stop when the step is shorter than this (normalised units).
    least_overlap : float
        Maps that use a smaller share of the samples are refused.

    Yields
    ------
    (map, value) : the best so far, after every look at the images; the last one yielded is
        the result.
    """
    best = start
    value, _ = similarity.value(best)
    yield best, value
    gradient, curvature = yield from _slope(similarity, best, directions, value)
    model, fresh = _safe(curvature), True
    for _ in range(iterations):
        step = _capped(np.linalg.solve(model, gradient))
        for _ in range(TRIALS):
            trial = move(best, step, directions)
            trial_value, overlap = similarity.value(trial)
            yield best, value
            good = trial_value > value + 1e-4 * float(step @ gradient)
            good = good and overlap >= least_overlap and _is_sane(trial, start)
            if good or np.linalg.norm(step) < least_step:
                break
            step = step * 0.4
        if not good and fresh:
            return
        if not good:  # forget what was learnt, once
            similarity.value(best)
            gradient, curvature = yield from _slope(similarity, best, directions, value)
            model, fresh = _safe(curvature), True
            continue
        gain, value, best = trial_value - value, trial_value, trial
        yield best, value
        if np.linalg.norm(step) < least_step or gain < 1e-6 * abs(value):
            return
        before = gradient
        gradient, _ = yield from _slope(similarity, best, directions, value)
        model, fresh = _updated(model, step, before - gradient, fresh), False


def _slope(
    similarity: Similarity, map_: Float64, directions: Float64, value: float
) -> Generator[tuple[Float64, float], None, tuple[Float64, Float64]]:
    """The mean of the slopes, with a yield after each."""
    parts = []
    for part in similarity.slopes(map_, directions):
        parts.append(part)
        yield map_, value
    gradients, curvatures = zip(*parts, strict=True)
    return np.mean(gradients, axis=0), np.mean(curvatures, axis=0)


def _updated(model: Float64, step: Float64, change: Float64, fresh: bool) -> Float64:
    """The BFGS update of a positive definite model; a fresh model is rescaled first."""
    bent, slack = float(step @ change), float(step @ model @ step)
    if bent < 0.05 * slack:  # nearly straight or bent upwards: longer steps, same proportions
        return np.asarray(model * 0.3) if fresh else model
    if fresh:
        model = model * (bent / slack)
    pushed = model @ step
    return np.asarray(
        model + np.outer(change, change) / bent - np.outer(pushed, pushed) / (step @ pushed)
    )


def _safe(curvature: Float64) -> Float64:
    diagonal = np.diag(curvature)
    return np.asarray(curvature + np.diag(1e-2 * diagonal + 1e-4 * diagonal.max() + 1e-30))


def _capped(step: NDArray[Any]) -> Float64:
    longest = float(np.abs(step).max())
    return np.asarray(step * min(1.0, LONGEST_STEP / max(longest, 1e-30)))


def _is_sane(trial: Float64, start: Float64) -> bool:
    """Whether no direction is stretched or squeezed more than threefold since the start."""
    stretches = np.linalg.svd(np.linalg.solve(start, trial)[:3, :3], compute_uv=False)
    return bool(stretches.max() < 3 and stretches.min() > 1 / 3)
