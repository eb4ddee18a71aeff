"""The pair as the field optimiser sees it: one cropped grid, several resolutions.

The moving image is brought onto the fixed grid's axes once, through the affine (cubic), so
that both images share a grid while the field is found.  The *result* never uses this copy:
it resamples the original moving image once, through affine and field together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.optimization.grid_sampler import Sampler, block_mean

Array = NDArray[np.float32]
Ints = NDArray[np.int64]
#: Voxels kept around the content, so that the field can fade out.
_MARGIN = 6
#: No level has fewer voxels than this along an axis that is longer.
_SMALLEST_AXIS = 8
#: Fewer common voxels than this say nothing.
_FEWEST = 8
#: Below this many voxels the field is as fine as the image: 2-D, 3-D.
_SMALL_IMAGE = {2: 4_000, 3: 20_000}


@dataclass(frozen=True)
class Level:
    """Both images on one level, in 3-D arrays (2-D: one slice thick).

    Parameters
    ----------
    fixed, moving, weight : (Z, Y, X) float32
        Normalised intensities, and 1 where voxels count.
    factors : (3,) int64
        Voxels of the work grid per voxel of this level.
    ratio : (3,) int64
        Voxels of this level per cell of the field.
    cell : (3,) float64
        Size of a field cell, in units of the smallest one that the tuning assumes: for
        smoothing equal in mm.
    spacing : float
        Finest voxel side on this level, mm (for people).
    """

    fixed: Array
    moving: Array
    weight: Array
    factors: Ints
    ratio: Ints
    cell: NDArray[np.float64]
    spacing: float

    @property
    def field_shape(self) -> tuple[int, int, int]:
        """Cells of the field on this level."""
        a, b, c = (-(-n // int(r)) for n, r in zip(self.fixed.shape, self.ratio, strict=True))
        return a, b, c


@dataclass(frozen=True)
class WorkGrid:
    """The shared grid: work voxel ``w`` is fixed voxel ``origin + step · w`` (3-D padded)."""

    fixed: Array
    moving: Array
    weight: Array
    origin: NDArray[np.float64]
    step: NDArray[np.float64]
    spacing: NDArray[np.float64]

    def level(self, index: int, count: int) -> Level:
        """Level `index` of `count`, 0 the coarsest; each is twice as fine as the one before."""
        finest = float(self.spacing[np.array(self.fixed.shape) > 1].min())
        factors = self._factors(finest * 2 ** (count - 1 - index))
        coarse = factors
        finest_field = self._factors(finest * 2) if index == count - 1 else factors
        if self.fixed.size > _SMALL_IMAGE[2 if self.fixed.shape[0] == 1 else 3]:
            coarse = finest_field
        cells = self.spacing * coarse
        # A field finer than the tuning assumes is smoothed over as many millimetres.
        tuned = self.spacing * finest_field
        return Level(
            block_mean(self.fixed, factors),
            block_mean(self.moving, factors),
            (block_mean(self.weight, factors) > 0.5).astype(np.float32),
            factors,
            coarse // factors,
            cells / tuned[np.array(self.fixed.shape) > 1].min(),
            float((self.spacing * factors)[np.array(self.fixed.shape) > 1].min()),
        )

    def _factors(self, target: float) -> Ints:
        factors = []
        for n, size in zip(self.fixed.shape, self.spacing, strict=True):
            wanted = 2 ** int(np.rint(np.log2(max(1.0, target / size))))
            factors.append(max(1, min(wanted, 2 ** int(np.log2(max(1, n // _SMALLEST_AXIS))))))
        return np.array(factors, np.int64)


def prepare(
    fixed: Volume,
    moving: Volume,
    affine: Matrix,
    config: RegistrationConfig,
    fixed_mask: Volume | None = None,
    moving_mask: Volume | None = None,
) -> WorkGrid:
    """Crop to the content, bring the moving image over, normalise both."""
    spacing = np.array([1.0] * (3 - fixed.ndim) + list(fixed.spacing))
    step = np.maximum(1.0, config.resolution / spacing) if config.resolution else np.ones(3)
    step[: 3 - fixed.ndim] = 1.0
    shape3 = np.array([1] * (3 - fixed.ndim) + list(fixed.shape))
    # However coarse a grid is asked for, something is left of a small image.
    step = np.minimum(step, np.maximum(1.0, shape3 / _SMALLEST_AXIS))
    shape = np.maximum(1, np.ceil(shape3 / step)).astype(int)
    whole = Sampler(fixed, moving, affine, (step - 1) / 2, step, tuple(shape))
    images = [whole.fixed(fixed), whole.moving(moving)]
    covered = whole.moving(moving.with_data(np.ones(moving.shape, np.float32)), order=1)
    whole.extend(moving, covered, images[1])
    weight = (covered > 0.5).astype(np.float32)
    if fixed_mask is not None:
        weight *= whole.fixed(fixed_mask, order=0) > 0
    if moving_mask is not None:
        weight *= whole.moving(moving_mask, order=0) > 0
    if not weight.any():
        raise InputError(
            "After pre-alignment the images (within their masks) do not overlap. Choose another "
            "“Start from”, place the moving image by hand, or check the masks."
        )
    content = (foreground(images[0]) | foreground(images[1])) & (covered > 0)
    box = _box(content if content.any() else covered > 0)
    cut = tuple(slice(a, b) for a, b in box)
    inside = content[cut]
    arrays = [np.ascontiguousarray(_normalised(a[cut], inside)) for a in images]
    if weight[cut].sum() < _FEWEST:
        raise InputError(
            f"The images (within their masks) share {int(weight[cut].sum())} voxels only, too few "
            "to compare. Choose a larger mask, or none."
        )
    origin = (step - 1) / 2 + step * np.array([a for a, _ in box])
    return WorkGrid(
        arrays[0], arrays[1], np.ascontiguousarray(weight[cut]), origin, step, spacing * step
    )


def foreground(image: Array) -> NDArray[np.bool_]:
    """Everything that is not one constant background (skull-stripped scans); else all of it."""
    background = float(image.flat[0])
    corners = image[
        :: max(1, image.shape[0] - 1), :: max(1, image.shape[1] - 1), :: max(1, image.shape[2] - 1)
    ]
    if not (corners == background).all():
        background = float(image.min())
    is_background = np.abs(image - background) <= 1e-6 * float(np.ptp(image))
    if is_background.mean() < 0.1:
        return np.ones(image.shape, bool)
    return np.asarray(~is_background)


def _box(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(
            (max(0, int(hit[0]) - _MARGIN), min(mask.shape[axis], int(hit[-1]) + 1 + _MARGIN))
        )
    return box


def _normalised(image: Array, inside: NDArray[np.bool_]) -> Array:
    """Zero mean, unit deviation over the content, far outliers clipped (bright vessels, metal)."""
    values = image[inside] if inside.any() else image.reshape(-1)
    some = values[:: max(1, values.size // 200_000)]
    # No interpolation: in a small image it would let half an outlier in.
    low = float(np.percentile(some, 0.05, method="higher"))
    high = float(np.percentile(some, 99.95, method="lower"))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    # In double precision, and clipped like the image: one hot voxel must not hide the rest.
    seen = np.clip(values, low, high)
    mean = float(seen.mean(dtype=np.float64))
    deviation = float(seen.std(dtype=np.float64)) or 1.0
    clipped = np.clip(image, min(low, float(image.flat[0])), high)
    return ((clipped - mean) / deviation).astype(np.float32)
