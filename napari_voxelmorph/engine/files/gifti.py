# mypy: allow-untyped-calls, no-warn-return-any
"""GIFTI surfaces (.surf.gii, .gii), through nibabel."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.parsers import expat

import nibabel
import numpy as np
from nibabel.gifti.gifti import GiftiDataArray, GiftiImage
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.reading import damaged, is_gzip, reading, require_memory
from napari_voxelmorph.engine.files.writing import writing

_WHAT = "a GIFTI surface"
_POINTS = "NIFTI_INTENT_POINTSET"
#: What mris_convert leaves behind: the middle of the volume from which it came.
_CENTER = ("VolGeomC_R", "VolGeomC_A", "VolGeomC_S")
_DIRECTIONS = {"VolGeomX_R": -1.0, "VolGeomY_S": -1.0, "VolGeomZ_A": 1.0}
#: Bytes of a whole file, unpacked: 40 million vertices; both hemispheres at 0.7 mm have 0.6.
_LARGEST, _CHUNK = 2**29, 2**24


def move(
    source: Path, target: Path, move: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> int:
    """See `surfaces.move_surface`."""
    with reading(source, _WHAT):
        _look_through(source)
        image: Any = nibabel.load(source)
        if not isinstance(image, GiftiImage):
            raise damaged(source, _WHAT, "it is another kind of image")
        arrays: list[GiftiDataArray] = image.get_arrays_from_intent(_POINTS)
        if not arrays:
            raise damaged(source, _WHAT, "it holds no vertices (maps and labels have no place)")
        count = 0
        for array in arrays:
            points = np.asarray(array.data, np.float64)
            if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
                raise damaged(source, _WHAT, f"its vertices have the shape {points.shape}")
            count += len(points)
            array.data = move(points + _offset(source, array)).astype(np.float32)
            _now_in_the_world(array)
    raw = image.to_bytes()
    with writing(target) as temporary:
        temporary.write_bytes(gzip.compress(raw, 1) if target.suffix == ".gz" else raw)
    return count


def _look_through(path: Path) -> None:
    """Refuse what unpacks to more than a surface, and numbers in a file of another folder."""
    with (gzip.open if is_gzip(path) else open)(path, "rb") as file:
        raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise damaged(path, _WHAT, "it is far too large")
    require_memory(8 * len(raw), path)
    parser, texts, left = expat.ParserCreate(), [""], _LARGEST

    def start(tag: str, attributes: dict[str, str]) -> None:
        # A file beside this one may hold the numbers (GIFTI 1.0, "ExternalFileBinary").
        if re.search(r"[/\\:]|\.\.", attributes.get("ExternalFileName", "")):
            raise damaged(path, _WHAT, "its numbers are in another folder")
        texts.clear()

    def end(tag: str) -> None:
        nonlocal left
        if tag == "Data":
            left -= _unpacked_bytes("".join(texts), left)
        if left < 0:
            raise damaged(path, _WHAT, "its numbers are far too many")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = texts.append
    parser.Parse(raw, True)


def _unpacked_bytes(text: str, most: int) -> int:
    """How many bytes a block of numbers unpacks to; not much more than `most` are counted."""
    count, machine = 0, zlib.decompressobj()
    try:
        packed = base64.b64decode(text)
        while packed and count <= most:
            count += len(machine.decompress(packed, _CHUNK))
            packed = machine.unconsumed_tail
    except (ValueError, zlib.error):  # not packed, or damaged, as its reader will say
        return 0
    return count


def _offset(path: Path, array: GiftiDataArray) -> NDArray[np.float64]:
    """From the array's coordinates to RAS mm: FreeSurfer leaves out the middle of its volume."""
    meta = {key: float(array.meta[key]) for key in (*_CENTER, *_DIRECTIONS) if key in array.meta}
    center = np.array([meta.get(key, 0.0) for key in _CENTER])
    if not center.any():
        return center
    if any(abs(meta.get(key, value) - value) > 1e-4 for key, value in _DIRECTIONS.items()):
        raise InputError(
            f"“{path.name}” is in FreeSurfer's own coordinates of a turned volume. Convert it first: "
            "mris_convert --to-scanner IN OUT.surf.gii"
        )
    return center


def _now_in_the_world(array: GiftiDataArray) -> None:
    for key in _CENTER:
        if key in array.meta:
            array.meta[key] = "0.000000"
