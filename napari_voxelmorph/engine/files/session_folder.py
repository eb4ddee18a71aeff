"""A session's folder on disk: the new session or the old one, never half of either.

A new folder appears whole.  In a folder that holds a session already, the new files are written
beside the old ones under names of their own; the session changes at the moment in which its index
is replaced, and only then the old files go.  What others keep in the folder stays.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.files import session_json
from napari_voxelmorph.engine.files.reading import HEADER_LIMIT
from napari_voxelmorph.engine.files.writing import flush, folder_writing, output_error

INDEX = "session.json"
_OURS = re.compile(r"[a-z_]+(-\d+)?\.(npy|nii\.gz)")
#: What a killed save may have left; plain names, and numbers after other words, could be the user's.
_LEFT = re.compile(
    r"((untuned_|[ab]_)?(field|deviation)-\d+\.npy"
    r"|(fixed|moving)(_mask|_labels)?-\d+\.nii\.gz|\.[0-9a-f]{8}\.session\.json)"
)

#: A plain name (``field.npy``) -> where to write it; the path's own name goes into the index.
Place = Callable[[str], Path]
Write = Callable[[Place], dict[str, Any]]


def write_session(folder: str | os.PathLike[str], write: Write) -> None:
    """Have `write` make the files; it returns the index, which is written last.

    Raises
    ------
    OutputError
        Nothing half-written remains, and an earlier session is unchanged.
    """
    target = Path(os.path.realpath(folder))
    if not (target / INDEX).is_file():
        with folder_writing(target, INDEX) as temporary:
            _write_text(temporary / INDEX, session_json.dumps(write(lambda name: temporary / name)))
        return
    former = _named_by(target / INDEX)
    with _beside(target) as (place, written):
        index = write(place)
        for path in written:
            flush(path)
        _replace(target / INDEX, session_json.dumps(index))
    kept = {path.name for path in written}
    for path in target.iterdir():
        left = path.name in former or _LEFT.fullmatch(path.name)
        if left and path.name not in kept and path.is_file():
            with suppress(OSError):  # opened elsewhere; the next saving tries again
                path.unlink()


@contextmanager
def _beside(target: Path) -> Iterator[tuple[Place, list[Path]]]:
    """Free names in a folder; what was written under them goes when the block fails."""
    written: list[Path] = []

    def place(name: str) -> Path:
        stem, dot, suffix = name.partition(".")
        number = 2
        # Never the plain name: should this process be killed, what is left is known as ours.
        while (path := target / f"{stem}-{number}{dot}{suffix}").exists() or path in written:
            number += 1
        written.append(path)
        return path

    try:
        yield place, written
    except BaseException as error:
        for path in written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if isinstance(error, VoxelMorphError | MemoryError) or not isinstance(error, Exception):
            raise
        raise output_error(target, error) from error


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        _write_text(temporary, text)
        flush(temporary)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    # An image's name need not be text: JSON has signs for its bytes.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _named_by(path: Path) -> set[str]:
    """The files that an index names; none when it cannot be read."""
    try:
        if path.stat().st_size > HEADER_LIMIT:
            return set()
        named = _files(session_json.loads(path.read_text(encoding="utf-8")))
        return {name for name in named if _OURS.fullmatch(name)}
    except (OSError, ValueError, RecursionError):
        return set()


def _files(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(found.get("file"), str):
            yield found["file"]
        for value in found.values():
            yield from _files(value)
