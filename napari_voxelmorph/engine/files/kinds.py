"""Image or labels: what the numbers of a file mean, and the array for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.geometry.volume import Kind

_LABEL_WORDS = re.compile(
    r"(^|[^a-z])(labels?|seg|segs|segmentation|mask|masks|aseg|aparc|parcellation)([^a-z]|$)"
)

#: Voxels looked at together.
_PART = 2**20
#: Along the last axis: a cache line of the widest type, and more.
_SLAB = 32


def native(data: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, C-contiguous, in this machine's byte order, no extended floats."""
    dtype = data.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    if data.dtype == dtype and data.flags.c_contiguous:
        return data
    out = np.empty(data.shape, dtype)
    # By slabs: turning the axes of a large array at once misses the caches at every voxel.
    for first in range(0, data.shape[-1], _SLAB):
        out[..., first : first + _SLAB] = data[..., first : first + _SLAB]
    return out


def guess_kind(path: Path, data: NDArray[Any]) -> Kind:
    """Labels when the file's name says so and the numbers could be ids, else image."""
    if not _LABEL_WORDS.search(path.name.lower()):
        return "image"
    return "labels" if data.dtype.kind in "bui" or _whole(data) else "image"


def are_labels(
    path: Path, kind: Kind | None, header: Mapping[str, Any], dtype: np.dtype[Any]
) -> bool:
    """As far as can be said before the voxels are read."""
    if kind is not None:
        return kind == "labels"
    named = dtype.kind in "bui" and _LABEL_WORDS.search(path.name.lower()) is not None
    return named or header.get("kind_in_file") == "labels"


def label_array(data: NDArray[Any], path: Path) -> NDArray[Any]:
    """Integer ids exactly as stored; whole numbers stored as floats become int32 (or int64).

    Raises
    ------
    InputError
        When the file holds fractions, NaN or infinite numbers: it is no label image.
    """
    if data.dtype.kind in "bui":
        return data
    for part in _parts(data):
        odd = part[~np.isfinite(part) | (part != np.trunc(part))]
        if odd.size:
            raise InputError(
                f"“{path.name}” is no label image: it holds {odd[0]:g}, and labels are whole "
                "numbers. Open it as an image, or choose the segmentation that was not interpolated."
            )
    low, high = float(data.min()), float(data.max())
    if low < -(2.0**63) or high >= 2.0**63:
        raise InputError(
            f"“{path.name}” is no label image: its ids reach {max(high, -low):g}, more than a "
            "whole number of 64 bits can hold. Open it as an image."
        )
    fits = low >= -(2**31) and high < 2**31
    whole = np.dtype(np.int32 if fits else np.int64)
    ours = data.flags.c_contiguous and data.flags.writeable
    if whole.itemsize != data.dtype.itemsize or not ours:
        return data.astype(whole)
    # In the place of the floats: a large one need not be held twice.
    ids = data.view(whole)
    for part, target in zip(_parts(data), _parts(ids), strict=True):
        target[...] = part.astype(whole)
    return ids


def non_finite(data: NDArray[Any]) -> int:
    """How many voxels are NaN or infinite."""
    if data.dtype.kind != "f":
        return 0
    return sum(part.size - int(np.count_nonzero(np.isfinite(part))) for part in _parts(data))


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
    return all(
        bool(np.isfinite(part).all()) and np.array_equal(part, np.trunc(part))
        for part in _parts(data)
    )


def _parts(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The array in parts, along its first axis: what is made of one in between stays small."""
    rows = max(1, _PART // max(1, data[:1].size))
    for first in range(0, len(data), rows):
        yield data[first : first + rows]
