"""Bringing volumes onto the grid on which the field is sought."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, voxel_to_voxel
from napari_voxelmorph.engine.geometry.voxels import NO_FIELD, matrix_3d
from napari_voxelmorph.engine.optimization.field_kernels import extend_edges
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]
Ints = NDArray[np.int64]


class Sampler:
    """Brings volumes onto the (uncropped) work grid."""

    def __init__(
        self,
        fixed: Volume,
        moving: Volume,
        affine: Matrix,
        origin: NDArray[np.float64],
        step: NDArray[np.float64],
        shape: tuple[int, ...],
    ):
        self._to_moving = matrix_3d(voxel_to_voxel(fixed, moving, affine))
        self._grid = (np.ascontiguousarray(origin), np.ascontiguousarray(step))
        self._shape = shape

    def fixed(self, volume: Volume, order: int = 1) -> Array:
        return self._sample(volume, np.eye(4)[:3], order)

    def moving(self, volume: Volume, order: int = 3) -> Array:
        return self._sample(volume, self._to_moving, order)

    def extend(self, volume: Volume, covered: Array, out: Array) -> None:
        """Continue the moving image beyond its field of view: its border is no edge to match."""
        image, matrix = _thinned(_as_3d(volume), self._to_moving, self._grid[1])
        matrix = np.ascontiguousarray(matrix)
        run_slabs(extend_edges, out.shape[0], image, matrix, *self._grid, covered, out)

    def _sample(self, volume: Volume, matrix: NDArray[np.float64], order: int) -> Array:
        image = _as_3d(volume)
        # Sampling a much finer image needs its fine detail removed first (aliasing).
        image, matrix = _thinned(image, matrix, self._grid[1])
        out = np.empty(self._shape, np.float32)
        fill = np.float32(image.min()) if order != 0 else np.float32(0)
        fill = np.float32(0.0) if volume.data.max() == volume.data.min() else fill
        run_slabs(
            kernels.warp_image,
            out.shape[0],
            image,
            np.ascontiguousarray(matrix),
            NO_FIELD,
            np.ones(3),
            np.zeros(3),
            *self._grid,
            order,
            fill,
            out,
        )
        return out


def _as_3d(volume: Volume) -> Array:
    image = np.ascontiguousarray(volume.data, np.float32)
    return image if image.ndim == 3 else image[None]


def _thinned(
    image: Array, matrix: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[Array, NDArray[np.float64]]:
    """Average blocks of `image` when one step of the output passes several of its voxels."""
    passes = np.abs(matrix[:, :3] * step).max(axis=1)
    factors = np.maximum(1, np.floor(passes + 1e-6)).astype(np.int64)
    factors = np.minimum(factors, image.shape)
    if (factors == 1).all():
        return image, matrix
    out = matrix.copy()
    out[:, 3] -= (factors - 1) / 2
    return block_mean(image, factors), out / factors[:, None]


def block_mean(image: Array, factors: Ints) -> Array:
    """Mean over blocks of ``factors`` voxels; the last block repeats the edge."""
    if (factors == 1).all():
        return image
    pad = [(0, -n % int(f)) for n, f in zip(image.shape, factors, strict=True)]
    padded = np.pad(image, pad, mode="edge")
    split = [m for n, f in zip(padded.shape, factors, strict=True) for m in (n // int(f), int(f))]
    return np.ascontiguousarray(padded.reshape(split).mean(axis=(1, 3, 5), dtype=np.float32))
