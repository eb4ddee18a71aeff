"""VTK legacy polydata (.vtk), text or binary: the vertices are replaced, the rest is copied.

The format says nothing of coordinates.  Slicer writes ``SPACE=RAS`` or ``SPACE=LPS`` into the
title; without that they are taken as RAS, as everywhere in this program.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.reading import damaged, reading, require_memory
from napari_voxelmorph.engine.files.writing import writing

_WHAT = "a VTK surface"
_POINTS = re.compile(
    rb"^POINTS\s+(\d{1,18})\s+(float|double)[ \t]*\r?\n", re.MULTILINE | re.IGNORECASE
)
_TYPES = {b"float": ">f4", b"double": ">f8"}


def move(
    source: Path, target: Path, move: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> int:
    """See `surfaces.move_surface`."""
    with reading(source, _WHAT):
        require_memory(source.stat().st_size * 8, source)
        raw = source.read_bytes()
        head = raw[:2000].split(b"\n", 4)
        if len(head) < 5 or not head[0].startswith(b"# vtk DataFile"):
            raise damaged(source, _WHAT, "it does not begin as one")
        if b"POLYDATA" not in head[3].upper():
            raise FileFormatError(f"“{source.name}” is a VTK file, but no surface (POLYDATA).")
        binary = head[2].strip().upper() == b"BINARY"
        flip = np.array([-1.0, -1.0, 1.0]) if b"SPACE=LPS" in head[1].upper() else np.ones(3)
        begin, end, points = _points(source, raw, binary)
        if not np.isfinite(points).all():
            raise damaged(source, _WHAT, "a vertex is NaN or infinite")
        moved = move(points * flip) * flip
    title = _POINTS.search(raw)
    assert title is not None
    if binary:
        block = moved.astype(_TYPES[title[2].lower()]).tobytes()
    else:
        block = "".join(f"{x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in moved).encode()
    with writing(target) as temporary:
        temporary.write_bytes(raw[:begin] + block + _without_normals(raw[end:], len(moved), binary))
    return len(moved)


def _points(path: Path, raw: bytes, binary: bool) -> tuple[int, int, NDArray[np.float64]]:
    """Where the numbers of the vertices begin and end, and the vertices (N, 3)."""
    title = _POINTS.search(raw)
    if title is None:
        raise damaged(path, _WHAT, "it holds no vertices of type float or double")
    count, begin = int(title[1]), title.end()
    if binary:
        dtype = np.dtype(_TYPES[title[2].lower()])
        end = begin + count * 3 * dtype.itemsize
        if end > len(raw):
            raise damaged(path, _WHAT, f"it promises {count:,} vertices and ends before")
        found = np.frombuffer(raw, dtype, count * 3, begin)
        return begin, end, found.reshape(-1, 3).astype(np.float64)
    if count * 6 > len(raw):
        raise damaged(path, _WHAT, f"it promises {count:,} vertices and ends before")
    words = raw[begin:].split(None, count * 3)
    if len(words) < count * 3:
        raise damaged(path, _WHAT, f"it promises {count:,} vertices and holds fewer")
    found = np.array(words[: count * 3], dtype=np.float64)
    return begin, len(raw) - sum(map(len, words[count * 3 :])), found.reshape(-1, 3)


def _without_normals(rest: bytes, count: int, binary: bool) -> bytes:
    """Leave the normals of the vertices out: they point the old way, and viewers compute new ones."""
    title = re.search(rb"^NORMALS\s+\S+\s+(float|double)[ \t]*\r?\n", rest, re.MULTILINE)
    before = re.search(rb"^POINT_DATA\s+(\d{1,18})\b", rest, re.MULTILINE)
    if title is None or before is None or int(before[1]) != count or title.start() < before.end():
        return rest
    if binary:
        end = title.end() + count * 3 * np.dtype(_TYPES[title[1]]).itemsize
        return rest[: title.start()] + rest[end:].removeprefix(b"\n")
    words = rest[title.end() :].split(None, count * 3)
    return rest[: title.start()] + b"".join(words[count * 3 :])
