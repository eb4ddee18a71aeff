"""One pair on its way through the levels: many starts on the coarsest, one climb on each."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.optimization.ascent import YIELDS, Similarity, climb
from napari_voxelmorph.engine.optimization.joint_histogram import MutualInformation
from napari_voxelmorph.engine.optimization.rigid_motion import generators
from napari_voxelmorph.engine.optimization.sampling import Level, draw_samples
from napari_voxelmorph.engine.optimization.starts import (
    FAR_HANDICAP,
    best_apart,
    candidate_maps,
    content_of,
)
from napari_voxelmorph.engine.optimization.two_way import TwoWay
from napari_voxelmorph.engine.optimization.window_correlation import WindowCorrelation

Float64 = NDArray[np.float64]
Kind = Literal["affine", "rigid"]
Measure = Literal["mi", "lncc"]

#: At most so many samples on a level, fine to coarse.
SAMPLES = [120_000, 60_000, 20_000]
ITERATIONS = [12, 20, 30]
#: Images that correlate more than this are the same image.
_THE_SAME = 0.99
#: Voxels; rounding puts places at the edge a little outside.
_EDGE = 1e-3
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


@dataclass
class Alignment:
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
        self.radius = self.contents[0].radius
        self.frame, self.moving_frame = (content.frame for content in self.contents)
        volumes = [abs(np.linalg.det(v[-1].affine)) * v[-1].image.size for v in (fixed, moving)]
        #: The position that was given, unturned; known from `search` on.
        self.begin = np.eye(4)
        self.least_overlap = 0.2 * min(1.0, volumes[1] / volumes[0])

    def information(self, level: int, backward: bool = False) -> MutualInformation:
        """Mutual information on one level, seen from the fixed (or the moving) image."""
        images, frame = self._seen(level, backward)
        to_frame = np.linalg.inv(frame)
        samples = draw_samples(images[0], to_frame, SAMPLES[level])
        return MutualInformation(samples, images[1])

    def correlation(self, level: int, backward: bool = False) -> WindowCorrelation:
        """Local correlation on one level, seen from the fixed (or the moving) image."""
        images, frame = self._seen(level, backward)
        to_frame = np.linalg.inv(frame)
        return WindowCorrelation(*images, to_frame, 2 * SAMPLES[level], self.ndim)

    def _seen(self, level: int, backward: bool) -> tuple[tuple[Level, Level], Float64]:
        fixed, moving = self.fixed[level], self.moving[level]
        return ((moving, fixed), self.moving_frame) if backward else ((fixed, moving), self.frame)

    def search(self, start: str | Float64) -> Steps:
        """Score many maps on the coarsest level, climb from the best few, keep the best."""
        compare = self.information(len(self.sizes) - 1)
        maps, is_far = candidate_maps(*self.contents, start, self.ndim)
        self.begin = maps[0]
        scores = []
        batches = np.array_split(maps, max(1, len(maps) // 40))
        for n, batch in enumerate(batches):
            scores.append(compare.scores(batch @ self.frame))
            yield self.step(maps[0], None, 0.04 + 0.16 * n / len(batches), "Searching")
        ranks = self._ranks(np.concatenate(scores), is_far)
        if ranks.max() <= 0:
            raise InputError(
                "The two images do not overlap where the search begins, so there is nothing to "
                "compare. Start from “auto” or “centers”, or place them over each other first."
            )
        chosen = best_apart(maps, ranks, self.contents[0].center, 0.15 * self.radius, KEPT)
        climbed = maps[chosen]
        for n, index in enumerate(chosen):
            for map_, _ in self.climb(compare, maps[index], "rigid", 12):
                climbed[n] = map_
                yield self.step(climbed[0], None, 0.2 + 0.2 * n / len(chosen), "Searching")
        ranks = self._ranks(compare.scores(climbed @ self.frame), is_far[chosen])
        return np.asarray(climbed[np.argmax(ranks)])

    def _ranks(self, scores: Float64, is_far: NDArray[np.bool_]) -> Float64:
        """One number per map: the information that the used samples give, over all samples."""
        information, overlap = scores.T
        ranks = information * overlap * np.where(is_far, FAR_HANDICAP, 1.0)
        return np.where(overlap < self.least_overlap, -1.0, ranks)

    def refine(self, start: Float64, level: int) -> Steps:
        """Climb on one level, on the similarity asked for, seen from both images.

        Both similarities gain a little where contrast grows, so that equal images come out a
        tenth of a voxel apart.  The finest level ends at the position given in the beginning
        where the images are the same there, and no less than after the climb.
        """
        done = 1.0 - 0.6 * (level + 1) / len(self.sizes)
        best, name = start, f"Aligning at {self.sizes[level]:.2g} mm"
        one_way = self.information if self.measure == "mi" else self.correlation
        forward = one_way(level)
        yield self.step(best, None, done, name)
        compare = TwoWay(forward, one_way(level, True), self.frame, self.moving_frame)
        steps = self.climb(compare, start, self.kind, ITERATIONS[level])
        for n, (best, value) in enumerate(steps):
            share = min(1.0, n / (YIELDS * ITERATIONS[level]))
            yield self.step(best, value, done + share * 0.6 / len(self.sizes), name)
        if level == 0:
            unmoved = self.same_as(self.begin)
            if unmoved > _THE_SAME and unmoved >= self.same_as(best):
                return self.begin
        return best

    def same_as(self, map_: Float64) -> float:
        """Correlation of all intensities under a world map; -1 where too little overlaps."""
        fixed, moving = self.fixed[0], self.moving[0]
        step = max(1, round((fixed.image.size / SAMPLES[0]) ** (1 / self.ndim)))
        sampled = tuple(slice(0, n, step) for n in fixed.image.shape)
        voxels = np.stack([i.ravel() for i in np.mgrid[sampled]]).astype(np.float64)
        matrix = np.linalg.inv(moving.affine) @ map_ @ fixed.affine
        there = matrix[:3, :3] @ voxels + matrix[:3, 3:]
        limits = np.array(moving.image.shape)[:, None] - 1
        inside = ((there > -_EDGE) & (there < limits + _EDGE)).all(axis=0)
        if inside.mean() <= self.least_overlap:
            return -1.0
        values = fixed.image[sampled].ravel()[inside]
        seen = map_coordinates(moving.image, there[:, inside], order=1, mode="nearest")
        if values.std() == 0 or seen.std() == 0:
            return -1.0
        return float(np.corrcoef(values, seen)[0, 1])

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
        return AffineStep(cut(map_, self.ndim), value, fraction, level)


def cut(matrix: Float64, ndim: int) -> Float64:
    """The (ndim + 1, ndim + 1) matrix of an embedded one."""
    return matrix[3 - ndim :, 3 - ndim :].copy()
