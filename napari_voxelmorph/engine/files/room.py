"""Is there room for an image?  Told by its header; if not, on which grid there would be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from napari_voxelmorph.engine.device import free_memory, memory_words
from napari_voxelmorph.engine.errors import NotEnoughMemoryError
from napari_voxelmorph.engine.files.coarse import (
    Factors,
    block_factors,
    coarse_shape,
    coarser_sizes,
    offer,
)
from napari_voxelmorph.engine.files.reading import fits_memory
from napari_voxelmorph.engine.files.voxels import Stored, needed_bytes
from napari_voxelmorph.engine.geometry.volume import Matrix

#: Bytes per voxel that a registration takes besides: the grid on offer shall be good for that.
_TO_REGISTER = 60


def factors_of(stored: Stored, affine: Matrix, voxel_size: float | None) -> Factors:
    """Voxels per block of a stored image whose affine is (4, 4)."""
    return block_factors(stored.shape, _spacing(stored, affine), voxel_size)


def require_room(
    path: Path, stored: Stored, count: int, affine: Matrix, factors: Factors, labels: bool
) -> None:
    """Raise `NotEnoughMemoryError` when `count` images cannot be read; offers a coarser grid."""
    need = needed_bytes(stored, count, factors, labels)
    if fits_memory(need):
        return
    free = free_memory(torch.device("cpu"))
    sentence = (
        f"“{path.name}” needs {need / 1e9:.3g} GB of memory to be opened, and "
        f"{memory_words(free, torch.device('cpu'))}."
    )
    spacing = _spacing(stored, affine)
    for size in coarser_sizes(spacing) if min(spacing) > 0 else ():
        blocks = block_factors(stored.shape, spacing, size)
        voxels = math.prod(coarse_shape(stored.shape, blocks)) * count
        if fits_memory(needed_bytes(stored, count, blocks, labels) + _TO_REGISTER * voxels):
            raise NotEnoughMemoryError(f"{sentence} {offer(size)}", size)
    raise NotEnoughMemoryError(
        f"{sentence} Close other programs, or crop or downsample the image first."
    )


def _spacing(stored: Stored, affine: Matrix) -> list[float]:
    return [float(s) for s in np.linalg.norm(affine[:3, :3], axis=0)[: len(stored.shape)]]
