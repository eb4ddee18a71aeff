"""SPM deformations (y_*.nii): for every voxel the absolute position in the other image, RAS mm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_voxelmorph.engine.files import nifti
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift
from napari_voxelmorph.engine.files.transforms.dense import plane_voxels, transformed, vectors_of
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.transforms.vector_images import read_vectors, write_vectors
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

#: What SPM itself writes into the header.
DESCRIPTION = "Deformation"


def write(registration: Registration, path: Path, inverse: bool = False) -> None:
    """For SPM's Deformations toolbox (pullback): y_NAME.nii on the fixed grid."""
    way = one_way(registration, inverse)
    vectors = vectors_of(way, np.zeros((4, 4)), np.eye(4))
    write_vectors(vectors, way.grid, path, "5-D", nifti.VECTOR_INTENT, DESCRIPTION)


def read(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """A y_*.nii (or iy_*.nii, which leads the other way)."""
    vectors, grid, _ = read_vectors(path, "an SPM deformation")
    for start in range(grid.shape[0]):
        here = transformed(grid.affine, plane_voxels(start, grid.shape))
        vectors[:, start] -= here.T.reshape(vectors[:, start].shape).astype(np.float32)
    return Chain([Shift(vectors, grid)], path.name)
