# mypy: allow-untyped-calls, no-warn-return-any
"""DICOM series: which slices belong together, in which order, and where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.dicom_slices import (
    PARALLEL,
    Slice,
    check_slices,
    in_order,
    only_series,
    series_of_file,
)
from napari_voxelmorph.engine.files.frames import SCANNER, flip_lps
from napari_voxelmorph.engine.files.itk_images import from_itk
from napari_voxelmorph.engine.files.loaded import to_volume
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, Volume

#: Slice gaps may differ by this share of the usual gap (scanners round to 0.001 mm or so).
_UNEVEN = 0.05
_NO_PLACE = "The file does not say how the image lies in the patient."


def load(path: Path, kind: Kind | None, volume_index: int | None) -> Volume:
    """Read the DICOM series in a folder, or the one that a file belongs to."""
    with reading(path, "DICOM"):
        slices = series_of_file(path) if path.is_file() else only_series(path)
        check_slices(path, slices)
        if slices[0].frames > 1 or slices[0].enhanced:
            return _load_frames(path, slices, kind)
        slices = in_order(path, slices, volume_index)
        affine, oriented, notes = _affine(path, slices)
        data = _voxels(path, slices)
    header: dict[str, Any] = {
        "format": "dicom",
        "frame": SCANNER,
        "notes": notes,
        "files": len(slices),
        "series": slices[0].series,
        "description": slices[0].text(0x08, 0x103E),
    }
    if volume_index is not None:
        header["volume_index"] = volume_index
    return to_volume(path, data, affine, kind, header, oriented)


def _affine(path: Path, slices: list[Slice]) -> tuple[Matrix, bool, list[str]]:
    """Voxel (column, row, slice) to RAS mm, from positions; DICOM PS3.3, C.7.6.2.1.1."""
    affine, first = np.eye(4), slices[0]
    if first.position is None or first.axes is None:
        affine[0, 0], affine[1, 1] = first.spacing
        return flip_lps(3) @ affine, False, [_NO_PLACE]
    affine[:3, 0] = first.axes[0] * first.spacing[0]
    affine[:3, 1] = first.axes[1] * first.spacing[1]
    affine[:3, 3] = first.position
    normal = np.cross(first.axes[0], first.axes[1])
    notes: list[str] = []
    if len(slices) == 1:
        thickness = first.floats(0x18, 0x50, 1)
        thick = thickness is not None and thickness[0] > 0
        affine[:3, 2] = normal * (thickness[0] if thick and thickness is not None else 1.0)
        return flip_lps(3) @ affine, True, notes
    positions = np.array([s.position for s in slices])
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    worst = int(np.argmax(np.abs(gaps - usual)))
    if abs(gaps[worst] - usual) > _UNEVEN * usual:
        raise InputError(
            f"The slices of “{path.name}” are unevenly spaced: {gaps[worst]:.3g} mm after "
            f"{slices[worst].path.name}, {usual:.3g} mm elsewhere. Slices are missing, or the "
            "series is a mixture; copy all its files again, or convert it to NIfTI first."
        )
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(slices) - 1)
    step = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    if float(step @ normal) < 1 - PARALLEL**2:
        notes.append("The slices are shifted sideways (tilted gantry); taken into account.")
    return flip_lps(3) @ affine, True, notes


def _voxels(path: Path, slices: list[Slice]) -> NDArray[Any]:
    """Array (columns, rows, slices), rescaled as the files say."""
    names = [str(s.path) for s in slices]
    scales = {(s.text(0x28, 0x1053), s.text(0x28, 0x1052)) for s in slices}
    # One slice would dictate the integer type of all, and cut the fractions of the others.
    pixel = sitk.sitkFloat32 if len(scales) > 1 else sitk.sitkUnknown
    image = sitk.ReadImage(names if len(names) > 1 else names[0], pixel, "GDCMImageIO")
    data, _ = from_itk(image)
    if data.ndim == 2:
        data = data[:, :, None]
    if data.shape != (*slices[0].grid, len(slices)):
        raise damaged(path, "DICOM", f"its image is {data.shape} voxels, not {slices[0].grid}")
    return data


def _load_frames(path: Path, slices: list[Slice], kind: Kind | None) -> Volume:
    """One file with many frames: its geometry is in its functional groups, which GDCM reads."""
    if len(slices) > 1:
        raise InputError(
            f"“{path.name}” holds {len(slices)} enhanced files, each with frames of its own. Open one "
            "of the files, or convert the series to NIfTI (dcm2niix) first."
        )
    data, affine = from_itk(sitk.ReadImage(str(slices[0].path), sitk.sitkUnknown, "GDCMImageIO"))
    known = slices[0].enhanced or slices[0].position is not None
    notes = [] if known else [_NO_PLACE]
    header = {"format": "dicom", "frame": SCANNER, "notes": notes, "files": 1}
    return to_volume(path, data, affine, kind, header, known)
