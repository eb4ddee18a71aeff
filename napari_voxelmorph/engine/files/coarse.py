"""Coarser grids made of whole blocks of voxels, for images that are too large for the memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

Factors = tuple[int, ...]
#: A block may be this share smaller than asked for: spacings in headers are rounded.
_ROUNDING = 1e-3


def block_factors(
    shape: Sequence[int], spacing: Sequence[float], voxel_size: float | None
) -> Factors:
    """Voxels per block along each axis, so that no side is shorter than `voxel_size` (mm).

    Raises
    ------
    InputError
        When `voxel_size` is no positive number.
    """
    if voxel_size is None:
        return (1,) * len(shape)
    if not 0 < voxel_size < math.inf:
        raise InputError(f"The voxel size must be above 0 mm; got {voxel_size:g}.")
    wanted = [voxel_size / s if 0 < s < math.inf else 1.0 for s in spacing]
    # No axis ends with a single voxel: that would be another kind of image.
    return tuple(
        max(1, min(n // 2, math.ceil(w - _ROUNDING))) for n, w in zip(shape, wanted, strict=True)
    )


def coarse_shape(shape: Sequence[int], factors: Factors) -> tuple[int, ...]:
    """Whole blocks only: what is left over at the far ends is less than a block."""
    return tuple(int(n) // f for n, f in zip(shape, factors, strict=True))


def coarse_affine(affine: Matrix, factors: Factors) -> Matrix:
    """Block to world: a block's place is the middle of its voxels.  (D + 1, D + 1)."""
    blocks = np.diag([*map(float, factors), 1.0])
    blocks[:-1, -1] = (np.array(factors) - 1) / 2
    return np.asarray(affine @ blocks)


def coarse_blocks(data: NDArray[Any], factors: Factors, labels: bool) -> NDArray[Any]:
    """One value per block: the mean (float32, or float64 for wide types), or the commonest id."""
    shape = coarse_shape(data.shape, factors)
    kept = data[tuple(slice(n * f) for n, f in zip(shape, factors, strict=True))]
    split = kept.reshape([m for n, f in zip(shape, factors, strict=True) for m in (n, f)])
    inner = tuple(range(1, 2 * data.ndim, 2))
    if not labels:
        wide = data.dtype.itemsize > 4
        return np.asarray(split.mean(axis=inner, dtype=np.float64 if wide else np.float32))
    outer = tuple(range(0, 2 * data.ndim, 2))
    return _commonest(split.transpose(*outer, *inner).reshape(*shape, -1))


def coarser_sizes(spacing: Sequence[float]) -> Iterator[float]:
    """Voxel sizes (mm) to offer, from twice the finest spacing on, in short numbers."""
    for factor in (2, 3, 4, 6, 8, 12, 16):
        yield float(f"{factor * min(spacing):.2g}")


def offer(voxel_size: float, needs: float | None = None) -> str:
    """Sentences for an error: what would fit (`needs` bytes), and how to ask for it."""
    size = "" if needs is None else f" ({needs / 1e9:.1f} GB)"
    return (
        f"At a voxel size of {voxel_size:g} mm it would fit{size}: --voxel-size {voxel_size:g} on the "
        f"command line, voxel_size={voxel_size:g} in Python; Open… in the Register dock offers it. "
        "Or close other programs."
    )


def coarsened(volume: Volume, voxel_size: float | None) -> Volume:
    """The volume on blocks no smaller than `voxel_size` (mm); the volume itself if it is coarse."""
    factors = block_factors(volume.shape, volume.spacing, voxel_size)
    if max(factors) == 1:
        return volume
    data = coarse_blocks(volume.data, factors, volume.kind == "labels")
    return Volume(
        data,
        coarse_affine(volume.affine, factors),
        volume.kind,
        volume.name,
        volume.oriented,
        volume.header,
    )


def coarse_grid(volume: Volume, voxel_size: float | None) -> Volume:
    """The grid of `coarsened`, with zeros that take no memory."""
    factors = block_factors(volume.shape, volume.spacing, voxel_size)
    wide = np.float32 if max(factors) > 1 and volume.kind == "image" else volume.data.dtype
    empty = np.broadcast_to(np.zeros((), wide), coarse_shape(volume.shape, factors))
    return Volume(
        empty, coarse_affine(volume.affine, factors), volume.kind, volume.name, volume.oriented
    )


def _commonest(blocks: NDArray[Any]) -> NDArray[Any]:
    """The value that is most often along the last axis; of equals the smallest."""
    ordered = np.sort(blocks, axis=-1)
    best = ordered[..., 0].copy()
    run = np.ones(best.shape, np.int32)
    longest = run.copy()
    for place in range(1, ordered.shape[-1]):
        value = ordered[..., place]
        run = np.where(value == ordered[..., place - 1], run + 1, 1)
        better = run > longest
        best[better] = value[better]
        longest[better] = run[better]
    return np.asarray(best)
