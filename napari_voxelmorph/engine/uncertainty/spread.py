"""How far apart the answers lie, voxel by voxel: what every way of measuring it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.field import Field, block_of, pad_3d
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.uncertainty.structures import Structures

Array = NDArray[np.float32]
#: closed form: from the model's posterior, without sampling.  samples: drawn from it.
#: perturbations: registered again from slightly other starts.
Source = Literal["closed form", "samples", "perturbations"]
#: The pairs of axes of the six numbers of a symmetric matrix.
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
_SMALL = 600_000


@dataclass(frozen=True, eq=False)
class Spread:
    """Covariance of where a voxel goes, on the grid of the field.

    It is the spread of the answers, not their error.  The pre-alignment is taken as certain.

    Parameters
    ----------
    covariance : ndarray (6, *S3) float32
        mm², in the world axes of the fixed image, `PAIRS` of axes; in 2-D the first axis is
        empty (S3 one slice thick).
    scale, offset : ndarray (D,)
        Where its grid lies in the fixed image, as in `Field`.
    source : see `Source`.
    samples : int
        Answers that it was taken from; 0 for the closed form.
    folding : ndarray (*S3) float32, optional
        Share of the answers that fold there (central differences).
    structures : Structures, optional
        What it means for a segmentation.
    """

    covariance: Array
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    source: Source
    samples: int = 0
    folding: Array | None = None
    structures: Structures | None = None

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.scale)

    @cached_property
    def deviation(self) -> Array:
        """Standard deviation (mm) per direction, ``√(trace / D)``, on the field's grid (*S3)."""
        trace = self.covariance[0] + self.covariance[3] + self.covariance[5]
        return np.asarray(np.sqrt(np.maximum(trace, 0) / self.ndim), np.float32)

    @cached_property
    def _shown(self) -> Array:
        """What is sampled for pictures: deviation, share of folding, and nothing."""
        zero = np.zeros_like(self.deviation)
        return np.stack([self.deviation, zero if self.folding is None else self.folding, zero])

    def deviation_block(self, index: tuple[Any, ...] | None, fixed: Volume) -> Array:
        """Standard deviation (mm) for a block of the fixed grid, see `Registration`."""
        return np.asarray(self._block(index, fixed)[0], np.float32)

    def folding_block(self, index: tuple[Any, ...] | None, fixed: Volume) -> Array:
        """Share of the answers that fold, for a block of the fixed grid."""
        return np.asarray(self._block(index, fixed)[1], np.float32)

    def _block(self, index: tuple[Any, ...] | None, fixed: Volume) -> Array:
        start, step, shape = block_of(index, fixed.shape)
        out = np.empty((3, *pad_3d(shape, 1)), np.float32)
        place = [
            np.array(pad_3d(values, lead), np.float64)
            for values, lead in ((self.scale, 1.0), (self.offset, 0.0), (start, 0.0), (step, 1.0))
        ]
        if out.size > _SMALL:
            run_slabs(kernels.sample_field, out.shape[1], self._shown, *place, out)
        else:
            kernels.sample_field(self._shown, *place, out, 0, out.shape[1])  # type: ignore[call-arg]
        return out.reshape(3, *shape)

    def covariance_at(self, points: NDArray[np.float64], fixed: Volume) -> NDArray[np.float64]:
        """Covariance (N, D, D), mm², at points (N, D) of the fixed world."""
        ndim = self.ndim
        points = np.asarray(points, np.float64).reshape(-1, ndim)
        inverse = np.linalg.inv(fixed.affine)
        voxels = points @ inverse[:-1, :-1].T + inverse[:-1, -1]
        local = np.zeros((len(points), 3))
        local[:, 3 - ndim :] = (voxels - self.offset) / self.scale
        found = np.empty((6, len(points)), np.float32)
        for half in (slice(0, 3), slice(3, 6)):
            out = np.empty((len(points), 3), np.float32)
            kernels.sample_points(
                np.ascontiguousarray(self.covariance[half]), local, out, 0, len(points)
            )
            found[half] = out.T
        matrix = np.empty((len(points), 3, 3))
        for numbers, (i, j) in zip(found, PAIRS, strict=True):
            matrix[:, i, j] = matrix[:, j, i] = numbers
        return matrix[:, 3 - ndim :, 3 - ndim :]

    def summary(self, fixed: Volume, limit: float | None = None) -> dict[str, float]:
        """Figures over the image's content (what is brighter than its background).

        Returns
        -------
        dict
            ``median_mm``, ``p95_mm`` and, with a limit (mm), ``above_percent``.
        """
        step = max(1, int((np.prod(fixed.shape) / 300_000) ** (1 / fixed.ndim)))
        index = tuple(slice(0, None, step) for _ in fixed.shape)
        data = np.asarray(fixed.data[index], np.float32)
        low, high = float(data.min()), float(np.percentile(data, 99.5))
        inside = data > low + 0.1 * (high - low)
        values = self.deviation_block(index, fixed)
        values = values[inside] if inside.any() else values.ravel()
        found = {
            "median_mm": float(np.median(values)),
            "p95_mm": float(np.percentile(values, 95)),
        }
        if limit is not None:
            found["above_percent"] = 100 * float((values > limit).mean())
        return found


@dataclass(frozen=True)
class SpreadStep:
    """One step of a long measurement; `partial` gives the spread so far."""

    words: str
    fraction: float
    partial: Callable[[], Spread] | None = None


def to_millimetres(field: Field, fixed: Volume) -> Matrix:
    """(3, 3): a displacement in voxels of the field's grid to mm in the fixed world."""
    ndim = field.ndim
    matrix = np.zeros((3, 3))
    matrix[3 - ndim :, 3 - ndim :] = fixed.affine[:-1, :-1] * field.scale
    return matrix
