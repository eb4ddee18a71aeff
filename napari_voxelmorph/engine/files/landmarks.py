"""Landmarks in and out: world positions in RAS millimetres, with optional names.

Read: comma, semicolon, tab or blank separated text with or without a head line (``x,y,z``
or ``name,x,y,z``), Slicer's ``.mrk.json`` and ``.fcsv``, and ITK/elastix ``.pts`` (points, not
indices).  Written: CSV with the head ``name,x,y,z``, or Slicer's ``.mrk.json``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.markups import load_markups, save_markups
from napari_voxelmorph.engine.files.writing import writing

Points = NDArray[np.float64]

_AXES = ("x", "y", "z")
_MARKUPS = ".mrk.json"
_LARGEST = 256 * 2**20


def load_landmarks(path: Path | str, ndim: int) -> tuple[Points, list[str]]:
    """Read landmarks.

    Parameters
    ----------
    ndim : 2 or 3
        Coordinates per landmark.

    Returns
    -------
    points : ndarray (N, ndim)
        World RAS mm (2-D: mm in the plane).
    names : list of str
        One per point; made up where the file has none.

    Raises
    ------
    FileFormatError
        When the file is not such a list, with the line at fault.
    """
    path = Path(path)
    if path.name.lower().endswith(_MARKUPS) and path.exists():
        array, labels = load_markups(path)
        return _checked(path, array, ndim), _named(labels)
    try:
        if path.stat().st_size > _LARGEST:
            raise FileFormatError(f"“{path.name}” is too large to be a list of landmarks.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"There is no file “{path}”.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"“{path.name}” cannot be read as a list of landmarks.") from error
    if path.suffix == ".fcsv":
        points, names = _fcsv(lines, path)
    elif path.suffix == ".pts":
        points, names = _pts(lines, path)
    else:
        points, names = _table(lines, path, ndim)
    counts = {len(p) for p in points}
    if counts != {ndim}:
        found = f"{max(counts)} coordinates each" if counts else "no landmarks"
        raise FileFormatError(f"“{path.name}”: expected {ndim} coordinates per line, got {found}.")
    return _checked(path, np.array(points, dtype=np.float64), ndim), _named(names)


def _checked(path: Path, points: Points, ndim: int) -> Points:
    if len(points) == 0 or points.shape[1] != ndim:
        found = f"{points.shape[1]} coordinates" if len(points) else "no landmarks"
        raise FileFormatError(f"“{path.name}”: expected {ndim} coordinates per point, got {found}.")
    if not np.isfinite(points).all():
        raise FileFormatError(f"“{path.name}” holds a position that is NaN or infinite.")
    return points


def _named(names: list[str]) -> list[str]:
    return [name or f"{n + 1}" for n, name in enumerate(names)]


def save_landmarks(points: Points, path: Path | str, names: Sequence[str] | None = None) -> None:
    """Write landmarks (N, D), world mm, as CSV with a head line (or as .mrk.json).

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    names = list(names or [f"{n + 1}" for n in range(len(points))])
    if str(path).lower().endswith(_MARKUPS) and points.shape[1] == 3:
        save_markups(points, Path(path), names)
        return
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", *_AXES[: points.shape[1]]])
        for name, point in zip(names, points, strict=True):
            writer.writerow([name, *(f"{c:.4f}" for c in point)])


def _table(lines: list[str], path: Path, ndim: int) -> tuple[list[list[float]], list[str]]:
    points: list[list[float]] = []
    names: list[str] = []
    columns: list[int] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = _cells(line)
        lowered = [c.lower() for c in cells]
        if not points and columns is None and set(_AXES[:ndim]) <= set(lowered):
            columns = [lowered.index(a) for a in _AXES[:ndim]]
            continue
        used = columns or list(range(len(cells) - ndim, len(cells)))
        points.append(_numbers(cells, used, path, number))
        names.append(next((c for i, c in enumerate(cells) if i not in used), ""))
    return points, names


def _cells(line: str) -> list[str]:
    """Cells of a line; blanks separate only where nothing else does, so names may hold them."""
    for separator in (",", ";", "\t"):
        if separator in line:
            cells = line.split(separator)
            with suppress(csv.Error):  # a cell longer than csv allows has nothing to unquote
                cells = next(csv.reader([line], delimiter=separator))
            return [c.strip() for c in cells]
    return re.split(r"\s+", line.strip())


def _fcsv(lines: list[str], path: Path) -> tuple[list[list[float]], list[str]]:
    """Slicer's markups: ``id,x,y,z,...,label``; the head says RAS (0) or LPS (1)."""
    head = " ".join(line for line in lines if line.startswith("#"))
    found = re.search(r"CoordinateSystem\s*=\s*(\w+)", head)
    flip = np.array([-1.0, -1.0, 1.0]) if found and found[1] in ("1", "LPS") else np.ones(3)
    points, names = [], []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            cells = line.split(",")
            points.append(list(flip * _numbers(cells, [1, 2, 3], path, number)))
            names.append(cells[11] if len(cells) > 11 else "")
    return points, names


def _pts(lines: list[str], path: Path) -> tuple[list[list[float]], list[str]]:
    """elastix: ``point``, the count, then one position (LPS mm) per line."""
    words = [line.strip() for line in lines if line.strip()]
    if words and words[0].lower() == "index":
        raise FileFormatError(
            f"“{path.name}” holds voxel indices; positions in millimetres are needed. Convert them "
            "with the image's header first, and write “point” in the first line."
        )
    body = words[2:] if words and words[0].lower() == "point" else words
    points = [
        _numbers(w.split(), list(range(len(w.split()))), path, n) for n, w in enumerate(body, 3)
    ]
    return [[*(-c for c in p[:2]), *p[2:]] for p in points], [""] * len(points)


def _numbers(cells: list[str], columns: list[int], path: Path, line: int) -> list[float]:
    try:
        if min(columns, default=-1) < 0:
            raise IndexError
        return [float(cells[c]) for c in columns]
    except (ValueError, IndexError) as error:
        raise FileFormatError(
            f"“{path.name}”, line {line}: expected {len(columns)} numbers (millimetres), got "
            f"“{','.join(cells)[:60]}”."
        ) from error
