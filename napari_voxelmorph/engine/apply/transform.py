"""The transform that is applied: a session, a result folder, or a file of any known format."""

from __future__ import annotations

import os
from pathlib import Path

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.session import load_session
from napari_voxelmorph.engine.files.transforms.registry import load_transform
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration


def read_transform(
    path: str | os.PathLike[str],
    format: str | None = None,
    fixed: Volume | None = None,
    moving: Volume | None = None,
    inverse: bool = False,
) -> Registration:
    """A session folder, a folder that `register` wrote, or a transform file.

    Parameters
    ----------
    format : str, optional
        Name of the file's format (see `FORMATS`); default: found out.
    fixed, moving : Volume, optional
        The images for which the transform was made, where the file does not tell their grids.
    inverse : bool
        Whether images shall go to the moving grid, which must then be known.

    Raises
    ------
    InputError
        There is none, or an image must be named.
    FileFormatError
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"There is no transform “{path}”.")
    if place.is_dir():
        inner = place / "session"
        return load_session(inner if inner.is_dir() else place)
    chain = load_transform(place, format, fixed, moving)
    if inverse and moving is None and chain.moving is None:
        raise InputError(
            f"“{place.name}” does not know the moving image's grid: name that image (--moving), or "
            "another grid with --onto, or apply a session folder."
        )
    return chain.registration(moving, None if chain.grid is not None else fixed)
