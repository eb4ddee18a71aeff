# mypy: allow-untyped-calls
"""Displacement fields as ITK, ANTs, Slicer and elastix read them (NIfTI, intent "vector").

A field file holds, for each voxel of its grid at the physical point p, the vector T(p) - p in
LPS millimetres.  It is the whole map: with it nothing else is needed, the affine stage is in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import frames, nifti
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.nifti_writing import set_place, write_image
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.pair_checks import check_same_grid
from napari_voxelmorph.engine.result import Registration

_WHAT = "a displacement field"
#: ITK refuses a NIfTI grid whose axes are further from right angles than this (cosine).
_MOST_SHEAR = 1e-4
#: Points of a grid that are enough to find its affine part.
_FIT_POINTS = 20_000


def save_displacement(
    registration: Registration, path: str | os.PathLike[str], inverse: bool = False
) -> None:
    """Write the whole map as a 5-D NIfTI (X, Y, Z, 1, 3), or (X, Y, 1, 1, 2) in 2-D; float32.

    Parameters
    ----------
    path : .nii or .nii.gz
    inverse : bool
        False: on the fixed grid, for resampling the moving image (``antsApplyTransforms -r
        fixed -i moving -t FILE``), and for taking fixed points to the moving image.
        True: on the moving grid, the other way round.

    Raises
    ------
    InputError
        Another suffix, or a sheared grid, which ITK cannot represent.
    OutputError
    """
    path = Path(path)
    if suffix_of(path, (".nii", ".nii.gz")) is None:
        raise InputError(f"“{path.name}”: a displacement field is saved as .nii.gz or .nii.")
    grid = registration.moving if inverse else registration.fixed
    if frames.sheared(grid.affine) > _MOST_SHEAR:
        raise InputError(
            f"The voxel axes of “{grid.name}” are not at right angles, and ITK displacement fields "
            "must be. Save a session instead, or resample the image to a straight grid first."
        )
    affine = np.eye(4)
    keep = [*range(grid.ndim), 3]
    affine[np.ix_(keep, keep)] = frames.flip_lps(grid.ndim) @ frames.itk_affine(grid)
    image = nibabel.Nifti1Image(_vectors(registration, inverse), affine)
    set_place(image, affine)
    image.header.set_intent(nifti.VECTOR_INTENT)
    if frames.is_picture(grid):
        image.header["descrip"] = nifti.UNORIENTED
    with writing(path) as temporary:
        write_image(image, temporary)


def _vectors(registration: Registration, inverse: bool) -> NDArray[np.float32]:
    """T(p) - p in ITK's millimetres, (X, Y, Z, 1, 3) or (X, Y, 1, 1, 2); one plane at a time."""
    grid, other = registration.fixed, registration.moving
    move = registration.fixed_to_moving
    if inverse:
        grid, other, move = other, grid, registration.moving_to_fixed
    vectors = np.empty((*grid.shape, *(1,) * (4 - grid.ndim), grid.ndim), np.float32, order="F")
    to_itk, other_to_itk = frames.itk_affine(grid), frames.world_to_itk(other)
    for start in range(grid.shape[0]):
        voxels = _plane_voxels(start, grid.shape)
        there = _apply(other_to_itk, move(_apply(grid.affine, voxels)))
        vectors[start] = (there - _apply(to_itk, voxels)).reshape(vectors.shape[1:])
    return vectors


@dataclass(frozen=True, eq=False)
class DisplacementFile:
    """A displacement field as read from a file.

    Parameters
    ----------
    vectors : ndarray (D, *S) float32
        T(p) - p in ITK's millimetres (LPS).
    grid : Volume
        The grid that the vectors are on; its voxels are all zero.
    """

    vectors: NDArray[np.float32]
    grid: Volume

    def registration(self, moving: Volume, fixed: Volume | None = None) -> Registration:
        """The field as a `Registration`, so that everything that takes one can use it.

        The affine part of the map is taken out (least squares), so that the inverse of what
        remains can be found.

        Parameters
        ----------
        moving : Volume
            The image that the field resamples (any grid in its world).
        fixed : Volume, optional
            The image on the grid of the field; default an empty one.
        """
        if moving.ndim != self.grid.ndim:
            raise InputError(
                f"The displacement field is {self.grid.ndim}-D and “{moving.name}” is "
                f"{moving.ndim}-D. Choose the images that it was made for."
            )
        if fixed is not None:
            check_same_grid(fixed, self.grid, "fixed image")
        target = self.grid if fixed is None else fixed
        from_itk = np.asarray(np.linalg.inv(frames.world_to_itk(moving)), np.float64)
        voxels = _some_voxels(self.grid.shape)
        affine = _best_affine(
            _apply(self.grid.affine, voxels.astype(np.float64)),
            _apply(from_itk, self._there(voxels.astype(int))),
        )
        back = np.asarray(np.linalg.inv(affine @ self.grid.affine) @ from_itk, np.float64)
        u = np.empty_like(self.vectors)
        for start in range(self.grid.shape[0]):
            plane = _plane_voxels(start, self.grid.shape)
            step = _apply(back, self._there(plane.astype(int))) - plane
            u[:, start] = step.T.reshape(u[:, start].shape)
        field = Field(u, np.ones(self.grid.ndim), np.zeros(self.grid.ndim), "displacement")
        return Registration(target, moving, affine, field)

    def _there(self, voxels: NDArray[np.int64]) -> NDArray[np.float64]:
        """ITK points to which voxels (N, D) are mapped."""
        here = _apply(frames.itk_affine(self.grid), voxels.astype(np.float64))
        return here + self.vectors[(slice(None), *voxels.T)].T


def load_displacement(path: str | os.PathLike[str]) -> DisplacementFile:
    """Read a displacement field that ITK, ANTs, Slicer or `save_displacement` wrote as NIfTI.

    Raises
    ------
    FileFormatError
        Damaged, or no displacement field.
    """
    path = Path(path)
    if not path.exists():
        raise damaged(path, _WHAT, "it does not exist")
    with reading(path, _WHAT):
        image, data = nifti.read_array(path, _WHAT)
        shape = data.shape
        ndim = shape[-1]
        flat = ndim == 2 and shape[2] == 1 if len(shape) == 5 else False
        if len(shape) != 5 or shape[3] != 1 or not (ndim == 3 or flat):
            raise damaged(
                path,
                _WHAT,
                f"its shape is {shape}, and (X, Y, Z, 1, 3) or (X, Y, 1, 1, 2) is expected",
            )
        vectors = np.ascontiguousarray(np.moveaxis(data, -1, 0)[..., 0], dtype=np.float32)
        vectors = vectors.reshape(ndim, *shape[:ndim])
        if not np.isfinite(vectors).all():
            raise damaged(path, _WHAT, "it holds NaN or infinite numbers")
        affine, _, header = nifti.geometry(image, path)
        picture = bool(header.get("picture")) and ndim == 2
        keep = [*range(ndim), 3]
        affine = affine[np.ix_(keep, keep)]
        if picture:
            affine = np.asarray((frames.flip_lps(2) @ affine)[[1, 0, 2]])
        empty = np.broadcast_to(np.uint8(0), shape[:ndim])
        grid = Volume(empty, affine, name=path.name, oriented=not picture)
    return DisplacementFile(vectors, grid)


def _plane_voxels(start: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Indices (N, D) of all voxels with first index `start`, in C order."""
    axes = [np.array([start]), *[np.arange(n) for n in shape[1:]]]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([g.reshape(-1) for g in grid], axis=1).astype(np.float64)


def _some_voxels(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Indices of a regular selection of voxels, corners included."""
    each = max(2, int(_FIT_POINTS ** (1 / len(shape))))
    axes = [np.unique(np.linspace(0, n - 1, min(n, each)).round()) for n in shape]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([g.reshape(-1) for g in grid], axis=1).astype(np.float64)


def _best_affine(here: NDArray[np.float64], there: NDArray[np.float64]) -> Matrix:
    """Affine (D + 1, D + 1) nearest to the map `here` -> `there`; identity when there is none."""
    ndim = here.shape[1]
    affine = np.eye(ndim + 1)
    middle = here.mean(axis=0)
    columns = np.hstack([here - middle, np.ones((len(here), 1))])
    solution, _, rank, _ = np.linalg.lstsq(columns, there, rcond=None)
    linear = solution[:ndim].T
    if rank < ndim + 1 or not 1e-3 < np.linalg.det(linear) < 1e3:
        return affine
    affine[:ndim, :ndim] = linear
    affine[:ndim, ndim] = solution[ndim] - linear @ middle
    return affine


def _apply(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points @ matrix[:-1, :-1].T + matrix[:-1, -1])
