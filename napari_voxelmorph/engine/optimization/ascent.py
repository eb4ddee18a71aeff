"""Levenberg-Marquardt ascent of a similarity over rigid or affine maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.optimization.rigid_motion import move

Float64 = NDArray[np.float64]

#: Longest step of one iteration: radians, or shares of the radius of the content.
LONGEST_STEP = 0.25


class Similarity(Protocol):
    """What an image comparison offers to the optimiser (larger is better)."""

    def scores(self, maps: Float64) -> Float64: ...

    def value(self, map_: Float64) -> tuple[float, float]: ...

    def slope(self, map_: Float64, directions: Float64) -> tuple[Float64, Float64]: ...


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
    (map, value) : the best so far, after every iteration.
    """
    best, damping = start, 1e-2
    value, _ = similarity.value(best)
    yield best, value
    for _ in range(iterations):
        gradient, curvature = similarity.slope(best, directions)
        accepted = False
        for _ in range(8):
            step = _damped_step(gradient, curvature, damping)
            trial = move(best, step, directions)
            trial_value, overlap = similarity.value(trial)
            if trial_value > value and overlap >= least_overlap and _is_sane(trial, start):
                accepted = True
                break
            damping = max(damping * 6, 1e-3)
            if np.linalg.norm(step) < least_step:
                break
        if not accepted:
            return
        gain, value, best = trial_value - value, trial_value, trial
        damping *= 0.2
        yield best, value
        if np.linalg.norm(step) < least_step or gain < 1e-7 * abs(value):
            return


def _damped_step(gradient: Float64, curvature: Float64, damping: float) -> Float64:
    diagonal = np.diag(curvature)
    floor = 1e-6 * diagonal.max() + 1e-30
    matrix = curvature + np.diag(damping * diagonal + floor)
    step = np.linalg.solve(matrix, gradient)
    longest = float(np.abs(step).max())
    return np.asarray(step * min(1.0, LONGEST_STEP / max(longest, 1e-30)))


def _is_sane(trial: Float64, start: Float64) -> bool:
    """Whether no direction is stretched or squeezed more than threefold since the start."""
    stretches = np.linalg.svd(np.linalg.solve(start, trial)[:3, :3], compute_uv=False)
    return bool(stretches.max() < 3 and stretches.min() > 1 / 3)
