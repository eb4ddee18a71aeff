"""FreeSurfer's warps (.mgz), as mri_synthmorph and surfa write them.

An MGH file of three frames on the target (fixed) grid with intent "warpmap"; behind the voxels
tags with both grids, and whether the numbers are positions or displacements, in RAS or voxels
(surfa 0.6.3, transform/warp.py, io/framed.py).  Written here: displacements in RAS mm.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.reading import damaged, is_gzip, reading, require_bytes
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift, empty_grid
from napari_voxelmorph.engine.files.transforms.dense import plane_voxels, transformed, vectors_of
from napari_voxelmorph.engine.files.transforms.freesurfer_geometry import affine_of, geometry
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.result import Registration

_WHAT = "a FreeSurfer warp"
_INTENT = 3  # FramedArrayIntents.warpmap
_GEOMETRY, _META, _SHEARED = 10, 13, 15
_ABSOLUTE_VOXELS, _VOXELS, _ABSOLUTE_RAS, _RAS = range(4)
_GRID = ">i3i3f9f3f512s"
_HEAD, _FLOAT = 284, 3
_MOST_TAGS = 2**20


def write(registration: Registration, path: Path, inverse: bool = False) -> None:
    """``surfa.load_warp(FILE).transform(moving)``."""
    if suffix_of(path, (".mgz", ".mgh")) is None:
        raise InputError(f"“{path.name}”: a FreeSurfer warp is saved as .mgz.")
    way = one_way(registration, inverse)
    directions, center = geometry(way.grid)
    grids = _packed(way.other) + _packed(way.grid)
    vectors = vectors_of(way, way.grid.affine, np.eye(4))
    place = [*way.grid.spacing, *directions.ravel(order="F"), *center]
    head = struct.pack(">i4iiih15f", (_INTENT << 8) | 1, *way.grid.shape, 3, _FLOAT, 1, 1, *place)
    field_of_view = max(n * s for n, s in zip(way.grid.shape, way.grid.spacing, strict=True))
    with writing(path) as temporary, _opened(temporary, "wb", path.suffix == ".mgz") as file:
        file.write(head.ljust(_HEAD, b"\0"))
        for frame in vectors:
            file.write(frame.ravel(order="F").astype(">f4").tobytes())
        file.write(struct.pack(">5f", 0, 0, 0, 0, field_of_view))
        file.write(struct.pack(">i", _GEOMETRY) + grids)
        file.write(struct.pack(">iqiif", _META, 12, _RAS, 1, 0.0))


def read(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """A warp in any of the four formats; the grids are in the file."""
    with reading(path, _WHAT), _opened(path, "rb", is_gzip(path)) as file:
        vectors, target = _image(path, file)
        tags = file.read(_MOST_TAGS)[20:]
        form, source = _tags(path, tags)
        _to_displacements(vectors, target, source, form)
    return Chain([Shift(vectors, target)], path.name, fixed=target, moving=source)


def _image(path: Path, file: BinaryIO) -> tuple[NDArray[np.float32], Volume]:
    head = file.read(_HEAD)
    if len(head) < _HEAD:
        raise damaged(path, _WHAT, "it is almost empty")
    version, *shape, frames, kind, _, known = struct.unpack_from(">i4iiih", head)
    if version & 0xFF != 1 or frames != 3 or kind != _FLOAT or min(shape) < 1:
        raise damaged(path, _WHAT, f"it holds {shape} voxels of {frames} numbers")
    if not known:
        raise damaged(path, _WHAT, "it does not say where its grid lies")
    place = np.array(struct.unpack_from(">15f", head, 30), np.float64)
    affine = affine_of(shape, place[:3], place[3:12].reshape(3, 3, order="F"), place[12:])
    count = int(np.prod(shape, dtype=object)) * 3
    require_bytes(path, _WHAT, count * 4, is_gzip(path), copies=2)
    raw = file.read(count * 4)
    if len(raw) < count * 4:
        raise damaged(path, _WHAT, f"it ends after {len(raw):,} of {count * 4:,} bytes of voxels")
    data = np.frombuffer(raw, ">f4").reshape(*shape, 3, order="F")
    vectors = np.ascontiguousarray(np.moveaxis(data, -1, 0), dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise damaged(path, _WHAT, "it holds NaN or infinite numbers")
    return vectors, empty_grid(shape, affine, path.name)


def _tags(path: Path, raw: bytes) -> tuple[int, Volume]:
    """The format and the source (moving) grid; everything else is skipped."""
    at, form = 0, -1
    source: Volume | None = None
    while at + 4 <= len(raw):
        (tag,) = struct.unpack_from(">i", raw, at)
        at += 4
        if tag == 0:
            break
        if tag == _GEOMETRY:
            source = _unpacked(path, raw[at:])
            at += 2 * struct.calcsize(_GRID)
            continue
        (length,) = struct.unpack_from(">q", raw, at)
        at += 8
        if not 0 <= length <= len(raw):
            raise damaged(path, _WHAT, "its tags are broken")
        if tag == _META:
            (form,) = struct.unpack_from(">i", raw, at)
        at += length
    if form not in range(4) or source is None:
        raise damaged(path, _WHAT, "it does not say what its numbers mean; is it an image?")
    return form, source


def _packed(volume: Volume) -> bytes:
    directions, center = geometry(volume)
    place = [*volume.shape, *volume.spacing, *directions.ravel(order="F"), *center]
    return struct.pack(_GRID, 1, *place, b"")


def _unpacked(path: Path, raw: bytes) -> Volume:
    _, a, b, c, *place = struct.unpack_from(_GRID, raw)[:-1]
    numbers = np.array(place, np.float64)
    if min(a, b, c) < 1:
        raise damaged(path, _WHAT, "it does not describe the moving image")
    directions = numbers[3:12].reshape(3, 3, order="F")
    affine = affine_of((a, b, c), numbers[:3], directions, numbers[12:])
    return empty_grid((a, b, c), affine, f"{path.name} (moving)")


def _to_displacements(
    vectors: NDArray[np.float32], target: Volume, source: Volume, form: int
) -> None:
    """Turn any format into RAS displacements, in place."""
    if form == _RAS:
        return
    to_ras: Matrix = np.eye(4) if form == _ABSOLUTE_RAS else source.affine
    for start in range(target.shape[0]):
        voxels = plane_voxels(start, target.shape)
        there = vectors[:, start].reshape(3, -1).T.astype(np.float64)
        there = transformed(to_ras, there + voxels if form == _VOXELS else there)
        step = there - transformed(target.affine, voxels)
        vectors[:, start] = step.T.reshape(vectors[:, start].shape)


def _opened(path: Path, mode: Literal["rb", "wb"], packed: bool) -> Any:
    if packed and mode == "wb":
        return gzip.GzipFile(path, "wb", compresslevel=1, mtime=0)
    return gzip.open(path, mode) if packed else path.open(mode)
