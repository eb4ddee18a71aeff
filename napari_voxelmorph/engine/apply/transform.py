"""The transform that is applied: a session, a result folder, or a file of any known format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.session import load_session
from napari_voxelmorph.engine.files.transforms.chain import Chain
from napari_voxelmorph.engine.files.transforms.registry import load_transform, recognised
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

#: Formats in the patient's millimetres: where one ends, the next can begin.
_JOINED = ("itk", "itk-composite", "itk-affine", "freesurfer", "lta", "spm", "x5")


def read_transform(
    path: str | os.PathLike[str],
    format: str | None = None,
    fixed: Volume | None = None,
    moving: Volume | None = None,
    inverse: bool = False,
    then: Sequence[str | os.PathLike[str]] = (),
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
    then : sequence of paths
        More transforms, which act on a fixed point after the first one, in this order (ANTs:
        the affine after the warp).

    Raises
    ------
    InputError
        There is none, or an image must be named.
    FileFormatError
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"There is no transform “{path}”.")
    if then:
        return _joined([place, *map(Path, then)], fixed, moving, inverse)
    if place.is_dir():
        inner = place / "session"
        return load_session(inner if inner.is_dir() else place)
    return _registration(load_transform(place, format, fixed, moving), fixed, moving, inverse)


def _joined(
    places: list[Path], fixed: Volume | None, moving: Volume | None, inverse: bool
) -> Registration:
    chain: Chain | None = None
    for place in places:
        if place.is_dir():
            raise InputError(f"“{place.name}” is a folder; only transform files can be joined.")
        if not place.is_file():
            raise InputError(f"There is no transform “{place}”.")
        if recognised(place) not in _JOINED:
            raise InputError(
                f"“{place.name}” counts from the corner of images that it does not name, so it cannot "
                "be joined with another. Join the transforms with the program that wrote them."
            )
        found = load_transform(place)
        chain = found if chain is None else chain.then(found)
    assert chain is not None
    return _registration(chain, fixed, moving, inverse)


def _registration(
    chain: Chain, fixed: Volume | None, moving: Volume | None, inverse: bool
) -> Registration:
    if inverse and moving is None and chain.moving is None:
        raise InputError(
            f"“{chain.name}” does not know the moving image's grid: name that image (--moving), or "
            "another grid with --onto, or apply a session folder."
        )
    return chain.registration(moving, None if chain.grid is not None else fixed)
