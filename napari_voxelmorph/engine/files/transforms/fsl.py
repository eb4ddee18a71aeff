"""FSL: relative warps as FNIRT and applywarp know them, and FLIRT matrices.

FSL counts millimetres along the voxel axes from the corner of each image, and mirrors the first
axis when the voxel axes are right-handed in RAS ("neurological" order): F = flip · diag(spacing).
Neither file says which moving image it belongs to, so that image is needed to read one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift
from napari_voxelmorph.engine.files.transforms.dense import (
    plane_voxels,
    transformed,
    vectors_of,
)
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.transforms.vector_images import read_vectors, write_vectors
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.result import Registration

_FIELD, _COEFFICIENTS = 2006, (2007, 2008, 2009)
_LARGEST = 10_000  # bytes of a matrix; such files have about 200


def fsl_affine(volume: Volume) -> Matrix:
    """Voxels to FSL's millimetres (FSL wiki, "FLIRT/FAQ": the coordinates of a matrix)."""
    scale = np.diag([*volume.spacing, 1.0])
    if np.linalg.det(volume.affine) > 0:
        mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
        mirror[0, 3] = (volume.shape[0] - 1) * volume.spacing[0]
        return np.asarray(mirror @ scale)
    return np.asarray(scale)


def from_world(volume: Volume) -> Matrix:
    """World (RAS mm) to FSL's millimetres."""
    return np.asarray(fsl_affine(volume) @ np.linalg.inv(volume.affine))


def write_warp(registration: Registration, path: Path, inverse: bool = False) -> None:
    """``applywarp --rel -i moving -r fixed -w FILE``: u = F_m A_m⁻¹ T(A_f v) - F_f v."""
    way = one_way(registration, inverse)
    vectors = vectors_of(way, fsl_affine(way.grid), from_world(way.other))
    write_vectors(vectors, way.grid, path, "4-D", _FIELD)


def read_warp(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """A relative or absolute warp, on the grid of the fixed image."""
    moving = _known(moving, "moving", path)
    vectors, grid, header = read_vectors(path, "an FSL warp")
    if int(header["intent_code"]) in _COEFFICIENTS:
        raise InputError(
            f"“{path.name}” holds spline coefficients, not a warp. Turn it into one with FSL: "
            f"fnirtfileutils --in={path.name} --ref=FIXED --out=warp"
        )
    back = np.asarray(np.linalg.inv(from_world(moving)))
    to_fsl = fsl_affine(grid)
    shifts = np.empty_like(vectors)
    absolute = _is_absolute(vectors, to_fsl)
    for start in range(grid.shape[0]):
        voxels = plane_voxels(start, grid.shape)
        there = vectors[:, start].reshape(3, -1).T.astype(np.float64)
        there = there if absolute else there + transformed(to_fsl, voxels)
        step = transformed(back, there) - transformed(grid.affine, voxels)
        shifts[:, start] = step.T.reshape(shifts[:, start].shape)
    return Chain([Shift(shifts, grid)], path.name, moving=moving)


def _is_absolute(vectors: NDArray[np.float32], to_fsl: Matrix) -> bool:
    """Positions spread as wide as the image, displacements less (as FSL itself decides)."""
    spread = 0.0
    for axis in range(3):
        place = np.arange(vectors.shape[axis + 1]) * to_fsl[axis, axis]
        shape = [-1 if a == axis else 1 for a in range(3)]
        spread += float((vectors[axis] - place.reshape(shape)).std(dtype=np.float64))
    return sum(float(v.std(dtype=np.float64)) for v in vectors) > spread


def write_matrix(registration: Registration, path: Path, inverse: bool = False) -> None:
    """``flirt -applyxfm -init FILE -in moving -ref fixed``: the affine stage, moving to fixed."""
    way = one_way(registration, inverse)
    to_fixed = np.linalg.inv(
        from_world(way.other) @ way.affine @ np.linalg.inv(from_world(way.grid))
    )
    text = "\n".join("  ".join(f"{n:.12g}" for n in row) for row in to_fixed)
    with writing(path) as temporary:
        temporary.write_text(text + "\n", encoding="ascii")


def read_matrix(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """Four rows of four numbers, moving to fixed in FSL's millimetres."""
    fixed, moving = _known(fixed, "fixed", path), _known(moving, "moving", path)
    with reading(path, "a FLIRT matrix"):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, "a FLIRT matrix", "it is far too large")
        rows = path.read_text(encoding="ascii").split("\n")
        matrix = np.array([[float(n) for n in row.split()] for row in rows if row.strip()])
        check_affine(matrix, 3, path.name)
    affine = np.linalg.inv(from_world(moving)) @ np.linalg.inv(matrix) @ from_world(fixed)
    return Chain([np.asarray(affine)], path.name, fixed, moving)


def _known(volume: Volume | None, role: str, path: Path) -> Volume:
    if volume is None:
        raise InputError(
            f"“{path.name}” is an FSL transform, which counts from the corner of the {role} image "
            f"without saying which that is. Name the {role} image as well (--{role})."
        )
    if volume.ndim != 3:
        raise InputError(f"“{path.name}” is for 3-D images, and “{volume.name}” is 2-D.")
    return volume
