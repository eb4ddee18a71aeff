"""Write 2-D images as PNG or TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.frames import itk_affine
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Volume


def as_seen(volume: Volume) -> tuple[NDArray[Any], tuple[float, float]]:
    """Rows and columns of a 2-D image as a picture viewer should show them, and their mm.

    Columns run along ITK's first axis and rows along its second: a picture stays as it is;
    of an axial slice the patient's left is on the right and the front on top, whichever way
    its file stores it.
    """
    direction = itk_affine(volume)[:2, :2] / np.array(volume.spacing)
    column_axis = int(np.argmax(np.abs(direction[0])))
    row_axis = 1 - column_axis
    data = volume.data.transpose(row_axis, column_axis)
    if direction[1, row_axis] < 0:
        data = data[::-1]
    if direction[0, column_axis] < 0:
        data = data[:, ::-1]
    return np.ascontiguousarray(data), (volume.spacing[row_axis], volume.spacing[column_axis])


def save_png(volume: Volume, path: Path) -> None:
    """Write 8 or 16 bits grey.

    Whole numbers from 0 to 65535 are kept exactly; other images are stretched to 0..65535.
    """
    _need_2d(volume, path)
    data, _ = as_seen(volume)
    if data.dtype == bool:
        data = data.astype(np.uint8)
    low, high = float(np.nanmin(data)), float(np.nanmax(data))
    if data.dtype.kind in "ui" and low >= 0 and high <= 65535:
        data = data.astype(np.uint8 if high <= 255 and data.dtype != np.uint16 else np.uint16)
    elif volume.kind == "labels":
        raise InputError(
            f"“{path.name}”: ids from {low:g} to {high:g} do not fit a PNG (0 to 65535). Save as "
            "TIFF or NIfTI."
        )
    else:
        finite = np.where(np.isfinite(data), data, low).astype(np.float64)
        low, high = float(finite.min()), float(finite.max())
        data = np.rint((finite - low) / max(high - low, 1e-300) * 65535).astype(np.uint16)
    with writing(path) as temporary:
        Image.fromarray(data).save(temporary, format="PNG")


def save_tiff(volume: Volume, path: Path) -> None:
    """Write any number type exactly, with the pixel size as resolution."""
    _need_2d(volume, path)
    data, (rows, columns) = as_seen(volume)
    if data.dtype == bool:
        data = data.astype(np.uint8)
    with writing(path) as temporary:
        tifffile.imwrite(
            temporary,
            data,
            photometric="minisblack",
            compression="zlib",
            resolution=(10.0 / columns, 10.0 / rows),
            resolutionunit="CENTIMETER",
            metadata=None,
        )


def _need_2d(volume: Volume, path: Path) -> None:
    if volume.ndim != 2:
        raise InputError(
            f"“{path.name}”: “{volume.name}” is 3-D, and this kind of picture is 2-D. Save as "
            "NIfTI (.nii.gz), MGZ, NRRD or MHA."
        )
