# mypy: allow-untyped-calls
"""A look at an HDF5 file before anything believes what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from napari_voxelmorph.engine.files.reading import damaged, require_memory

_DEEPEST, _MOST_ITEMS = 8, 10_000


def check_hdf5(path: Path, what: str, file: Any, copies: int) -> None:
    """Raise unless all numbers are in the file itself and fit into memory `copies` times.

    Parameters
    ----------
    file : h5py.File
    copies : int
        How often the numbers are held at once, as float64.

    Raises
    ------
    FileFormatError, NotEnoughMemoryError
    """
    require_memory(copies * 8 * _count(path, what, file, 0), path)


def _count(path: Path, what: str, group: Any, depth: int) -> int:
    """Numbers in a group and all below it."""
    if depth > _DEEPEST or len(group) > _MOST_ITEMS:
        raise damaged(path, what, "its groups are nested too deeply, or too many")
    total = 0
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise damaged(path, what, "a part of it is only a link")
        item = group[name]
        if isinstance(item, h5py.Group):
            total += _count(path, what, item, depth + 1)
        elif isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external is not None:
                raise damaged(path, what, "its numbers are in another file")
            total += item.size or 0
    return total
