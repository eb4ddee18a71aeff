"""Affine and rigid alignment of two volumes, from any start, without training.

Several resolutions, coarse to fine.  On the coarsest one many positions and rotations are
scored, the best few are climbed from, and the winner is refined: rigid first, then affine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume, check_affine
from napari_voxelmorph.engine.optimization.ascent import Similarity, climb
from napari_voxelmorph.engine.optimization.joint_histogram import MutualInformation
from napari_voxelmorph.engine.optimization.rigid_motion import generators
from napari_voxelmorph.engine.optimization.sampling import (
    Level,
    draw_samples,
    embed,
    pyramid,
)
from napari_voxelmorph.engine.optimization.starts import (
    FAR_HANDICAP,
    best_apart,
    candidate_maps,
    content_of,
)
from napari_voxelmorph.engine.optimization.window_correlation import WindowCorrelation

Float64 = NDArray[np.float64]
Kind = Literal["affine", "rigid"]
Measure = Literal["mi", "lncc"]
Start = Literal["auto", "header", "centers"]

#: Voxel sizes (mm) of the levels for content of 200 mm, fine to coarse.
SIZES = {3: [2.0, 4.0, 8.0], 2: [1.0, 2.0, 4.0]}
#: At most so many samples on a level, fine to coarse.
SAMPLES = [200_000, 100_000, 20_000]
ITERATIONS = [12, 20, 30]
#: So many of the best starts are climbed from.
KEPT = 10


@dataclass(frozen=True)
class AffineStep:
    """State of an alignment in progress.

    Attributes
    ----------
    matrix : ndarray (D + 1, D + 1)
        Best map so far, fixed world to moving world (mm).
    similarity : float or None
        Its similarity on the current level (larger is better); None while searching.
    fraction : float
        Share of the work done, 0 ... 1.
    level : str
        What is being done, in plain words.
    """

    matrix: Float64
    similarity: float | None
    fraction: float
    level: str


Steps = Generator[AffineStep, None, Float64]


def align(
    fixed: Volume,
    moving: Volume,
    *,
    kind: Kind = "affine",
    similarity: Measure = "mi",
    start: str | Float64 = "auto",
    fixed_mask: NDArray[Any] | Volume | None = None,
    moving_mask: NDArray[Any] | Volume | None = None,
) -> Steps:
    """Find the affine (or rigid) map that takes the fixed image's places to the moving image's.

    Parameters
    ----------
    fixed, moving : Volume
        Both 2-D or both 3-D, on any grids.
    kind : "affine" or "rigid"
        Rigid: rotation and translation only.
    similarity : "mi" or "lncc"
        Mutual information suits any two contrasts; local correlation suits equal ones.
    start : "auto", "header", "centers" or ndarray (D + 1, D + 1)
        "auto" tries the positions of the headers, of the image centres and of the centres
        of the content, with rotations, and keeps the best.  A matrix is fixed world to
        moving world.  All but "auto" keep the position given and try rotations near by.
    fixed_mask, moving_mask : array or Volume, optional
        On the grid of the image; only what is not zero counts.

    Yields
    ------
    AffineStep
        After every iteration.  Closing the generator stops at once.

    Returns
    -------
    ndarray (D + 1, D + 1)
        Fixed world to moving world, RAS mm (as ``StopIteration.value``).

    Raises
    ------
    InputError
        On unlike numbers of axes, NaN or constant images, masks of another grid or empty.
    """
    _check(fixed, moving, kind, similarity, start)
    ndim = fixed.ndim
    base = start if isinstance(start, str) else embed(np.array(start, dtype=np.float64))
    yield AffineStep(_cut(_first(base), ndim), None, 0.0, "Preparing")
    sizes = _sizes(fixed, moving)
    moving_levels = pyramid(moving, _as_mask(moving_mask), sizes)
    yield AffineStep(_cut(_first(base), ndim), None, 0.03, "Preparing")
    fixed_levels = pyramid(fixed, _as_mask(fixed_mask), sizes)
    job = _Alignment(fixed_levels, moving_levels, ndim, kind, similarity, sizes)
    best = yield from job.search(base)
    for level in reversed(range(len(sizes))):
        best = yield from job.refine(best, level)
    return _cut(best, ndim)


@dataclass
class _Alignment:
    """One pair on its levels (fine to coarse), and the frame in which it is aligned."""

    fixed: list[Level]
    moving: list[Level]
    ndim: int
    kind: Kind
    measure: Measure
    sizes: list[float]

    def __post_init__(self) -> None:
        fixed, moving = self.fixed, self.moving
        self.contents = content_of(fixed[-1]), content_of(moving[-1])
        center, self.radius = self.contents[0].center, self.contents[0].radius
        self.frame = np.diag([self.radius] * 3 + [1.0])
        self.frame[:3, 3] = center
        volumes = [abs(np.linalg.det(v[-1].affine)) * v[-1].image.size for v in (fixed, moving)]
        self.least_overlap = 0.2 * min(1.0, volumes[1] / volumes[0])

    def information(self, level: int) -> MutualInformation:
        """Mutual information on one level."""
        to_frame = np.linalg.inv(self.frame)
        samples = draw_samples(self.fixed[level], to_frame, SAMPLES[level])
        return MutualInformation(samples, self.moving[level])

    def compare(self, level: int) -> Similarity:
        """The similarity asked for, on one level."""
        if self.measure == "mi":
            return self.information(level)
        to_frame = np.linalg.inv(self.frame)
        pair = self.fixed[level], self.moving[level]
        return WindowCorrelation(*pair, to_frame, 2 * SAMPLES[level], self.ndim)

    def search(self, start: str | Float64) -> Steps:
        """Score many maps on the coarsest level, climb from the best few, keep the best."""
        compare = self.information(len(self.sizes) - 1)
        maps, is_far = candidate_maps(*self.contents, start, self.ndim)
        scores = []
        batches = np.array_split(maps, max(1, len(maps) // 40))
        for n, batch in enumerate(batches):
            scores.append(compare.scores(batch @ self.frame))
            yield self.step(maps[0], None, 0.04 + 0.16 * n / len(batches), "Searching")
        information, overlap = np.concatenate(scores).T
        ranks = information * overlap * np.where(is_far, FAR_HANDICAP, 1.0)
        ranks[overlap < self.least_overlap] = -1.0
        chosen = best_apart(maps, ranks, self.contents[0].center, 0.15 * self.radius, KEPT)
        best, best_value = maps[chosen[0]], -np.inf
        for n, index in enumerate(chosen):
            handicap = FAR_HANDICAP if is_far[index] else 1.0
            for map_, value in self.climb(compare, maps[index], "rigid", 12):
                if value * handicap > best_value:
                    best, best_value = map_, value * handicap
                yield self.step(best, None, 0.2 + 0.2 * n / len(chosen), "Searching")
        return np.asarray(best)

    def refine(self, start: Float64, level: int) -> Steps:
        """Climb on one level."""
        done = 1.0 - 0.6 * (level + 1) / len(self.sizes)
        best, name = start, f"Aligning at {self.sizes[level]:.2g} mm"
        steps = self.climb(self.compare(level), start, self.kind, ITERATIONS[level])
        for n, (best, value) in enumerate(steps):
            share = min(1.0, n / ITERATIONS[level])
            yield self.step(best, value, done + share * 0.6 / len(self.sizes), name)
        return best

    def climb(
        self, compare: Similarity, start: Float64, kind: Kind, iterations: int
    ) -> Iterator[tuple[Float64, float]]:
        """`ascent.climb` on world maps."""
        back = np.linalg.inv(self.frame)
        steps = climb(
            compare,
            start @ self.frame,
            generators(self.ndim, kind),
            iterations=iterations,
            least_step=1e-3,
            least_overlap=self.least_overlap,
        )
        return ((map_ @ back, value) for map_, value in steps)

    def step(self, map_: Float64, value: float | None, fraction: float, level: str) -> AffineStep:
        """What the caller sees."""
        return AffineStep(_cut(map_, self.ndim), value, fraction, level)


def _check(fixed: Volume, moving: Volume, kind: str, similarity: str, start: str | Float64) -> None:
    if fixed.ndim != moving.ndim:
        raise InputError(
            f"“{fixed.name}” is {fixed.ndim}-D and “{moving.name}” is {moving.ndim}-D. "
            "Align two images with the same number of axes."
        )
    if kind not in get_args(Kind):
        raise InputError(f"align: kind must be one of {get_args(Kind)}, got {kind!r}.")
    if similarity not in get_args(Measure):
        raise InputError(
            f"align: similarity must be one of {get_args(Measure)}, got {similarity!r}."
        )
    if isinstance(start, str):
        if start not in get_args(Start):
            raise InputError(
                f"align: start must be one of {get_args(Start)} or a matrix, got {start!r}."
            )
    else:
        check_affine(np.asarray(start, dtype=np.float64), fixed.ndim, "start")


def _sizes(fixed: Volume, moving: Volume) -> list[float]:
    extent = min(np.max(np.multiply(v.shape, v.spacing)) for v in (fixed, moving))
    finest = max(min(fixed.spacing), min(moving.spacing))
    sizes = [size * extent / 200.0 for size in SIZES[fixed.ndim]]
    return [size for size in sizes if size > 0.75 * finest] or sizes[-1:]


def _as_mask(mask: NDArray[Any] | Volume | None) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    return np.asarray(np.asarray(mask.data if isinstance(mask, Volume) else mask) != 0)


def _first(start: str | Float64) -> Float64:
    return start if isinstance(start, np.ndarray) else np.eye(4)


def _cut(matrix: Float64, ndim: int) -> Float64:
    """The (ndim + 1, ndim + 1) matrix of an embedded one."""
    return matrix[3 - ndim :, 3 - ndim :].copy()
