"""An exception as one sentence for the window, and as details for whoever mends it."""

from __future__ import annotations

import errno
import platform
import sys
import traceback

from napari_voxelmorph.engine.errors import VoxelMorphError


def sentence_and_details(error: BaseException) -> tuple[str, str]:
    """Return (what to tell the user, what to copy into a report)."""
    trace = "".join(traceback.format_exception(error))
    return _sentence(error), f"{_versions()}\n\n{trace}"


def _sentence(error: BaseException) -> str:
    if isinstance(error, VoxelMorphError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return (
            "There is not enough memory for this. Choose a coarser “Finest resolution (mm)” "
            "under “more”, or close other programs."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full. Free some space, or save to another place."
    if isinstance(error, OSError) and error.filename:
        return f"“{error.filename}” could not be used: {error.strerror or error}."
    if isinstance(error, ModuleNotFoundError):
        return f"A part of the installation is missing: {error.name}. Install the plugin again."
    kind = type(error).__name__
    first = (str(error).strip().splitlines() or [""])[0]
    return f"Something unexpected happened ({kind}{': ' + first if first else ''})."


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    lines = [f"Python {sys.version.split()[0]} on {platform.platform()}"]
    for name in ("napari-voxelmorph", "napari", "torch", "numba", "numpy", "nibabel"):
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)
