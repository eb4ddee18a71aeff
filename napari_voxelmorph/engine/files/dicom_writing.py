# mypy: allow-untyped-calls
"""The moved image as a DICOM series, beside the fixed scan in the same study.

Patient, study and frame of reference are those of the fixed scan; series and instances are new;
the image says that it is derived, how, and from which files (DICOM PS3.3, C.7.6.1, C.12.4).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.dicom_reference import (
    code,
    common_header,
    datasets_of,
    fixed_datasets,
    reference_to,
    require,
    series_item,
    software,
)
from napari_voxelmorph.engine.files.frames import flip_lps
from napari_voxelmorph.engine.files.plane import from_plane
from napari_voxelmorph.engine.files.writing import folder_writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: The first file; a folder with it is an earlier export and may be replaced.
FIRST = "image_0001.dcm"
#: Classes whose images are single slices with a place in space, and their modality.
_CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MOST_SKEW = 1e-4
#: What the standard demands of an MR or CT image, for scans that do not say it themselves.
_DEFAULTS: dict[str, dict[str, str | None]] = {
    "MR": {"ScanningSequence": "RM", "SequenceVariant": "NONE", "ScanOptions": "",
           "MRAcquisitionType": "", "EchoTime": None, "EchoTrainLength": None},
    "CT": {"KVP": None, "AcquisitionNumber": None},
    "OT": {"ConversionType": "WSD"},
}  # fmt: skip


def save_dicom(
    moved: Volume,
    fixed: Volume,
    moving: Volume,
    folder: str | os.PathLike[str],
    description: str = "",
) -> None:
    """Write `moved`, which lies on the grid of `fixed`, as a series of single slices.

    Parameters
    ----------
    moved : Volume
        16 bits are kept: whole numbers of that range exactly, others to 1/65535 of their range.
    fixed : Volume
        Opened from a DICOM series that is still there.
    moving : Volume
        Where it comes from; named as the source when it is DICOM too.
    folder : path
        New, empty, or an earlier export.
    description : str
        How the image came about; default: a sentence with both names.

    Raises
    ------
    InputError
        `fixed` is no DICOM series, or its grid cannot be described in DICOM.
    OutputError
    """
    require("pydicom")
    references, sources = fixed_datasets(fixed), datasets_of(moving)
    data, affine = from_plane(moved)
    place = np.asarray(flip_lps(3) @ affine)
    _check_grid(moved, place)
    whole = moving.data.dtype.kind in "iub" or moved.data.dtype.kind in "iub"
    pixels, slope, intercept = _as_16_bits(data, whole)
    text = description or f"{moving.name} registered to {fixed.name} by napari-voxelmorph"
    header = _header(references, sources, text)
    header.RescaleSlope, header.RescaleIntercept = _decimal(slope), _decimal(intercept)
    header.RescaleType = "HU" if header.Modality == "CT" else "US"
    header.WindowCenter, header.WindowWidth = _window(data)
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    with folder_writing(folder, FIRST) as temporary:
        for number in range(pixels.shape[2]):
            _add_place(header, place, number, pixels.shape)
            header.PixelData = np.ascontiguousarray(pixels[:, :, number].T).tobytes()
            _save(header, temporary / f"image_{number + 1:04d}.dcm")


def _header(references: Sequence[Dataset], sources: Sequence[Dataset] | None, text: str) -> Dataset:
    """All that the slices have in common."""
    from pydicom.uid import generate_uid

    header = common_header(references[0])
    named = str(sources[0].get("Modality", "")) if sources else ""
    modality = named if named in _CLASSES else "OT"
    header.Modality = modality
    header.SOPClassUID = _CLASSES.get(modality, _SECONDARY_CAPTURE)
    _add_acquisition(header, sources[0] if sources else None, modality)
    for keyword, value in software().items():
        setattr(header, keyword, value)
    now = datetime.now()
    for keyword in ("SeriesDate", "ContentDate", "InstanceCreationDate"):
        setattr(header, keyword, now.strftime("%Y%m%d"))
    for keyword in ("SeriesTime", "ContentTime", "InstanceCreationTime"):
        setattr(header, keyword, now.strftime("%H%M%S"))
    header.SeriesInstanceUID = generate_uid(prefix=None)
    header.SeriesNumber = int(references[0].get("SeriesNumber") or 0) + 1000
    header.SeriesDescription = text[:64]
    header.ImageType = ["DERIVED", "SECONDARY", "AXIAL" if modality == "CT" else "OTHER"]
    header.DerivationDescription = text[:1024]
    header.DerivationCodeSequence = [code("113085", "Spatial resampling")]
    _add_sources(header, references, sources)
    header.BurnedInAnnotation = "NO"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    return header


def _add_acquisition(header: Dataset, source: Dataset | None, modality: str) -> None:
    """How the moving scan was taken (group 0018), where it is of the same kind."""
    if source is not None and modality in _CLASSES:
        for element in source:
            if element.tag.group == 0x0018 and element.VR != "SQ":
                header.add(element)
    for keyword, value in _DEFAULTS[modality].items():
        if keyword not in header:
            setattr(header, keyword, value)


def _add_sources(
    header: Dataset, references: Sequence[Dataset], sources: Sequence[Dataset] | None
) -> None:
    """The images from which this one was made, and the series that they and the fixed scan are."""
    from pydicom.dataset import Dataset as New

    series = [series_item(references)]
    if sources:
        items = [reference_to(d) for d in sources]
        for item in items:
            item.SpatialLocationsPreserved = "NO"
            item.PurposeOfReferenceCodeSequence = [
                code("121322", "Source image for image processing operation")
            ]
        header.SourceImageSequence = items
        if sources[0].get("StudyInstanceUID") == header.StudyInstanceUID:
            series.append(series_item(sources))
        else:
            other = New()
            other.StudyInstanceUID = sources[0].StudyInstanceUID
            other.ReferencedSeriesSequence = [series_item(sources)]
            header.StudiesContainingOtherReferencedInstancesSequence = [other]
    header.ReferencedSeriesSequence = series


def _add_place(header: Dataset, place: Matrix, number: int, shape: tuple[int, ...]) -> None:
    """Where slice `number` lies (Image Plane module, C.7.6.2)."""
    from pydicom.uid import generate_uid

    spacing = np.linalg.norm(place[:3, :3], axis=0)
    axes = place[:3, :2] / spacing[:2]
    position = place[:3, 3] + number * place[:3, 2]
    normal = np.cross(axes[:, 0], axes[:, 1])
    header.SOPInstanceUID = generate_uid(prefix=None)
    header.InstanceNumber = number + 1
    header.Columns, header.Rows = shape[0], shape[1]
    header.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    header.ImageOrientationPatient = [_decimal(n) for n in axes.T.ravel()]
    header.ImagePositionPatient = [_decimal(n) for n in position]
    gap = abs(float(place[:3, 2] @ normal))
    header.SliceThickness = header.SpacingBetweenSlices = _decimal(gap)
    header.SliceLocation = _decimal(float(position @ normal))


def _save(header: Dataset, path: Path) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)


def _check_grid(volume: Volume, place: Matrix) -> None:
    axes = place[:3, :3] / np.linalg.norm(place[:3, :3], axis=0)
    across = np.cross(axes[:, 0], axes[:, 1])
    if abs(axes[:, 0] @ axes[:, 1]) > _MOST_SKEW or across @ axes[:, 2] < 0.1:
        raise InputError(
            f"The grid of “{volume.name}” is skewed or mirrored, and a DICOM series cannot say that. "
            "Save as NIfTI."
        )


def _as_16_bits(data: NDArray[np.generic], whole: bool) -> tuple[NDArray[np.generic], float, float]:
    """Stored numbers (int16 or uint16), and the slope and intercept that lead back."""
    numbers = np.nan_to_num(np.asarray(data, np.float64))
    low, high = float(numbers.min()), float(numbers.max())
    if whole:
        for dtype in (np.int16, np.uint16):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return np.rint(numbers).astype(dtype), 1.0, 0.0
    slope = float(_decimal((high - low) / 65535)) or 1.0
    intercept = float(_decimal(low))
    stored = np.rint((numbers - intercept) / slope)
    return np.clip(stored, 0, 65535).astype(np.uint16), slope, intercept


def _window(data: NDArray[np.generic]) -> tuple[str, str]:
    """Centre and width between the 0.5th and the 99.5th percentile."""
    low, high = np.nanpercentile(np.asarray(data, np.float64), [0.5, 99.5])
    return _decimal((low + high) / 2), _decimal(max(high - low, 1e-6))


def _decimal(number: float) -> str:
    """A decimal string of at most 16 letters."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(number)))
