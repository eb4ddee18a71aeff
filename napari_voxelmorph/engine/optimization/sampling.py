"""From volumes to what the similarity kernels read, at several resolutions.

Everything is 3-D here: a 2-D image gets one leading slice.  Intensities are clipped at
robust percentiles and expressed in histogram bins, from 1 to less than N_BINS - 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume

N_BINS = 32
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """An image at one resolution.

    Attributes
    ----------
    image : float32 (nx, ny, nz)
        Intensities in bins.
    mask : bool, the same shape, or None
    affine : float64 (4, 4)
        Voxel to world (mm).
    outside : float32 (6,)
        What lies beyond the faces x-, x+, y-, y+, z-, z+ when the face shows nothing but
        background; -1 where nothing is known.
    """

    image: Float32
    mask: Mask | None
    affine: Float64
    outside: Float32

    @property
    def foreground(self) -> Mask:
        """Voxels that differ from the background (all of the mask when there is none)."""
        known = self.outside[self.outside > 0]
        inside = np.ones(self.image.shape, bool) if self.mask is None else self.mask
        if not len(known):
            return inside
        content = inside & (np.abs(self.image - np.median(known)) > 0.1 * N_BINS)
        return content if content.any() else inside


@dataclass(frozen=True)
class Samples:
    """The fixed image of one level as a list of points.

    Attributes
    ----------
    points : float32 (N, 3)
        Places, in the normalised frame of the alignment.
    bins : int32 (N,)
        Intensities as whole bins.
    """

    points: Float32
    bins: NDArray[np.int32]


def embed(matrix: Float64) -> Float64:
    """A (3, 3) matrix of the plane as a (4, 4) one that leaves the first axis alone."""
    if len(matrix) == 4:
        return matrix
    out = np.eye(4)
    out[1:, 1:] = matrix
    return out


def pyramid(volume: Volume, mask: Mask | None, sizes: list[float]) -> Iterator[Level]:
    """The volume with voxels of about `sizes` mm (fine to coarse), never finer than it is.

    One level after the other, so that whoever waits can be told, or stop.

    Raises
    ------
    InputError
        When the image (within the mask) holds NaN or infinite values or is constant, or
        when the mask is empty or of another shape.
    """
    data = _finite(volume, mask)
    affine = embed(volume.affine)
    weights: NDArray[Any] | None = None if mask is None else mask.reshape(data.shape)
    valid: Mask | None = None
    for number, size in enumerate(sizes):
        if weights is not None:
            weights = block_mean(weights, affine, size)[0]
            valid = weights > min(0.5, 0.5 * weights.max())
        data, factors, middles = block_mean(data, affine, size)
        affine = affine @ _block_matrix(factors, middles)
        if number == 0:
            low, high = _window(data, valid, volume.name)
        bins = (data - low) * np.float32((N_BINS - 3) * (1 - 1e-5) / (high - low)) + 1
        bins = np.ascontiguousarray(np.clip(bins, 1, N_BINS - 2 - 1e-4), dtype=np.float32)
        yield Level(bins, valid, affine, _beyond_faces(bins, valid))


def _finite(volume: Volume, mask: Mask | None) -> NDArray[Any]:
    """The data as 3-D, with NaN outside of the mask replaced."""
    name, data = volume.name, volume.data
    if mask is not None and mask.shape != data.shape:
        raise InputError(
            f"The mask of “{name}” has shape {mask.shape}, the image {data.shape}. "
            "A mask must lie on the grid of its image."
        )
    if mask is not None and not mask.any():
        raise InputError(f"The mask of “{name}” is empty: it leaves nothing to compare.")
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        good = np.isfinite(data)
        bad = int(np.count_nonzero(~good if mask is None else ~good & mask))
        if bad or not good.any():
            raise InputError(
                f"“{name}” holds NaN or infinite values in {bad} voxels. "
                "Replace them, or leave them out with a mask."
            )
        data = np.where(good, data, data[good].min())
    return data if data.ndim == 3 else data[None]


def block_mean(
    data: NDArray[Any], affine: Float64, size: float
) -> tuple[Float32, list[int], list[float]]:
    """Average blocks of voxels so that voxels measure about `size` mm.

    Returns the float32 means, the voxels per block, and the middle of the first block.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    factors, middles = [], []
    for axis, n in enumerate(data.shape):
        factor = int(np.clip(round(size / spacing[axis]), 1, max(1, n // 2)))
        blocks = n // factor
        first = (n - blocks * factor) // 2
        factors.append(factor)
        middles.append(first + (factor - 1) / 2)
        if factor == 1:
            continue
        lead = (slice(None),) * axis
        total = data[(*lead, slice(first, first + blocks * factor, factor))].astype(np.float32)
        for step in range(1, factor):
            total += data[(*lead, slice(first + step, first + blocks * factor, factor))]
        data = total * np.float32(1 / factor)
    return data.astype(np.float32, copy=False), factors, middles


def _block_matrix(factors: list[int], middles: list[float]) -> Float64:
    matrix = np.diag([*map(float, factors), 1.0])
    matrix[:3, 3] = middles
    return matrix


def _window(image: Float32, mask: Mask | None, name: str) -> tuple[float, float]:
    """Robust lowest and highest intensity."""
    values = image[mask] if mask is not None else image.ravel()
    values = values[:: max(1, len(values) // 200_000)]
    low = float(np.percentile(values, 0.5))
    rest = values[values > low]
    if not len(rest):
        raise InputError(
            f"“{name}” is constant{' within its mask' if mask is not None else ''}: "
            "there is nothing to align. Choose another image or mask."
        )
    return low, float(np.percentile(rest, 99.5))


def _beyond_faces(bins: Float32, mask: Mask | None) -> Float32:
    outside = np.full(6, -1, dtype=np.float32)
    for axis in range(3):
        if mask is not None or bins.shape[axis] == 1:
            continue
        for side in (0, -1):
            face = np.take(bins, side, axis=axis)
            low, middle, high = np.percentile(face, [5, 50, 95])
            if high - low < 0.05 * N_BINS:
                outside[2 * axis - side] = middle
    return outside


def draw_samples(level: Level, to_frame: NDArray[Any], at_most: int) -> Samples:
    """Points and whole bins of the voxels of a level (within its mask).

    Parameters
    ----------
    to_frame : ndarray (4, 4)
        World (mm) to the normalised frame.
    at_most : int
        Beyond this number a fixed, evenly spread random choice is taken.
    """
    inside = np.arange(level.image.size) if level.mask is None else np.flatnonzero(level.mask)
    if len(inside) > at_most:
        # one voxel out of every run of equal length: even cover, no aliasing with the rows
        edges = np.linspace(0, len(inside), at_most + 1)
        jitter = np.random.default_rng(0).random(at_most)
        inside = inside[(edges[:-1] + jitter * np.diff(edges)).astype(np.intp)]
    x, y, z = np.unravel_index(inside, level.image.shape)
    matrix = to_frame @ level.affine
    points = np.empty((len(inside), 3), dtype=np.float32)
    for i, (a, b, c, shift) in enumerate(matrix[:3]):
        points[:, i] = a * x + b * y + c * z + shift
    bins = np.rint(level.image.ravel()[inside]).astype(np.int32)
    return Samples(points, bins)
