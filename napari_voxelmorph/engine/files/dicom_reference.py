# mypy: allow-untyped-calls, no-warn-return-any
"""What new DICOM objects take over from the scans that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.dicom_slices import in_order, only_series, series_of_file
from napari_voxelmorph.engine.files.reading import reading
from napari_voxelmorph.engine.geometry.volume import Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Patient, study and frame of reference (DICOM PS3.3, C.7.1, C.7.2, C.7.4.1).
_TAKEN_OVER = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
    "StudyInstanceUID", "StudyID", "FrameOfReferenceUID", "PositionReferenceIndicator",
    "PatientPosition", "ConsultingPhysicianName", "ProcedureCodeSequence", "PatientAge",
    "PatientSize", "PatientWeight", "TimezoneOffsetFromUTC", "SpecificCharacterSet",
)  # fmt: skip
_PATIENT = 0x0010
#: "Type 2": may be empty but not missing, as in many scans without a name it is.
_MUST_BE_THERE = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "StudyID", "PositionReferenceIndicator",
)  # fmt: skip


def require(package: str) -> None:
    """Raise `InputError` when `package`, of the extra "dicom", is not installed."""
    if find_spec(package) is None:
        raise InputError(
            f"Writing DICOM needs {package}, which is not installed: "
            "pip install napari-voxelmorph[dicom]"
        )


def datasets_of(volume: Volume) -> list[Dataset] | None:
    """The files behind an image, in the order of its slices, without their pixels.

    None for an image that was not read from DICOM, or whose files are gone.
    """
    path = Path(str(volume.header.get("path", "")))
    if volume.header.get("format") != "dicom" or not path.exists():
        return None
    require("pydicom")
    import pydicom

    with reading(path, "DICOM"):
        slices = series_of_file(path) if path.is_file() else only_series(path)
        slices = in_order(path, slices, volume.header.get("volume_index"))
        return [pydicom.dcmread(s.path, stop_before_pixels=True) for s in slices]


def fixed_datasets(volume: Volume) -> list[Dataset]:
    """`datasets_of` the fixed image, which new objects cannot do without.

    Raises
    ------
    InputError
    """
    found = datasets_of(volume)
    if not found:
        raise InputError(
            f"“{volume.name}” was not opened from a DICOM series, or the series is no longer where "
            "it was. A DICOM result takes patient, study and frame of reference from the fixed "
            "scan: register to a DICOM series, or save as NIfTI."
        )
    for dataset in found:
        for keyword in _MUST_BE_THERE:
            if keyword not in dataset:
                setattr(dataset, keyword, "")
    return found


def common_header(reference: Dataset) -> Dataset:
    """A new dataset with the patient, the study and the frame of reference of another."""
    from pydicom.dataset import Dataset as New

    dataset = New()
    for element in reference:
        if element.tag.group == _PATIENT or element.keyword in _TAKEN_OVER:
            dataset.add(element)
    return dataset


def reference_to(dataset: Dataset) -> Dataset:
    """An item that names one image."""
    from pydicom.dataset import Dataset as New

    item = New()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    return item


def series_item(datasets: Sequence[Dataset]) -> Dataset:
    """An item that names a series and all its images."""
    from pydicom.dataset import Dataset as New

    item = New()
    item.SeriesInstanceUID = datasets[0].SeriesInstanceUID
    item.ReferencedInstanceSequence = [reference_to(d) for d in datasets]
    return item


def code(value: str, meaning: str) -> Dataset:
    """A code of the DICOM vocabulary (PS3.16, annex D)."""
    from pydicom.dataset import Dataset as New

    item = New()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def software() -> dict[str, Any]:
    """How this program names itself in a file."""
    from napari_voxelmorph.engine.provenance import installed

    version = installed("napari-voxelmorph") or "unknown"
    return {
        "Manufacturer": "napari-voxelmorph",
        "ManufacturerModelName": "napari-voxelmorph",
        "SoftwareVersions": version,
        "DeviceSerialNumber": "0",
    }
