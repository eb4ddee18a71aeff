# mypy: allow-untyped-calls, no-warn-return-any
"""A segmentation on the fixed grid as DICOM SEG, through highdicom."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.dicom_frames import is_multi_frame, slices_of_frames
from napari_voxelmorph.engine.files.dicom_reference import (
    fixed_datasets,
    require,
    software,
)
from napari_voxelmorph.engine.files.plane import from_plane
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

_MOST_SEGMENTS = 65535


def save_segmentation(
    labels: Volume,
    fixed: Volume,
    path: str | os.PathLike[str],
    names: Mapping[int, str] | None = None,
) -> None:
    """Write labels as one DICOM file with a segment per id (0 is the background).

    Parameters
    ----------
    labels : Volume
        On the grid of `fixed`; the id is kept in each segment's description.
    fixed : Volume
        Opened from a DICOM series, or an enhanced multi-frame file, that is still there.
    names : mapping, optional
        What the ids mean.

    Raises
    ------
    InputError
        No DICOM series, another grid, no labels at all, or a multi-frame file whose frames
        cannot be referred to.
    OutputError
    """
    require("highdicom")
    path = Path(path)
    if labels.shape != fixed.shape or not np.allclose(labels.affine, fixed.affine, atol=1e-3):
        raise InputError(
            f"The segmentation “{labels.name}” does not lie on the grid of “{fixed.name}”, as DICOM "
            "SEG needs. Apply the transform onto the fixed image's own grid."
        )
    ids = [int(i) for i in np.unique(labels.data) if i != 0]
    if not 0 < len(ids) <= _MOST_SEGMENTS:
        raise InputError(
            f"“{labels.name}” holds {len(ids)} labels; 1 to 65535 can be saved as SEG."
        )
    references = fixed_datasets(fixed)
    _, place = from_plane(fixed)
    data, _ = from_plane(labels)
    order = _order(references, place, data.shape)
    # Ids become 1, 2, 3 ... as SEG counts; slices first, then rows and columns.
    places = _places(data, ids)
    frames = places.reshape(data.shape).transpose(2, 1, 0)[order].astype(np.uint16)
    segmentation = _built(references, frames, ids, names or {}, labels.name)
    with writing(path) as temporary:
        segmentation.save_as(temporary)


def _order(references: list[Any], place: Matrix, shape: tuple[int, ...]) -> Any:
    """Which slice each referenced image or frame is; made ready for highdicom."""
    gap = f"{np.linalg.norm(place[:3, 2]):.10g}"
    if len(references) == 1 and is_multi_frame(references[0]):
        order = slices_of_frames(references[0], place, shape)
        measures = [references[0].SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]]
    else:
        order, measures = np.arange(shape[2]), references
    for item in measures:
        # highdicom needs the one, and believes the other where it contradicts the positions.
        item.SliceThickness = item.get("SliceThickness") or gap
        item.SpacingBetweenSlices = gap
    return order


def _places(data: Any, ids: list[int]) -> Any:
    """Place of each voxel's id, from 1; ids below zero are labels like any other."""
    order = np.searchsorted(ids, data.reshape(-1))
    return np.where(data.reshape(-1) == 0, 0, order + 1)


def _built(
    references: list[Any], frames: Any, ids: list[int], names: Mapping[int, str], title: str
) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    by = software()
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="napari-voxelmorph registration",
        version=by["SoftwareVersions"],
        family=codes.cid7162.DeformableModels,
    )
    segments = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=names.get(value, f"label {value}")[:64],
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.AnatomicalStructure,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            algorithm_identification=algorithm,
            tracking_id=f"label {value}",
            tracking_uid=highdicom.UID(),
        )
        for number, value in enumerate(ids, 1)
    ]
    return highdicom.seg.Segmentation(
        source_images=references,
        pixel_array=frames,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=highdicom.UID(),
        series_number=int(references[0].get("SeriesNumber") or 0) + 1001,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=by["Manufacturer"],
        manufacturer_model_name=by["ManufacturerModelName"],
        software_versions=by["SoftwareVersions"],
        device_serial_number=by["DeviceSerialNumber"],
        content_label="REGISTERED",
        content_description=title[:64],
    )
