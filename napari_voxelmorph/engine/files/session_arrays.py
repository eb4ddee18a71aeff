# mypy: allow-untyped-calls
"""The arrays of a session: images as NIfTI, the field as .npy, each with its checksum."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import nifti, nifti_writing
from napari_voxelmorph.engine.files.images import load
from napari_voxelmorph.engine.files.reading import damaged, require_memory
from napari_voxelmorph.engine.geometry.volume import Volume

_WHAT = "a napari-voxelmorph session"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


def describe(volume: Volume) -> dict[str, Any]:
    """All of a `Volume` but its numbers."""
    return {
        "name": volume.name,
        "kind": volume.kind,
        "oriented": volume.oriented,
        "shape": volume.shape,
        "dtype": volume.data.dtype.name,
        "affine": volume.affine,
        "header": dict(volume.header),
        "sha256": digest(volume.data),
    }


def digest(data: NDArray[Any]) -> str:
    """SHA-256 of the numbers in C order, native bytes."""
    native = np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))
    return hashlib.sha256(native.reshape(-1).view(np.uint8).data).hexdigest()


def write_image(volume: Volume, path: Path) -> dict[str, Any]:
    """Write a copy that any viewer opens; the exact affine and type are in the index."""
    keep = [*range(volume.ndim), 3]
    affine = np.eye(4)
    affine[np.ix_(keep, keep)] = volume.affine
    data = nifti_writing.nifti_array(volume.data)
    image = nibabel.Nifti1Image(data, affine, dtype=data.dtype)
    nifti_writing.set_place(image, affine)
    if not volume.oriented:
        image.header["descrip"] = nifti.UNORIENTED
    nifti_writing.write_image(image, path)
    return {"file": path.name}


def reference(volume: Volume) -> dict[str, Any]:
    """Where the image was opened from."""
    path = str(volume.header.get("path", ""))
    if not path:
        raise InputError(
            f"“{volume.name}” was not opened from a file, so a session cannot refer to it. Save "
            "the session with copies of the images."
        )
    return {"reference": os.path.abspath(path)}


def write_array(data: NDArray[np.float32], path: Path) -> None:
    """Write .npy, little-endian."""
    np.save(path, np.ascontiguousarray(data, dtype="<f4"), allow_pickle=False)


def read_array(folder: Path, entry: dict[str, Any]) -> NDArray[np.float32]:
    """Read the field; its size, type and checksum must be those of the index."""
    path = inside(folder, entry["file"])
    shape = tuple(int(n) for n in entry["shape"])
    count = int(np.prod([float(n) for n in shape]))
    if min(shape, default=0) < 1 or not count * 4 < path.stat().st_size < count * 4 + 2**16:
        raise damaged(path, _WHAT, "its size is not what the session says")
    require_memory(2 * count * 4, path)
    # No file of this size can make numpy allocate more: a larger shape is refused by its reader.
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                  else np.lib.format.read_array_header_2_0)(file)  # fmt: skip
    if header != (shape, False, np.dtype("<f4")):
        raise damaged(path, _WHAT, "its shape or type is not what the session says")
    data = np.load(path, allow_pickle=False).astype(np.float32, copy=False)
    _check_digest(path, data, entry)
    return np.asarray(data)


def read_image(folder: Path, entry: dict[str, Any], follow: bool) -> Volume:
    """The `Volume` exactly as it was saved."""
    shape, dtype = tuple(int(n) for n in entry["shape"]), np.dtype(str(entry["dtype"]))
    if "reference" in entry:
        path = Path(str(entry["reference"]))
        data = _referred(folder, path, entry, follow)
    else:
        path = inside(folder, entry["file"])
        _, data = nifti.read_array(path, _WHAT)
    if data.size != int(np.prod(shape)) or dtype.kind not in "buif":
        raise damaged(path, _WHAT, f"its shape is {data.shape}, and the session says {shape}")
    data = np.ascontiguousarray(data.reshape(shape), dtype=dtype)
    _check_digest(path, data, entry)
    return Volume(
        data,
        np.array(entry["affine"], dtype=np.float64),
        entry["kind"],
        str(entry["name"]),
        bool(entry["oriented"]),
        dict(entry["header"]),
    )


def inside(folder: Path, name: Any) -> Path:
    """The path of a file of the session; never one outside its folder.

    Raises
    ------
    FileFormatError
        On any name with a folder in it, or a link that leads elsewhere.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FileFormatError(
            f"The session “{folder.name}” names the file {name!r}, which is not a file of its own "
            "folder. It was changed or damaged; do not trust it."
        )
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise FileFormatError(
            f"The session “{folder.name}” holds a link “{name}” that leads out of its folder. Put "
            "the file itself there."
        )
    return path


def _referred(folder: Path, path: Path, entry: dict[str, Any], follow: bool) -> NDArray[Any]:
    if not follow:
        raise InputError(
            f"The session “{folder.name}” refers to “{path}”, outside its folder. If you trust it, "
            "open it with follow_references=True."
        )
    if not path.exists():
        raise FileFormatError(
            f"The session “{folder.name}” refers to “{path}”, which is not there. Put "
            "the file back."
        )
    header = dict(entry["header"])
    return load(path, entry["kind"], header.get("volume_index"), grayscale=True).data


def _check_digest(path: Path, data: NDArray[Any], entry: dict[str, Any]) -> None:
    if digest(data) != entry["sha256"]:
        raise FileFormatError(
            f"“{path.name}” has changed since the session was saved (its checksum differs), so the "
            "result would not be what it was. Restore the file, or register again."
        )
