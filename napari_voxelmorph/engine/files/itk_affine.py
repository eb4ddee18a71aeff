"""Affine matrices as ITK and ANTs write them: .txt / .tfm (text) and .mat (MATLAB 4)."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.frames import flip_lps, world_to_itk
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.result import Registration

_TEXT, _MATLAB = (".txt", ".tfm"), (".mat",)
_WHAT = "an ITK affine transform"
_KNOWN = re.compile(r"(AffineTransform|MatrixOffsetTransformBase)_(double|float)_([23])_\3")
_LARGEST = 100_000  # bytes; such files have a few hundred


def save_affine(registration: Registration, path: str | os.PathLike[str]) -> None:
    """Write the affine stage: fixed points to moving points, LPS mm, centre at the origin.

    Parameters
    ----------
    path : .txt, .tfm or .mat
    """
    path = Path(path)
    if suffix_of(path, (*_TEXT, *_MATLAB)) is None:
        raise InputError(f"“{path.name}”: an ITK affine transform is saved as .txt, .tfm or .mat.")
    to_fixed = np.linalg.inv(world_to_itk(registration.fixed))
    matrix = world_to_itk(registration.moving) @ registration.affine @ to_fixed
    ndim = registration.ndim
    numbers = [*matrix[:ndim, :ndim].reshape(-1), *matrix[:ndim, ndim]]
    kind = f"AffineTransform_double_{ndim}_{ndim}"
    if path.suffix.lower() in _MATLAB:
        raw = _matlab(kind, numbers) + _matlab("fixed", [0.0] * ndim)
    else:
        raw = (
            "#Insight Transform File V1.0\n#Transform 0\n"
            f"Transform: {kind}\nParameters: {' '.join(repr(float(n)) for n in numbers)}\n"
            f"FixedParameters: {' '.join(['0'] * ndim)}\n"
        ).encode()
    with writing(path) as temporary:
        temporary.write_bytes(raw)


def load_affine(
    path: str | os.PathLike[str], fixed: Volume | None = None, moving: Volume | None = None
) -> Matrix:
    """Read an ITK affine as matrix (D + 1, D + 1), fixed world to moving world, RAS mm.

    Parameters
    ----------
    fixed, moving : Volume, optional
        Needed only for pictures, whose axes ITK counts differently.

    Raises
    ------
    FileFormatError
        Damaged, or another kind of transform.
    """
    path = Path(path)
    with reading(path, _WHAT):
        size = path.stat().st_size
        if size > _LARGEST:
            raise damaged(path, _WHAT, f"it has {size:,} bytes, and such a file has a few hundred")
        raw = path.read_bytes()
        found = _from_matlab(path, raw) if path.suffix.lower() in _MATLAB else _from_text(path, raw)
        matrix = _matrix(path, *found)
        check_affine(matrix, len(matrix) - 1, path.name)
    flip = flip_lps(len(matrix) - 1)
    to_fixed = flip if fixed is None else world_to_itk(fixed)
    to_moving = flip if moving is None else world_to_itk(moving)
    if not to_fixed.shape == to_moving.shape == matrix.shape:
        raise InputError(
            f"“{path.name}” is a {len(matrix) - 1}-D transform, and the images are not."
        )
    return np.asarray(np.linalg.inv(to_moving) @ matrix @ to_fixed)


def _matrix(
    path: Path, kind: str, numbers: NDArray[np.float64], center: NDArray[np.float64]
) -> Matrix:
    """y = M (x - c) + t + c."""
    known = _KNOWN.fullmatch(kind)
    if known is None:
        raise FileFormatError(
            f"“{path.name}” holds a transform of type “{kind[:60]}”; an AffineTransform is needed. "
            "Convert it, for instance with SimpleITK: sitk.AffineTransform(t.GetMatrix(), "
            "t.GetTranslation(), t.GetCenter())."
        )
    ndim = int(known[3])
    if numbers.size != ndim * (ndim + 1) or center.size != ndim:
        raise damaged(path, _WHAT, f"it holds {numbers.size} parameters and {center.size} centre")
    matrix = np.eye(ndim + 1)
    linear = numbers[: ndim * ndim].reshape(ndim, ndim)
    matrix[:ndim, :ndim] = linear
    matrix[:ndim, ndim] = numbers[ndim * ndim :] + center - linear @ center
    return matrix


def _from_text(path: Path, raw: bytes) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    fields: dict[str, str] = {}
    for line in raw.decode("utf-8").splitlines():
        key, separator, value = line.partition(":")
        if line.startswith("#") or not separator:
            continue
        if key == "Transform" and key in fields:
            raise FileFormatError(
                f"“{path.name}” holds several transforms; an affine alone is needed. Save the "
                "parts one by one."
            )
        fields[key.strip()] = value.strip()
    missing = {"Transform", "Parameters", "FixedParameters"} - fields.keys()
    if missing:
        raise damaged(path, _WHAT, f"it has no line “{sorted(missing)[0]}:”")
    numbers, center = (
        np.array([float(word) for word in fields[key].split()])
        for key in ("Parameters", "FixedParameters")
    )
    return fields["Transform"], numbers, center


def _matlab(name: str, numbers: list[float]) -> bytes:
    """One little-endian double column of a MATLAB 4 file."""
    text = name.encode() + b"\0"
    head = struct.pack("<5i", 0, len(numbers), 1, 0, len(text))
    return head + text + struct.pack(f"<{len(numbers)}d", *numbers)


def _from_matlab(path: Path, raw: bytes) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    columns: list[tuple[str, NDArray[np.float64]]] = []
    position = 0
    while position < len(raw):
        code, rows, count, imaginary, length = struct.unpack_from("<5i", raw, position)
        position += 20
        # MOPT code: 0 little-endian double, 10 little-endian float.
        if code not in (0, 10) or imaginary or count != 1 or not 0 < rows < 100:
            raise damaged(path, _WHAT, "it is no MATLAB 4 file of two columns")
        if not 0 < length < 100:
            raise damaged(path, _WHAT, "a name in it is too long")
        name = raw[position : position + length].rstrip(b"\0").decode("ascii")
        position += length
        values = np.frombuffer(raw, "<f8" if code == 0 else "<f4", rows, position)
        position += values.nbytes
        columns.append((name, values.astype(np.float64)))
    if len(columns) != 2 or columns[1][0] != "fixed":
        raise damaged(path, _WHAT, "it does not hold one transform and its centre")
    return columns[0][0], columns[0][1], columns[1][1]
