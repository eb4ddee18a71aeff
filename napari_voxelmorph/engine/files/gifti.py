# mypy: allow-untyped-calls, no-warn-return-any
"""GIFTI surfaces (.surf.gii, .gii), through nibabel."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def move(
    source: Path, target: Path, move: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> int:
    """See `surfaces.move_surface`."""
    with reading(source, _WHAT):
        size = source.stat().st_size
        require_memory(size * (20 if is_gzip(source) else 8), source)
        _refuse_other_files(source)
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


def _refuse_other_files(path: Path) -> None:
    """Numbers may lie in a file beside this one, but nowhere else."""
    with (gzip.open if is_gzip(path) else open)(path, "rb") as file:
        named = re.findall(rb'ExternalFileName\s*=\s*["\']([^"\']*)', file.read())
    if any(re.search(rb"[/\\:&]|\.\.", name) for name in named):
        raise damaged(path, _WHAT, "its numbers are in another folder")


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
