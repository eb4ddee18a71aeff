"""The last step of every reader: raw numbers and a matrix become a `Volume`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError, SeveralVolumesError
from napari_voxelmorph.engine.files import kinds
from napari_voxelmorph.engine.files.plane import to_plane
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, Volume

_SUFFIXES = (".nii.gz", ".hdr.gz", ".img.gz", ".mgh.gz", ".ome.tif", ".ome.tiff")


def stem(path: Path) -> str:
    """The file's name without its (possibly double) suffix."""
    for suffix in _SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem or path.name


def to_volume(
    path: Path,
    data: NDArray[Any],
    affine: Matrix,
    kind: Kind | None,
    header: dict[str, Any],
    oriented: bool = True,
) -> Volume:
    """Finish a reader's work.

    Parameters
    ----------
    data : ndarray
        2-D or 3-D; one axis of one voxel is dropped (see `plane`).
    affine : ndarray (D + 1, D + 1), or (4, 4) for a 2-D file that has a place in space.
    kind : "image", "labels" or None (ask the file).
    header : dict
        With "format"; "path" and what is found here are added.
    """
    kinds.refuse_dtype(data.dtype, path)
    header = {"path": str(path), "notes": [], **header}
    one_slice = data.ndim == 3 and data.shape.count(1) == 1
    if one_slice or (data.ndim == 2 and affine.shape[0] == 4):
        data, affine, plane = to_plane(data, affine, data.ndim)
        header |= plane
    data = kinds.native(data)
    if kind is None:
        kind = header.get("kind_in_file") or kinds.guess_kind(path, data)
    if kind == "labels":
        data = kinds.label_array(data, path)
    count = kinds.non_finite(data)
    if count:
        header["non_finite"] = count
        header["notes"].append(f"{count} voxels are NaN or infinite.")
    return Volume(data, affine, kind, stem(path), oriented, header)


def choose_volume(path: Path, shape: tuple[int, ...], volume_index: int | None) -> tuple[Any, ...]:
    """Index that cuts one 2-D or 3-D image out of a file of `shape`.

    Trailing axes of one are dropped.  A single longer one (time, echo, frame) needs
    `volume_index`, counted from 0.

    Raises
    ------
    SeveralVolumesError
        With the number of volumes and how to choose one.
    InputError
        No such volume, or more than four axes.
    """
    space, rest = shape[:3], shape[3:]
    longer = [a for a, n in enumerate(rest) if n > 1]
    if not longer:
        if volume_index not in (None, 0):
            raise _no_such(path, volume_index, 1)
        return (slice(None),) * len(space) + (0,) * len(rest)
    if len(longer) > 1:
        raise InputError(
            f"“{path.name}” has {len(shape)} axes {shape}; a 2-D or 3-D image with one value per "
            "voxel is needed. Extract one volume first."
        )
    count = rest[longer[0]]
    if volume_index is None:
        raise SeveralVolumesError(
            f"“{path.name}” holds {count} volumes of {' x '.join(map(str, space))} voxels (time "
            f"points or channels); one is needed. Choose volume_index from 0 to {count - 1}, "
            "or extract one into a file of its own.",
            count,
        )
    if not 0 <= volume_index < count:
        raise _no_such(path, volume_index, count)
    last = [volume_index if a == longer[0] else 0 for a in range(len(rest))]
    return (slice(None),) * len(space) + tuple(last)


def _no_such(path: Path, volume_index: int | None, count: int) -> InputError:
    holds = (
        "one volume; leave volume_index out"
        if count == 1
        else (f"{count} volumes; choose volume_index from 0 to {count - 1}")
    )
    return InputError(f"“{path.name}” has no volume {volume_index}: it holds {holds}.")


def largest_gap(first: Matrix, second: Matrix, shape: tuple[int, ...]) -> float:
    """Largest distance (mm) between the corners of one grid under two affines."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]], indexing="ij"), dtype=float)
    points = np.vstack([corners.reshape(3, -1), np.ones(8)])
    return float(np.linalg.norm(((first - second) @ points)[:3], axis=0).max())
