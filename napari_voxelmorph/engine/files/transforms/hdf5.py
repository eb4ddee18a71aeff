# mypy: allow-untyped-calls
"""A look at an HDF5 file before anything believes what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from napari_voxelmorph.engine.files.reading import damaged, require_file_bytes, require_memory

_DEEPEST, _MOST_ITEMS = 8, 10_000


def check_hdf5(path: Path, what: str, file: Any, copies: int) -> None:
    """Raise unless all numbers are in the file itself and fit into memory `copies` times.

    Attributes are not looked at: a damaged text there may take 4 GB before it is refused.

    Parameters
    ----------
    file : h5py.File
    copies : int
        How often the numbers are held at once, as float64.

    Raises
    ------
    FileFormatError, NotEnoughMemoryError
    """
    count = _count(path, what, file, 0)
    require_memory(copies * 8 * count, path)
    # HDF5 makes up what is not stored; no filter of it packs tighter than deflate.
    require_file_bytes(path, what, count, True)


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
            if item.dtype.hasobject:
                _check_texts(path, what, item)
            total += item.size or 0
    return total


def _check_texts(path: Path, what: str, item: Any) -> None:
    """Refuse texts that say to be longer than the file: HDF5 allocates first, and looks then.

    On disk a text is its length (4 bytes), and where it lies (HDF5 File Format 4.0, "VLEN").
    """
    offset, stored = item.id.get_offset(), item.id.get_storage_size()
    if offset is None and stored:
        raise damaged(path, what, "its texts are packed in an unusual way")
    if offset is None:
        return
    with path.open("rb") as file:
        file.seek(offset)
        raw = file.read(stored)
    each = stored // max(1, item.size)
    lengths = [
        int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), max(each, 4))
    ]
    if max(lengths, default=0) > path.stat().st_size:
        raise damaged(path, what, "a text in it is said to be longer than the file")
