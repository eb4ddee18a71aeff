"""Carry many things over, one after the other; a generator that can be stopped at any yield."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.apply.items import Item, Kind, PointList, kind_of
from napari_voxelmorph.engine.errors import InputError, NotEnoughMemoryError
from napari_voxelmorph.engine.files.coarse import coarsened
from napari_voxelmorph.engine.files.dicom_segmentation import save_segmentation
from napari_voxelmorph.engine.files.dicom_writing import save_dicom
from napari_voxelmorph.engine.files.images import load, save
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.files.reading import fits_memory
from napari_voxelmorph.engine.files.series import is_series, load_series, save_series
from napari_voxelmorph.engine.files.surfaces import move_surface
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.onto import onto
from napari_voxelmorph.engine.result import Mode, Registration
from napari_voxelmorph.engine.steps import Clock

#: "majority": each label linear, the largest share wins.
MODES = ("linear", "nearest", "cubic", "majority")
#: Of a result, per voxel: as float32, and packed.
_BYTES = 8


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
    voxel_size : float, optional
        Read the sources on a coarser grid (see `files.load`).
    names : mapping
        What label ids mean, for DICOM SEG.
    """

    inverse: bool = False
    grid: Volume | None = None
    mode: str | None = None
    fill: float = 0.0
    voxel_size: float | None = None
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far it is: what is being done, and the share of the whole, 0 to 1."""

    phase: str
    fraction: float
    seconds_left: float | None = None


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
    written, clock = [], Clock()
    for number, item in enumerate(items):
        fraction = number / len(items)
        yield Progress(item.name, fraction, clock.left(fraction))
        for part in _one(registration, warp, item, way):
            fraction = (number + part) / len(items)
            yield Progress(item.name, fraction, clock.left(fraction))
        written.append(item.out)
    return written


def _one(registration: Registration, warp: Registration, item: Item, way: Way) -> Iterator[float]:
    """Carry one thing over; yields how much of it is done."""
    source = item.source
    if isinstance(source, Volume):
        _write(registration, warp, source, item, way)
        return
    move = registration.fixed_to_moving if way.inverse else registration.moving_to_fixed
    if isinstance(source, PointList):
        save_landmarks(move(source.points), item.out)
        return
    kind: Kind | None = item.kind or kind_of(source)
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
        volume = load(source, kind, item.volume_index, voxel_size=way.voxel_size)
        _write(registration, warp, volume, item, way)


def _series(
    registration: Registration, warp: Registration, item: Item, way: Way
) -> Iterator[float]:
    assert isinstance(item.source, Path) and item.kind in ("image", "labels", None)
    series = load_series(item.source)
    target = _target(registration, way)
    if item.dicom:
        raise InputError(
            f"“{item.name}” holds several volumes; a DICOM series is written of one. Choose it by "
            f"its number: {item.name}@0"
        )
    volumes = (coarsened(v, way.voxel_size) for v in series.volumes(item.kind))
    arrays = (_array(warp, volume, way) for volume in volumes)
    for done in save_series(arrays, series.count, target, item.out, series):
        yield done / series.count


def _target(registration: Registration, way: Way) -> Volume:
    return way.grid or (registration.moving if way.inverse else registration.fixed)


def _check_room(grid: Volume) -> None:
    """The grid may come from a transform file alone, and any number may stand there."""
    need = int(np.prod(grid.shape, dtype=object)) * _BYTES
    if not fits_memory(need):
        shape = " x ".join(f"{n:,}" for n in grid.shape)
        raise NotEnoughMemoryError(
            f"The results would have the grid of “{grid.name}”, {shape} voxels, and need "
            f"{need / 1e9:.3g} GB of memory. Name another grid (--onto)."
        )


def _write(
    registration: Registration, warp: Registration, volume: Volume, item: Item, way: Way
) -> None:
    target = _target(registration, way)
    data = _array(warp, volume, way)
    oriented = volume.oriented and target.oriented
    moved = Volume(data, target.affine, volume.kind, volume.name, oriented, target.header)
    if not item.dicom:
        save(moved, item.out)
    elif volume.kind == "labels":
        save_segmentation(moved, target, item.out, way.names)
    else:
        save_dicom(moved, target, volume, item.out)


def _array(warp: Registration, volume: Volume, way: Way) -> NDArray[Any]:
    """The voxels of `volume` on the target grid; `warp` is the registration put onto it."""
    if volume.ndim != warp.ndim:
        raise InputError(f"“{volume.name}” is {volume.ndim}-D and the transform is {warp.ndim}-D.")
    _check_room(_target(warp, way))
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
