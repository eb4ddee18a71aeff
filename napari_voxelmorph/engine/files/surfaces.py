"""Surfaces: their vertices are moved, everything else in the file stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import gifti, vtk
from napari_voxelmorph.engine.files.images import suffix_of

Points = NDArray[np.float64]
Move = Callable[[Points], Points]

#: What can be moved.
SUFFIXES = (".surf.gii", ".gii", ".surf.gii.gz", ".gii.gz", ".vtk")


def move_surface(source: str | os.PathLike[str], target: str | os.PathLike[str], move: Move) -> int:
    """Write `source` with moved vertices to `target` (same format); returns their number.

    Parameters
    ----------
    source : .gii (GIFTI) or .vtk (legacy polydata, text or binary)
    move : function
        World points (N, 3), RAS mm, to where they go.

    Raises
    ------
    FileFormatError
        Damaged, or no surface.
    InputError
        Another format, or coordinates whose place in the world is not known.
    OutputError
    """
    source, target = Path(source), Path(target)
    kind = suffix_of(source, SUFFIXES)
    if kind is None or suffix_of(target, SUFFIXES) != kind:
        raise InputError(
            f"“{source.name}” -> “{target.name}”: surfaces are read and written as "
            f"{', '.join(SUFFIXES)}, in their own format."
        )
    if kind == ".vtk":
        return vtk.move(source, target, move)
    return gifti.move(source, target, move)
