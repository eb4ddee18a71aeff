"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_voxelmorph.engine.errors import OutputError, VoxelMorphError
from napari_voxelmorph.engine.files.exchange import exchange

_CAUSES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is too large for this disk; choose another folder",
    errno.EACCES: "the folder or file is write-protected; choose another folder",
    errno.EPERM: "the folder or file is write-protected; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends well.

    The temporary name keeps the suffixes, because many libraries go by them.  A file that
    was at `path` before stays as it was until the new one is complete on disk.

    Raises
    ------
    OutputError
        When nothing could be written, with the reason.  No half-written file remains.
    """
    target = Path(os.path.realpath(path))
    check_target(target)
    temporary = target.with_name(f".{secrets.token_hex(4)}.{target.name[-80:]}")
    try:
        # Created here, so that a read-only folder is told before any work is done.
        temporary.open("xb").close()
        yield temporary
        flush(temporary)
        os.replace(temporary, target)
    except VoxelMorphError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        raise output_error(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_target(target: Path) -> None:
    """Raise `OutputError` when `target` can never become a file."""
    if target.is_dir():
        raise OutputError(f"“{target.name}” is a folder; give the name of a file in it.")
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder “{target.parent}” does not exist; make it first or choose another."
        )


def output_error(target: Path, error: Exception) -> OutputError:
    """The sentence for a failed write."""
    code = error.errno if isinstance(error, OSError) else None
    cause = _CAUSES.get(code or 0)
    if cause is None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = f"{lines[-1] if lines else type(error).__name__}; choose another folder or format"
    return OutputError(
        f"“{target.name}” was not written to “{target.parent}”: {cause}. What was there before is "
        "unchanged."
    )


def flush(path: Path) -> None:
    """Have the system put the bytes on the disk, so that a full disk shows here."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def folder_writing(folder: str | os.PathLike[str], index: str) -> Iterator[Path]:
    """`writing` for a whole folder: it appears when the block ends well, else not at all.

    Parameters
    ----------
    index : str
        A file by which an earlier folder of this kind is known; such a folder is replaced.

    Raises
    ------
    OutputError
        Also when `folder` holds anything else.
    """
    target = Path(os.path.realpath(folder))
    _check_folder(target, index)
    temporary = target.with_name(f".{secrets.token_hex(4)}.{target.name[-80:]}")
    former = temporary.with_name(temporary.name + ".old")
    try:
        temporary.mkdir()
        yield temporary
        for path in temporary.iterdir():
            flush(path)
        _put_in_place(temporary, target, former)
    except (VoxelMorphError, MemoryError):
        raise
    except Exception as error:
        raise output_error(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if target.exists():
            shutil.rmtree(former, ignore_errors=True)


def _put_in_place(new: Path, target: Path, former: Path) -> None:
    """Give `new` the name of `target`; what was there is then called `new` or `former`."""
    if target.exists():
        if exchange(new, target):
            return
        os.replace(target, former)  # a process that is killed here leaves no folder of that name
    try:
        os.replace(new, target)
    except OSError:
        if former.exists():
            os.replace(former, target)
        raise


def _check_folder(target: Path, index: str) -> None:
    if target.is_file():
        raise OutputError(f"“{target.name}” is a file; give the name of a new folder.")
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder “{target.parent}” does not exist; make it first or choose another."
        )
    try:
        filled = target.is_dir() and any(target.iterdir())
    except OSError as error:
        raise output_error(target, error) from error
    if filled and not (target / index).is_file():
        raise OutputError(
            f"The folder “{target.name}” holds other files, which would be lost. Choose a new "
            "folder."
        )
