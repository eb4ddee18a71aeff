"""Learn2Reg's displacement (disp_FIXED_MOVING.nii.gz): voxels, array order, identity left out.

The challenge evaluates ``map_coordinates(moving, identity + disp)``: the vector at fixed voxel
x is the moving voxel minus x.  Neither grid has a place in the world for it, so both images are
needed to read one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.reading import damaged
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift
from napari_voxelmorph.engine.files.transforms.dense import plane_voxels, transformed, vectors_of
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.transforms.vector_images import read_vectors, write_vectors
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

_WHAT = "a Learn2Reg displacement"


def write(registration: Registration, path: Path, inverse: bool = False) -> None:
    """d(x) = A_m⁻¹ T(A_f x) - x, float32 (X, Y, Z, 3)."""
    way = one_way(registration, inverse)
    vectors = vectors_of(way, np.eye(4), np.asarray(np.linalg.inv(way.other.affine)))
    write_vectors(vectors, way.grid, path, "4-D")


def read(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """A displacement between the voxels of two images, which must be named."""
    if fixed is None or moving is None:
        raise InputError(
            f"“{path.name}” counts in voxels and does not say where they lie. Name both images for "
            "which it was made (--fixed and --moving)."
        )
    vectors, grid, _ = read_vectors(path, _WHAT)
    if grid.shape != fixed.shape:
        raise damaged(path, _WHAT, f"it has {grid.shape} voxels, the fixed image {fixed.shape}")
    for start in range(grid.shape[0]):
        voxels = plane_voxels(start, grid.shape)
        there = transformed(moving.affine, voxels + vectors[:, start].reshape(3, -1).T)
        step = there - transformed(fixed.affine, voxels)
        vectors[:, start] = step.T.reshape(vectors[:, start].shape)
    return Chain([Shift(vectors, fixed)], path.name, fixed, moving)
