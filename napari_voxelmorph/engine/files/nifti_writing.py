# mypy: allow-untyped-calls
"""Write NIfTI and MGH/MGZ, through nibabel."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.frames import (
    flip_lps,
    is_picture,
    sheared,
    world_to_itk,
)
from napari_voxelmorph.engine.files.nifti import LABEL_INTENT, UNORIENTED
from napari_voxelmorph.engine.files.plane import from_plane
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume


def nifti_image(volume: Volume) -> nibabel.Nifti1Image:
    """The NIfTI image of a `Volume`: its numbers, its place, no scaling."""
    data, affine = from_plane(volume)
    if is_picture(volume):
        affine = np.eye(4)
        affine[np.ix_([0, 1, 3], [0, 1, 3])] = flip_lps(2) @ world_to_itk(volume) @ volume.affine
    data = nifti_array(data)
    image = nibabel.Nifti1Image(data, affine, dtype=data.dtype)
    code = volume.header.get("sform_code") or volume.header.get("qform_code") or 1
    set_place(image, affine, int(code))
    if volume.kind == "labels":
        image.header.set_intent(LABEL_INTENT)
    if not volume.oriented:
        image.header["descrip"] = UNORIENTED
    return image


def set_place(image: nibabel.Nifti1Image, affine: Matrix, code: int = 1) -> None:
    """Both forms where they can agree; a sheared grid has a sform only.  Millimetres."""
    image.header.set_xyzt_units("mm")
    image.header["scl_slope"], image.header["scl_inter"] = 1, 0
    image.set_sform(affine, code)
    if sheared(affine) < 1e-6:
        image.set_qform(affine, code)
    else:
        image.set_qform(None, 0)
        image.header.set_zooms([*np.linalg.norm(affine[:3, :3], axis=0), 1, 1][: image.ndim])


def write_image(image: nibabel.Nifti1Image | nibabel.MGHImage, path: Path) -> None:
    """Write a nibabel image as one file, which is closed whatever happens; .gz and .mgz packed."""
    packed = path.name.lower().endswith((".gz", ".mgz"))
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) if packed else path.open("wb") as file:
        image.to_stream(file)


def nifti_array(data: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in a type that NIfTI readers know."""
    if data.dtype == bool:
        return data.astype(np.uint8)
    if data.dtype == np.float16:
        return data.astype(np.float32)
    wide = data.dtype.kind in "iu" and data.dtype.itemsize == 8
    if wide and int(data.min()) >= -(2**31) and int(data.max()) < 2**31:
        return data.astype(np.int32)  # many programs cannot read 64-bit integers
    return data


def save_nifti(volume: Volume, path: Path) -> None:
    """Write .nii or .nii.gz."""
    with writing(path) as temporary:
        write_image(nifti_image(volume), temporary)


def save_mgh(volume: Volume, path: Path) -> None:
    """Write .mgh or .mgz (uint8, int16, int32 or float32, the types that FreeSurfer has)."""
    if not volume.oriented:
        raise InputError(
            f"“{volume.name}” does not say where left is, and MGH files cannot tell that to "
            "others. Save as NIfTI (.nii.gz), NRRD or TIFF."
        )
    data, affine = from_plane(volume)
    data = _mgh_array(data, path)
    with writing(path) as temporary:
        image = nibabel.MGHImage(data if data.ndim == 3 else data[..., None], affine)
        write_image(image, temporary)


def _mgh_array(data: NDArray[Any], path: Path) -> NDArray[Any]:
    if data.dtype.kind == "f":
        return data.astype(np.float32)
    low, high = int(data.min()), int(data.max())
    for dtype in (np.uint8, np.int16, np.int32):
        info = np.iinfo(dtype)
        wide_enough = info.bits // 8 >= min(data.dtype.itemsize, 4)
        if wide_enough and info.min <= low and high <= info.max:
            return data.astype(dtype)
    raise InputError(
        f"“{path.name}”: values from {low} to {high} do not fit the whole numbers of MGH (32 "
        "bits). Save as NIfTI (.nii.gz)."
    )
