"""Volumes, matrices and fields in the form that the kernels take: 3-D, float32, contiguous."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

Array = NDArray[np.float32]
#: Voxels, and the ids that they number where float32 cannot hold the ids themselves.
Voxels = tuple[Array, NDArray[Any] | None]

#: For `kernels.warp_image`: no displacement.
NO_FIELD = np.zeros((3, 0, 0, 0), np.float32)
_EXACT = 2**24  # whole numbers up to here are exact in float32
_cache: WeakKeyDictionary[Volume, dict[bool, Voxels]] = WeakKeyDictionary()


def voxels_of(volume: Volume, as_ids: bool = False) -> Voxels:
    """float32 3-D voxels of `volume`, kept for as long as the volume lives.

    Parameters
    ----------
    as_ids : bool
        Every value must come back exactly; with large ids the voxels hold their places in
        the second item, a sorted table (None: the voxels are the values).
    """
    exact = as_ids and (volume.kind == "labels" or volume.data.dtype.kind in "iu")
    exact = exact and not np.can_cast(volume.data.dtype, np.float32)
    kept = _cache.setdefault(volume, {})
    if exact not in kept:
        data, table = _numbered(volume) if exact else (volume.data, None)
        array = np.ascontiguousarray(data, dtype=np.float32)
        kept[exact] = (array if array.ndim == 3 else array[None], table)
    return kept[exact]


def _numbered(volume: Volume) -> tuple[NDArray[Any], NDArray[Any] | None]:
    data = volume.data
    if data.dtype.kind in "iu":
        fits = max(abs(int(data.max())), abs(int(data.min()))) <= _EXACT
    else:
        fits = bool((data.astype(np.float32) == data).all())
    if fits:
        return data, None
    table, places = np.unique(data, return_inverse=True)
    if table.size >= _EXACT:
        raise InputError(
            f"“{volume.name}” holds {table.size} different ids; at most {_EXACT - 1} can be "
            "resampled at once. Is it an image rather than a segmentation?"
        )
    return places.reshape(data.shape), table


def check_fill(fill: float, volume: Volume) -> None:
    """Raise `InputError` when the volume's own type cannot hold `fill`."""
    kind = volume.data.dtype.kind
    if kind == "f":
        return
    low, high = (0, 1) if kind == "b" else _bounds(volume.data.dtype)
    if not (np.isfinite(fill) and float(fill).is_integer() and low <= fill <= high):
        raise InputError(
            f"warp: “{volume.name}” holds {volume.data.dtype} values, so fill must be a whole "
            f"number from {low} to {high}; got {fill}."
        )


def _bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def matrix_3d(matrix: Matrix) -> NDArray[np.float64]:
    """The upper (3, 4) part; a 2-D matrix gets an untouched first axis."""
    if matrix.shape[0] == 4:
        return np.ascontiguousarray(matrix[:3], np.float64)
    out = np.eye(4)
    out[1:, 1:] = matrix
    return np.ascontiguousarray(out[:3])
