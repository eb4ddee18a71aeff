"""Transforms written and read by the name of their format, and formats recognised."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import nifti
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.reading import first_bytes, reading
from napari_voxelmorph.engine.files.transforms.chain import Chain
from napari_voxelmorph.engine.files.transforms.formats import (
    FORMATS,
    NIFTI,
    Format,
    check_format,
    format_of,
)
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

_PACKAGE = "napari_voxelmorph.engine.files.transforms"


def save_transform(
    registration: Registration,
    path: str | os.PathLike[str],
    format: str = "itk",
    inverse: bool = False,
) -> None:
    """Write a transform for another program.

    Parameters
    ----------
    format : str
        A name of `FORMATS`.
    inverse : bool
        False: for resampling the moving image onto the fixed grid.  True: the other way.

    Raises
    ------
    InputError
        When the format cannot hold this registration, or the suffix is not its own.
    OutputError
    """
    path = Path(path)
    known = format_of(format)
    if suffix_of(path, [suffix.lower() for suffix in known.suffixes]) is None:
        raise InputError(f"“{path.name}”: {known.title} is saved as {', '.join(known.suffixes)}.")
    grids = registration.fixed, registration.moving
    check_format(format, *(grids[::-1] if inverse else grids))
    _function(known, "write")(registration, path, inverse)


def load_transform(
    path: str | os.PathLike[str],
    format: str | None = None,
    fixed: Volume | None = None,
    moving: Volume | None = None,
) -> Chain:
    """Read a transform that this or another program wrote.

    Parameters
    ----------
    format : str, optional
        A name of `FORMATS`; default: found out from name and content.
    fixed, moving : Volume, optional
        The images for which it was made; some formats do not say where these lie.

    Raises
    ------
    FileFormatError
        Missing, damaged, or of no known kind.
    InputError
        An image must be named, or does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"There is no transform “{path}”. Check the path.")
    known = format_of(format or recognised(path))
    chain: Chain = _function(known, "read")(path, fixed, moving)
    return chain


def recognised(path: Path) -> str:
    """The name of the format of a file.

    Raises
    ------
    FileFormatError
        When it is of no known kind.
    """
    with reading(path, "a transform"):
        suffix = suffix_of(path, (*NIFTI, ".h5", ".hdf5", ".x5", ".mgz", ".mgh", ".lta", ".1d",
                                  ".mat", ".txt", ".tfm"))  # fmt: skip
        if suffix in NIFTI:
            return _kind_of_nifti(path)
        if suffix in (".h5", ".hdf5", ".x5"):
            from napari_voxelmorph.engine.files.transforms.x5 import is_x5

            return "x5" if is_x5(path) else "itk-composite"
        if suffix in (".mgz", ".mgh"):
            return "freesurfer"
        if suffix == ".lta":
            return "lta"
        if suffix == ".1d":
            return "afni-affine"
        if suffix in (".mat", ".txt", ".tfm"):
            return _kind_of_matrix(path)
    raise FileFormatError(
        f"“{path.name}” is no transform of a known kind. Known are a session folder and "
        f"{', '.join(f'{f.title} ({f.suffixes[0]})' for f in FORMATS.values())}."
    )


def _kind_of_nifti(path: Path) -> str:
    with nifti.open_image(path, "a transform") as image:
        header: Any = image.header
        shape = image.shape
    intent = int(header["intent_code"]) if "intent_code" in header else 0
    name = path.name.lower()
    if intent in (2006, 2007, 2008, 2009):
        return "fsl"
    if len(shape) == 4:
        return "learn2reg" if name.startswith("disp_") else "fsl"
    described = isinstance(header, nibabel.Nifti1Header) and bytes(header["descrip"].tobytes())
    if name.startswith(("y_", "iy_")) or (described and described.startswith(b"Deformation")):
        return "spm"
    return "itk" if intent == nifti.VECTOR_INTENT else "afni"


def _kind_of_matrix(path: Path) -> str:
    """ITK's text or MATLAB file, or rows of numbers as FLIRT and AFNI write them."""
    head = first_bytes(path, 2000)
    if b"\0" in head or head.startswith(b"#Insight") or b"Transform:" in head:
        return "itk-affine"
    lines = [line for line in head.decode("ascii").splitlines() if not line.startswith("#")]
    return "afni-affine" if len(" ".join(lines).split()) == 12 else "flirt"


def _function(known: Format, verb: str) -> Callable[..., Any]:
    module = import_module(f"{_PACKAGE}.{known.module}")
    found: Callable[..., Any] = getattr(module, f"{verb}{known.part}")
    return found
