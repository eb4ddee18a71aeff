# mypy: allow-untyped-calls
"""AFNI: warps for 3dNwarpApply (NIfTI) and matrices (.aff12.1D).

Both are in DICOM order (LPS mm), and both are meant for AFNI's *cardinal* grids: AFNI takes an
oblique image as if its voxel axes lay along the nearest patient axes, from the true position of
the first voxel (thd_niftiread.c; IW3D_from_dataset in mri_nwarp.c uses ``ijk_to_dicom``, not
``ijk_to_dicom_real``).  For images that are not oblique the two are the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel.orientations import io_orientation

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.frames import flip_lps
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift
from napari_voxelmorph.engine.files.transforms.dense import plane_voxels, transformed, vectors_of
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.transforms.vector_images import read_vectors, write_vectors
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.result import Registration

_LARGEST = 10_000
_WHAT = "an AFNI warp"


def cardinal(volume: Volume) -> Matrix:
    """Voxels to the RAS mm that AFNI works with: axes put upright, the first voxel where it is."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[:3, 3] = volume.affine[:3, 3]
    for axis, (world, sign) in enumerate(io_orientation(volume.affine)):
        affine[int(world), axis] = sign * volume.spacing[axis]
    return affine


def from_world(volume: Volume) -> Matrix:
    """True world (RAS mm) to AFNI's world (LPS mm)."""
    return np.asarray(flip_lps(3) @ cardinal(volume) @ np.linalg.inv(volume.affine))


def write_warp(registration: Registration, path: Path, inverse: bool = False) -> None:
    """``3dNwarpApply -nwarp FILE -source moving -master fixed``."""
    way = one_way(registration, inverse)
    here = np.asarray(flip_lps(3) @ cardinal(way.grid))
    write_vectors(vectors_of(way, here, from_world(way.other)), way.grid, path, "5-D")


def read_warp(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """A warp as 3dQwarp writes it to NIfTI; `moving` is needed when it is oblique."""
    vectors, grid, _ = read_vectors(path, _WHAT)
    source = grid if moving is None else moving
    back = np.asarray(np.linalg.inv(from_world(source)))
    here = np.asarray(flip_lps(3) @ cardinal(grid))
    shifts = np.empty_like(vectors)
    for start in range(grid.shape[0]):
        voxels = plane_voxels(start, grid.shape)
        there = transformed(here, voxels) + vectors[:, start].reshape(3, -1).T
        step = transformed(back, there) - transformed(grid.affine, voxels)
        shifts[:, start] = step.T.reshape(shifts[:, start].shape)
    return Chain([Shift(shifts, grid)], path.name, moving=moving)


def write_matrix(registration: Registration, path: Path, inverse: bool = False) -> None:
    """``3dAllineate -1Dmatrix_apply FILE -source moving -master fixed``: base to source."""
    way = one_way(registration, inverse)
    matrix = from_world(way.other) @ way.affine @ np.linalg.inv(from_world(way.grid))
    numbers = "  ".join(f"{n:.12g}" for n in matrix[:3].ravel())
    head = "# 3dAllineate matrices (DICOM-to-DICOM, row-by-row):"
    with writing(path) as temporary:
        temporary.write_text(f"{head}\n{numbers}\n", encoding="ascii")


def read_matrix(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """Twelve numbers, base to source; the images are needed where they are oblique."""
    with reading(path, "an AFNI matrix"):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, "an AFNI matrix", "it is far too large")
        text = path.read_text(encoding="ascii")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        numbers = [float(n) for line in lines for n in line.split()]
        if len(numbers) != 12:
            raise damaged(path, "an AFNI matrix", f"it holds {len(numbers)} numbers, not 12")
        matrix = np.vstack([np.array(numbers).reshape(3, 4), [0, 0, 0, 1]])
        check_affine(matrix, 3, path.name)
    for volume in (fixed, moving):
        if volume is not None and volume.ndim != 3:
            raise InputError(f"“{path.name}” is for 3-D images, and “{volume.name}” is 2-D.")
    before = flip_lps(3) if fixed is None else from_world(fixed)
    after = flip_lps(3) if moving is None else from_world(moving)
    return Chain([np.asarray(np.linalg.inv(after) @ matrix @ before)], path.name)
