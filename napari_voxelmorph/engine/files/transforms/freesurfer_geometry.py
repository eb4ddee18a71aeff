"""How FreeSurfer describes a grid: directions, voxel sizes, and the middle "c_ras"."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume


def geometry(volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions (3, 3), one column per voxel axis, and the world position of voxel N / 2."""
    directions = volume.affine[:3, :3] / np.array(volume.spacing)
    center = volume.affine[:3, :3] @ (np.array(volume.shape) / 2) + volume.affine[:3, 3]
    return directions, center


def affine_of(
    shape: ArrayLike, spacing: ArrayLike, directions: ArrayLike, center: ArrayLike
) -> Matrix:
    """Voxels to RAS mm; the opposite of `geometry`."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions) * np.asarray(spacing)
    affine[:3, 3] = np.asarray(center) - affine[:3, :3] @ (np.asarray(shape) / 2)
    return affine
