"""Carry many things over, one after the other; a generator that can be stopped at any yield."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.apply.items import Item, Kind, kind_of
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.images import load, save
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.files.series import is_series, load_series, save_series
from napari_voxelmorph.engine.files.surfaces import move_surface
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.onto import onto
from napari_voxelmorph.engine.result import Mode, Registration

#: "majority": each label linear, the largest share wins.
MODES = ("linear", "nearest", "cubic", "majority")


@dataclass(frozen=True, eq=False)
class Way:
    """How things are carried over.

    Parameters
    ----------
    inverse : bool
        From the fixed scan to the moving one.
    grid : Volume, optional
        The grid of the results, default that of the fixed image (inverse: of the moving one).
    mode : str, optional
        One of `MODES`; default linear for images, nearest for labels.
    fill : float
        Value where the source has no voxels.
    """

    inverse: bool = False
    grid: Volume | None = None
    mode: str | None = None
    fill: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far it is: what is being done, and the share of the whole, 0 to 1."""

    phase: str
    fraction: float


def carry_over(
    registration: Registration, items: Sequence[Item], way: Way
) -> Generator[Progress, None, list[Path]]:
    """Carry `items` over and write each one; returns the files.

    Images are resampled once from their own voxels; vertices and landmarks go the way of the
    anatomy (moving to fixed; `Way.inverse`: fixed to moving).

    Raises
    ------
    InputError, FileFormatError, OutputError, NotEnoughMemoryError
        What was written before stays.
    """
    warp = registration if way.grid is None else onto(registration, way.grid, way.inverse)
    written = []
    for number, item in enumerate(items):
        yield Progress(item.name, number / len(items))
        for part in _one(registration, warp, item, way):
            yield Progress(item.name, (number + part) / len(items))
        written.append(item.out)
    return written


def _one(registration: Registration, warp: Registration, item: Item, way: Way) -> Iterator[float]:
    """Carry one thing over; yields how much of it is done."""
    source = item.source
    if isinstance(source, Volume):
        save(_warped(registration, warp, source, way), item.out)
        return
    kind: Kind | None = item.kind or kind_of(source)
    move = registration.fixed_to_moving if way.inverse else registration.moving_to_fixed
    if kind == "points":
        points, names = load_landmarks(source, registration.ndim)
        save_landmarks(move(points), item.out, names)
    elif kind == "surface":
        if registration.ndim != 3:
            raise InputError(f"“{source.name}” is a surface, and the transform is 2-D.")
        move_surface(source, item.out, move)
    elif item.volume_index is None and is_series(source):
        yield from _series(registration, warp, item, way)
    else:
        volume = load(source, kind, item.volume_index)
        save(_warped(registration, warp, volume, way), item.out)


def _series(
    registration: Registration, warp: Registration, item: Item, way: Way
) -> Iterator[float]:
    assert isinstance(item.source, Path) and item.kind in ("image", "labels", None)
    series = load_series(item.source)
    target = _target(registration, way)
    arrays = (_array(warp, volume, way) for volume in series.volumes(item.kind))
    for done in save_series(arrays, series.count, target, item.out, series):
        yield done / series.count


def _target(registration: Registration, way: Way) -> Volume:
    return way.grid or (registration.moving if way.inverse else registration.fixed)


def _warped(registration: Registration, warp: Registration, volume: Volume, way: Way) -> Volume:
    target = _target(registration, way)
    data = _array(warp, volume, way)
    oriented = volume.oriented and target.oriented
    return Volume(data, target.affine, volume.kind, volume.name, oriented, target.header)


def _array(warp: Registration, volume: Volume, way: Way) -> NDArray[Any]:
    """The voxels of `volume` on the target grid; `warp` is the registration put onto it."""
    if volume.ndim != warp.ndim:
        raise InputError(f"“{volume.name}” is {volume.ndim}-D and the transform is {warp.ndim}-D.")
    inverse = way.inverse or way.grid is not None
    if way.mode == "majority":
        if volume.kind != "labels":
            raise InputError(
                f"“{volume.name}” is an image, and the mode “majority” is for segmentations. Say "
                "that it is one (--labels), or choose another mode."
            )
        return warp.warp_labels(volume, inverse=inverse)
    mode: Mode | None = way.mode  # type: ignore[assignment]
    return np.asarray(warp.warp(volume, mode, fill=way.fill, inverse=inverse))
