# mypy: allow-untyped-calls
"""Displacement fields as ITK, ANTs, Slicer and elastix read them (NIfTI, intent "vector").

A field file holds, for each voxel of its grid at the physical point p, the vector T(p) - p in
LPS millimetres.  It is the whole map: with it nothing else is needed, the affine stage is in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import frames, nifti
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.nifti_writing import set_place, write_image
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import Shift
from napari_voxelmorph.engine.files.transforms.dense import (
    registration_from,
    transformed,
    vectors_of,
)
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.pair_checks import check_same_grid
from napari_voxelmorph.engine.result import Registration

_WHAT = "a displacement field"
#: ITK refuses a NIfTI grid whose axes are further from right angles than this (cosine).
_MOST_SHEAR = 1e-4


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
    """T(p) - p in ITK's millimetres, (X, Y, Z, 1, 3) or (X, Y, 1, 1, 2)."""
    way = one_way(registration, inverse)
    found = vectors_of(way, frames.itk_affine(way.grid), frames.world_to_itk(way.other))
    return np.moveaxis(
        found.reshape(way.grid.ndim, *way.grid.shape, *(1,) * (4 - way.grid.ndim)), 0, -1
    )


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
        to_itk = frames.world_to_itk(self.grid)
        shift = Shift(self.vectors, replace(self.grid, affine=frames.itk_affine(self.grid)))
        return registration_from(
            lambda p: transformed(from_itk, shift(transformed(to_itk, p))), target, moving
        )


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
