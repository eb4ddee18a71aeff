# mypy: allow-untyped-calls
"""NIfTI, Analyze and MGH/MGZ, through nibabel."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.fileholders import FileHolder
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import ImageOpener
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.coarse import coarse_affine
from napari_voxelmorph.engine.files.frames import SCANNER, flip_lps
from napari_voxelmorph.engine.files.kinds import are_labels, refuse_dtype
from napari_voxelmorph.engine.files.loaded import choose_volume, largest_gap, stem, to_volume
from napari_voxelmorph.engine.files.reading import (
    HEADER_LIMIT,
    damaged,
    first_bytes,
    is_gzip,
    reading,
    require_file_bytes,
    require_memory,
    to_the_end,
)
from napari_voxelmorph.engine.files.room import factors_of, require_room
from napari_voxelmorph.engine.files.voxels import Stored, needed_bytes, read_voxels
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, Volume

#: Written into the description of a file whose image does not know left from right.
UNORIENTED = b"napari-voxelmorph: left and right unknown"
_TO_MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
LABEL_INTENT, VECTOR_INTENT = 1002, 1007


def loading(
    path: Path, kind: Kind | None, volume_index: int | None, voxel_size: float | None = None
) -> Generator[float, None, Volume]:
    """Read NIfTI-1/2 (one file or a pair), Analyze 7.5/SPM, MGH or MGZ; yields the share read.

    Size and memory are checked by the header, before the first voxel.
    """
    what = "MGH" if ".mg" in path.name.lower() else "NIfTI or Analyze"
    with reading(path, what), open_image(path, what) as image:
        refuse_dtype(image.get_data_dtype(), path)
        _refuse_field(path, image)
        choose_volume(path, image.shape, volume_index)
        stored = _stored(path, what, image)
        affine, oriented, header = geometry(image, path)
        labels = are_labels(path, kind, header, stored.dtype)
        factors = factors_of(stored, affine, voxel_size)
        require_room(path, stored, 1, affine, factors, labels)
        which = range(volume_index or 0, (volume_index or 0) + 1)
        data = (yield from read_voxels(stored, which, factors, labels, path, what))[0]
    affine = coarse_affine(affine, (*factors, 1, 1)[:3])
    if data.ndim == 1:
        data = data.reshape(-1, 1)
    if volume_index is not None:
        header["volume_index"] = volume_index
    if header.pop("picture", False) and data.ndim == 2:
        affine = _plane_of_picture(affine)
    return to_volume(path, data, affine, kind, header, oriented)


def peek(path: Path, volume_index: int | None) -> Volume | None:
    """The grid of a 3-D file, with zeros that take no memory; None for any other."""
    what = "MGH" if ".mg" in path.name.lower() else "NIfTI or Analyze"
    with reading(path, what), open_image(path, what) as image:
        refuse_dtype(image.get_data_dtype(), path)
        choose_volume(path, image.shape, volume_index)
        stored = _stored(path, what, image)
        if len(stored.shape) < 3 or min(stored.shape) < 2:
            return None
        affine, oriented, _ = geometry(image, path)
    empty = np.broadcast_to(np.zeros((), stored.result), stored.shape)
    return Volume(empty, affine, "image", stem(path), oriented)


@contextmanager
def open_image(path: Path, what: str) -> Iterator[SpatialImage]:
    """The image with only its header read, after a look whether that makes sense."""
    _check_offset(path, what)
    with ExitStack() as stack:
        stack.enter_context(LoggingOutputSuppressor())  # it would print its remarks
        if what == "MGH":
            # nibabel.load leaves the file of an .mgh open.
            stream: Any = stack.enter_context(ImageOpener(str(path)))
            image = nibabel.MGHImage.from_file_map({"image": FileHolder(fileobj=stream)})
        else:
            image = nibabel.load(path, mmap=False)
        if not isinstance(image, SpatialImage):
            raise damaged(path, what, f"it is {type(image).__name__}")
        if not image.shape or min(image.shape) < 1:
            raise damaged(path, what, f"its header gives the shape {image.shape}")
        yield image


def read_array(path: Path, what: str) -> tuple[SpatialImage, NDArray[Any]]:
    """The image and all its numbers as stored; call it inside `reading`."""
    with open_image(path, what) as image:
        refuse_dtype(image.get_data_dtype(), path)
        stored = _stored(path, what, image)
        whole = (1,) * len(stored.shape)
        require_memory(needed_bytes(stored, stored.count, whole, False), path)
        data = to_the_end(read_voxels(stored, range(stored.count), whole, False, path, what))
        # The images one behind the other are the axes after the third, the last one slowest.
        after = image.shape[3:]
        data = data.reshape(*after[::-1], *stored.shape)
        axes = range(data.ndim)
        return image, data.transpose(*axes[len(after) :], *axes[: len(after)][::-1])


def _check_offset(path: Path, what: str) -> None:
    """Refuse a header that makes nibabel read a huge 'extension' before the voxels."""
    raw = first_bytes(path, 348)
    for order in ("<", ">"):
        size = int(np.frombuffer(raw[:4], f"{order}i4")[0]) if len(raw) >= 4 else 0
        if size == 348 and len(raw) >= 112 and raw[344:347] in (b"n+1", b"ni1"):
            offset = float(np.frombuffer(raw[108:112], f"{order}f4")[0])
        elif size == 540 and len(raw) >= 176:
            offset = float(np.frombuffer(raw[168:176], f"{order}i8")[0])
        else:
            continue
        if not 0 <= offset <= HEADER_LIMIT:
            raise damaged(path, what, f"its header says that the voxels begin at byte {offset:g}")


def _stored(path: Path, what: str, image: SpatialImage) -> Stored:
    """How the voxels lie in the file, which is large enough for them."""
    stored = Stored.of(image, path)
    require_file_bytes(stored.file, what, stored.end, is_gzip(stored.file))
    return stored


def _refuse_field(path: Path, image: SpatialImage) -> None:
    header: Any = image.header
    intent = int(header["intent_code"]) if "intent_code" in header else 0
    if intent == VECTOR_INTENT and len(image.shape) == 5 and image.shape[4] > 1:
        raise InputError(
            f"“{path.name}” is a displacement field, not an image. Apply it as a transform "
            "(napari-voxelmorph apply), or open it with load_displacement."
        )


def geometry(image: SpatialImage, path: Path) -> tuple[Matrix, bool, dict[str, Any]]:
    """Affine (4, 4) in millimetres, whether left is known, and what to remember."""
    if isinstance(image, nibabel.Nifti1Pair):
        return _nifti_geometry(image)
    affine = np.array(image.affine, dtype=np.float64)
    if isinstance(image, nibabel.MGHImage):
        # nibabel fills in a default place where this flag (byte 28) is off, and turns it on.
        known = any(first_bytes(path, 30)[28:30])
        return affine, known, {"format": "mgh"}
    # Analyze has no agreed left and right.
    return affine, False, {"format": "analyze", "frame": SCANNER}


def _nifti_geometry(image: nibabel.Nifti1Pair) -> tuple[Matrix, bool, dict[str, Any]]:
    """sform if its code is above 0, else qform, else voxel sizes (NIfTI-1 methods 3, 2, 1)."""
    raw: Any = image.header
    notes: list[str] = []
    sform, qform = int(raw["sform_code"]), int(raw["qform_code"])
    header: dict[str, Any] = {
        "format": "nifti",
        "sform_code": sform,
        "qform_code": qform,
        "notes": notes,
    }
    if int(raw["intent_code"]) == LABEL_INTENT:
        header["kind_in_file"] = "labels"
    oriented = True
    if sform > 0:
        affine = np.array(raw.get_sform(), dtype=np.float64)
        if qform > 0:
            _compare(affine, raw, image.shape, header)
    elif qform > 0:
        affine = np.array(raw.get_qform(), dtype=np.float64)
    else:
        # No orientation at all: the file's axes are taken as ITK takes them.
        zooms = [*[float(z) for z in raw.get_zooms()[:3]], 1.0, 1.0][:3]
        affine = flip_lps(3) @ np.diag([*[z if z > 0 else 1.0 for z in zooms], 1.0])
        oriented, header["frame"] = False, SCANNER
        notes.append("The file does not say how the image lies in the patient.")
    affine[:3] *= _millimetres(raw, header)
    if bytes(raw["descrip"].tobytes()).startswith(UNORIENTED):
        oriented = False
        header["picture"] = True
    return affine, oriented, header


def _compare(sform: Matrix, raw: Any, shape: tuple[int, ...], header: dict[str, Any]) -> None:
    try:
        gap = largest_gap(sform, np.array(raw.get_qform()), (*shape, 1, 1))
    except Exception:  # a qform that is no rotation is simply not used
        gap = math.inf
    if not gap <= 0.1 * np.linalg.norm(sform[:3, :3], axis=0).min():
        header["sform_qform_gap"] = gap if math.isfinite(gap) else None
        header["notes"].append(
            f"The file gives two positions that differ by up to {gap:.3g} mm; the sform is used."
        )


def _millimetres(raw: Any, header: dict[str, Any]) -> float:
    try:
        unit = raw.get_xyzt_units()[0]
    except KeyError:
        unit = "unknown"
    factor = _TO_MM.get(unit, 1.0)
    if factor != 1.0:
        header["unit"] = unit
        header["notes"].append(f"The file is in {unit}s; converted to millimetres.")
    return factor


def _plane_of_picture(affine: Matrix) -> Matrix:
    """Undo `world_to_itk` of a picture that was written as NIfTI."""
    flat = (flip_lps(3) @ affine)[np.ix_([0, 1, 3], [0, 1, 3])]
    return np.asarray(flat[[1, 0, 2]])
