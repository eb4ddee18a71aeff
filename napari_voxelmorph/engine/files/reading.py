"""What every reader needs: no surprise in memory, and one kind of error with its reason."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from napari_voxelmorph.engine.device import free_memory, memory_words
from napari_voxelmorph.engine.errors import (
    FileFormatError,
    NotEnoughMemoryError,
    VoxelMorphError,
)

#: Deflate cannot pack more than 1032 bytes into one (zlib, "Maximum Compression Factor").
DEFLATE_LIMIT = 1032
#: Headers may carry extensions, comments, thumbnails; beyond this they are not headers.
HEADER_LIMIT = 64 * 2**20

Result = TypeVar("Result")
_MAIN = torch.device("cpu")


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a third-party reader raises into a sentence about `path`."""
    try:
        yield
    except VoxelMorphError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        name = Path(error.filename).name if error.filename else path.name
        raise FileFormatError(
            f"“{name}” cannot be opened: {error.strerror or error}. Check the path and that you "
            "may read it."
        ) from error
    except MemoryError as error:
        raise NotEnoughMemoryError(
            f"There is not enough memory to open “{path.name}”. Close other programs, or crop or "
            "downsample the image first."
        ) from error
    except Exception as error:
        raise damaged(path, what, _reason(error)) from error


def to_the_end(job: Generator[Any, None, Result]) -> Result:
    """Run a generator for what it returns."""
    while True:
        try:
            next(job)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]


def damaged(path: Path, what: str, reason: str) -> FileFormatError:
    """The error for a file that is not a readable `what`."""
    return FileFormatError(
        f"“{path.name}” could not be read as {what}: {reason}. The file is damaged, cut short, or "
        "of another kind than its name says; copy it or export it again."
    )


def fits_memory(nbytes: float) -> bool:
    """Whether so much can be allocated with room to spare."""
    return nbytes <= 0.9 * free_memory(_MAIN)


def require_memory(nbytes: int, path: Path) -> None:
    """Raise `NotEnoughMemoryError` unless `nbytes` can be allocated with room to spare."""
    if not fits_memory(nbytes):
        free = free_memory(_MAIN)
        raise NotEnoughMemoryError(
            f"“{path.name}” says that it needs {nbytes / 1e9:.3g} GB and "
            f"{memory_words(free, _MAIN)}. Close other programs, or crop or downsample the image "
            "first."
        )


def require_bytes(path: Path, what: str, declared: int, compressed: bool, copies: int = 1) -> None:
    """Check what a header declares against the file and the memory, before any allocation.

    Parameters
    ----------
    declared : int
        Bytes of the (unpacked) file that the header asks for.
    compressed : bool
        Whether the file is packed by deflate (gzip, zlib).
    copies : int
        How many times `declared` will be held in memory at once.
    """
    require_file_bytes(path, what, declared, compressed)
    require_memory(declared * copies, path)


def require_file_bytes(path: Path, what: str, declared: int, compressed: bool) -> None:
    """Raise `FileFormatError` when the file is too small for what its header asks for."""
    held = path.stat().st_size * (DEFLATE_LIMIT if compressed else 1)
    if declared > held:
        reason = f"its header promises {declared:,} bytes and it holds at most {held:,}"
        raise damaged(path, what, reason)


def is_gzip(path: Path) -> bool:
    """Whether the file begins as gzip does, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def first_bytes(path: Path, count: int) -> bytes:
    """The beginning of a file, unpacked when it is gzip."""
    with path.open("rb") as file:
        if not is_gzip(path):
            return file.read(count)
        packed = file.read(count * 4 + 4096)
    # An end cut short is no error here: the header may still be whole.
    return zlib.decompressobj(wbits=31).decompress(packed, count)


def _reason(error: Exception) -> str:
    """One line from a foreign error; ITK puts the point on the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    text = text.removeprefix("ITK ERROR: ").rstrip(".")
    return text if len(text) <= 200 else f"{text[:200]}…"
