"""Image or labels: what the numbers of a file mean, and the array for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.geometry.volume import Kind

_LABEL_WORDS = re.compile(
    r"(^|[^a-z])(labels?|seg|segs|segmentation|mask|masks|aseg|aparc|parcellation)([^a-z]|$)"
)


def native(data: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, C-contiguous, in this machine's byte order, no extended floats."""
    dtype = data.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return np.ascontiguousarray(data, dtype=dtype)


def guess_kind(path: Path, data: NDArray[Any]) -> Kind:
    """Labels when the file's name says so and the numbers could be ids, else image."""
    if not _LABEL_WORDS.search(path.name.lower()):
        return "image"
    return "labels" if data.dtype.kind in "bui" or _whole(data) else "image"


def label_array(data: NDArray[Any], path: Path) -> NDArray[Any]:
    """Integer ids exactly as stored; whole numbers stored as floats become int32 (or int64).

    Raises
    ------
    InputError
        When the file holds fractions, NaN or infinite numbers: it is no label image.
    """
    if data.dtype.kind in "bui":
        return data
    if not _whole(data):
        odd = data[~np.isfinite(data) | (data != np.trunc(data))].reshape(-1)[0]
        raise InputError(
            f"“{path.name}” is no label image: it holds {odd:g}, and labels are whole numbers. "
            "Open it as an image, or choose the segmentation that was not interpolated."
        )
    low, high = float(data.min()), float(data.max())
    if low < -(2.0**63) or high >= 2.0**63:
        raise InputError(
            f"“{path.name}” is no label image: its ids reach {max(high, -low):g}, more than a "
            "whole number of 64 bits can hold. Open it as an image."
        )
    fits = low >= -(2**31) and high < 2**31
    return data.astype(np.int32 if fits else np.int64)


def non_finite(data: NDArray[Any]) -> int:
    """How many voxels are NaN or infinite."""
    return int(data.size - np.count_nonzero(np.isfinite(data))) if data.dtype.kind == "f" else 0


def refuse_dtype(dtype: np.dtype[Any], path: Path) -> None:
    """Raise for values that are no single real number."""
    if dtype.kind == "c":
        raise InputError(
            f"“{path.name}” holds complex numbers; one real number per voxel is needed. Save its "
            "magnitude and open that."
        )
    if dtype.names is not None or dtype.kind == "V":
        raise InputError(
            f"“{path.name}” holds colours (RGB), and one number per voxel is needed. Convert it to "
            "grey, or save one colour channel, and open that."
        )
    if dtype.kind not in "buif":
        raise FileFormatError(
            f"“{path.name}” holds values of type {dtype}, which no image has. Convert it to NIfTI."
        )


def _whole(data: NDArray[Any]) -> bool:
    return bool(np.isfinite(data).all() and np.array_equal(data, np.trunc(data)))
