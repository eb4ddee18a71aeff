"""A model as one zip file, to send and to keep; a stranger's zip cannot do any harm.

Only the two files of a model are ever taken out, to names of our own choosing and never more
bytes than they may have; everything else in the zip stays there.
"""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from napari_voxelmorph.engine.checkpoints import INDEX, LARGEST_INDEX, WEIGHTS, largest_weights
from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import writing

_WHAT = "a zip file with a napari-voxelmorph model"
_MOST_ENTRIES = 1000
#: Of the whole file; a model of ours has some megabytes.
_LARGEST_ZIP = 4 * 2**30
_CHUNK = 2**20
#: The record at the end of a zip (APPNOTE 4.3.16): signature, then the number of entries at +10.
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 2**16


def write_zip(files: list[Path], target: str | os.PathLike[str], folder: str) -> None:
    """Pack the files into a zip, within a folder of that name; whole or not at all.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with writing(target) as temporary, zipfile.ZipFile(temporary, "w") as pack:
        for path in files:
            # Weights are noise to deflate: it would only cost time.
            kind = zipfile.ZIP_STORED if path.name == WEIGHTS else zipfile.ZIP_DEFLATED
            pack.write(path, f"{folder}/{path.name}", kind)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the model of a zip file; gone after the block.

    Raises
    ------
    FileFormatError
        When it is no zip, damaged, locked by a password, or holds no model or several.
    """
    with tempfile.TemporaryDirectory(prefix="napari-voxelmorph-") as place:
        folder = Path(place) / "model"
        folder.mkdir()
        with reading(path, _WHAT):
            _check_end(path)
            with zipfile.ZipFile(path) as pack:
                index, weights = _members(pack, path)
                _take(pack, index, folder / INDEX, LARGEST_INDEX, path)
                most = largest_weights(folder)
                _take(pack, weights, folder / WEIGHTS, most, path)
        yield folder


def _check_end(path: Path) -> None:
    """Look at the zip's last record: `zipfile` would first read all that it announces."""
    size = path.stat().st_size
    if size > _LARGEST_ZIP:
        raise damaged(path, _WHAT, "it is far too large")
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
        end = file.read()
    place = end.rfind(_END)
    if place < 0 or len(end) < place + _END_SIZE:
        raise damaged(path, _WHAT, "it is not a zip file, or its end is missing")
    (entries,) = struct.unpack_from("<H", end, place + 10)
    if entries > _MOST_ENTRIES:
        raise damaged(path, _WHAT, f"it holds {entries} files or more, and a model has two")


def _members(pack: zipfile.ZipFile, path: Path) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo]:
    """The index and the weights that lie beside it."""
    infos = pack.infolist()
    if len(infos) > _MOST_ENTRIES:
        raise damaged(path, _WHAT, f"it holds {len(infos)} files, and a model has two")
    found = [i for i in infos if _name(i).name == INDEX and "__MACOSX" not in _name(i).parts]
    if len(found) != 1:
        words = "no model" if not found else f"{len(found)} models"
        raise FileFormatError(
            f"The zip file “{path.name}” holds {words}; one is expected: a folder with the files "
            f"{INDEX} and {WEIGHTS}."
        )
    place = _name(found[0]).parent
    beside = [i for i in infos if _name(i) == place / WEIGHTS]
    if len(beside) != 1:
        raise damaged(path, _WHAT, f"there must be one {WEIGHTS} beside its {INDEX}")
    for info in (found[0], beside[0]):
        if stat.S_ISLNK(info.external_attr >> 16):
            raise damaged(path, _WHAT, f"its {_name(info).name} is a link")
        if info.flag_bits & 1:
            raise damaged(path, _WHAT, "it is locked by a password")
    return found[0], beside[0]


def _name(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename.replace("\\", "/"))


def _take(pack: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path, most: int, path: Path) -> None:
    """Unpack one file, never more than it may have, whatever the zip says of its size."""
    left = most
    with pack.open(info) as source, to.open("xb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise damaged(path, _WHAT, f"its {to.name} is far too large")
            target.write(chunk)
