"""Images that are named on the command line: ``scan.nii.gz``, or ``series.nii.gz@3``."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Kind, Volume

_FROM_TO = re.compile(r"volume_index from 0 to (\d+)")
_NUMBERED = re.compile(r"(.+)@(\d+)")


def split_volume(text: str) -> tuple[str, int | None]:
    """``"series.nii.gz@3"`` -> ``("series.nii.gz", 3)``; an existing file's name stays whole."""
    found = _NUMBERED.fullmatch(text)
    if found is None or Path(text).exists():
        return text, None
    return found[1], int(found[2])


def read_volume(text: str, kind: Kind | None, voxel_size: float | None = None) -> Volume:
    """One image or segmentation.

    Raises
    ------
    InputError
        When there is no such file; the reader's own errors otherwise.
    """
    return _read(text, f"There is no file or folder “{split_volume(text)[0]}”.", kind, voxel_size)


def read_image(arguments: argparse.Namespace, role: str) -> Volume:
    """The fixed or the moving image."""
    text = _image_of(arguments, role)
    missing = f"The {role} image: there is no file or folder “{split_volume(text)[0]}”."
    return _read(text, missing, "image", arguments.voxel_size)


def require_room(arguments: argparse.Namespace, config: RegistrationConfig) -> None:
    """See by the headers whether the run fits into the memory, before a voxel is read.

    Raises
    ------
    NotEnoughMemoryError
        With the GB that are needed and that are free, and a grid that would fit.
    """
    from napari_voxelmorph.engine import files
    from napari_voxelmorph.engine.device import pick_device
    from napari_voxelmorph.engine.estimate import check_memory

    grids = []
    for role in ("fixed", "moving"):
        path, index = split_volume(_image_of(arguments, role))
        if Path(path).exists():
            with _by_number(path):
                grids.append(files.peek(path, index, arguments.voxel_size))
    fixed, moving = [*grids, None, None][:2]
    if fixed is not None and moving is not None:
        check_memory(fixed, moving, config, pick_device(config.device))


@contextlib.contextmanager
def _by_number(path: str) -> Iterator[None]:
    """The reader names its own argument; here a volume is a number behind the file's name."""
    try:
        yield
    except InputError as error:
        name = Path(path).name
        text = _FROM_TO.sub(lambda found: f"{name}@0 to {name}@{found[1]}", str(error))
        raise InputError(text.replace("volume_index", f"{name}@…")) from error


def _image_of(arguments: argparse.Namespace, role: str) -> str:
    """The image as it was given, with the volume of --fixed-volume or --moving-volume."""
    text, index = vars(arguments)[role], vars(arguments)[f"{role}_volume"]
    return str(text) if index is None else f"{text}@{index}"


def _read(text: str, missing: str, kind: Kind | None, voxel_size: float | None) -> Volume:
    from napari_voxelmorph.engine import files

    path, index = split_volume(text)
    if not Path(path).exists():
        raise InputError(missing)
    with _by_number(path):
        return files.load(path, kind, index, voxel_size=voxel_size)
