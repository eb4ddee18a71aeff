"""Exit codes, and how every failure becomes one sentence."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from napari_voxelmorph.engine.errors import (
    Cancelled,
    NotEnoughMemoryError,
    OutputError,
    VoxelMorphError,
)

OK, UNEXPECTED, BAD_INPUT, CANNOT_WRITE, NO_MEMORY, INTERRUPTED = 0, 1, 2, 3, 4, 130

_WRITE_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EISDIR)

Command = Callable[[argparse.Namespace], None]


def run_guarded(command: Command, arguments: argparse.Namespace, debug: bool = False) -> int:
    """Run a command; print one sentence on stderr if it fails, and return the exit code.

    Parameters
    ----------
    debug : bool
        Print the traceback too.
    """
    # A job that is told to end (kill, time limit) stops as cleanly as one that is interrupted.
    before = {number: _on_signal(number, _interrupt) for number in _heard()}
    try:
        command(arguments)
    except (KeyboardInterrupt, Cancelled) as stop:
        return _fail(str(stop) or "Interrupted; nothing more was written.", INTERRUPTED, False)
    except Exception as error:
        code, sentence = explain(error)
        return _fail(sentence, code, debug)
    finally:
        _told.clear()
        for number, handler in before.items():
            if handler is not None:
                _on_signal(number, handler)
    return OK


def stop_if_told() -> None:
    """Raise `KeyboardInterrupt` if a signal asked for it.

    Python drops what a signal's handler raises while an object is being deleted, or a compiled
    library calls back; whoever works in steps looks here between them.
    """
    if _told:
        raise KeyboardInterrupt


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence for an error."""
    if isinstance(error, NotEnoughMemoryError):
        return NO_MEMORY, str(error)
    if isinstance(error, OutputError):
        return CANNOT_WRITE, str(error)
    if isinstance(error, VoxelMorphError):
        return BAD_INPUT, str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        advice = "try a coarser grid with --resolution, e.g. --resolution 2"
        return NO_MEMORY, f"Not enough memory for this pair; {advice}."
    if isinstance(error, OSError):
        place = f" “{error.filename}”" if error.filename else ""
        if error.errno in _WRITE_ERRORS:
            return CANNOT_WRITE, f"Could not write{place}: {error.strerror}."
        return BAD_INPUT, f"Could not read{place}: {error.strerror or error}."
    words = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {words[0] if words else 'no details'}"
    return (
        UNEXPECTED,
        f"Something unexpected went wrong ({what}). Run again with --debug for details.",
    )


def _fail(sentence: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"napari-voxelmorph: {sentence}", file=sys.stderr)
    return code


#: The signals that came while a command runs.
_told: list[int] = []


def _heard() -> list[int]:
    """SIGTERM, and SIGINT unless whoever started this process wants it ignored (``nohup``)."""
    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGINT]


def _interrupt(number: int, frame: FrameType | None) -> None:
    _told.append(number)
    raise KeyboardInterrupt


def _on_signal(
    number: int, handler: Callable[[int, FrameType | None], object] | int | None
) -> Callable[[int, FrameType | None], object] | int | None:
    """Set the handler of a signal; returns the one before, None where there is no such thing."""
    try:
        return signal.signal(number, handler)
    except ValueError:  # not in the main thread: a test, a notebook
        return None
