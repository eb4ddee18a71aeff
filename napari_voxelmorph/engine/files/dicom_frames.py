# mypy: allow-untyped-calls, no-warn-return-any
"""Enhanced multi-frame DICOM: which frame is which slice of the volume that was read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.frames import flip_lps
from napari_voxelmorph.engine.geometry.volume import Matrix

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: A frame may lie this far (voxels) from the slice that it is taken for.
_ASIDE = 0.1
#: Directions whose cosines differ by less are one (written with six digits or so).
_PARALLEL = 1e-3
_SAVE_ELSE = "Save the segmentation as NIfTI instead."


def is_multi_frame(dataset: Dataset) -> bool:
    """Whether one file holds several slices."""
    return (
        int(dataset.get("NumberOfFrames") or 1) > 1 or "PerFrameFunctionalGroupsSequence" in dataset
    )


def slices_of_frames(dataset: Dataset, place: Matrix, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The slice of a volume that each frame of its file is.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Of the one file.
    place : ndarray (4, 4)
        Voxel (column, row, slice) to world RAS mm, as the file was read.
    shape : (columns, rows, slices)

    Raises
    ------
    InputError
        When a frame does not say where it lies, or the frames are not the slices of this volume:
        nothing could then refer to them.
    """
    name = f"“{dataset.get('SeriesDescription') or 'the fixed scan'}”"
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    count = int(dataset.get("NumberOfFrames") or 1)
    if not frames or len(frames) != count or "SharedFunctionalGroupsSequence" not in dataset:
        raise InputError(
            f"The frames of {name} do not say where they lie (no functional groups), so a DICOM SEG "
            f"cannot refer to them. {_SAVE_ELSE}"
        )
    if (dataset.Columns, dataset.Rows, count) != tuple(shape):
        raise InputError(
            f"{name} holds {count} frames of {dataset.Columns} x {dataset.Rows}, and the image read "
            f"from it {shape}: a DICOM SEG cannot refer to its frames. {_SAVE_ELSE}"
        )
    share_groups(dataset, name)
    _check_axes(dataset, place, name)
    to_voxel = np.linalg.inv(place) @ flip_lps(3)
    found = np.array([_voxel(frame, to_voxel, name) for frame in frames])
    slices = np.rint(found[:, 2]).astype(np.int64)
    off = np.abs(found - np.outer(slices, [0, 0, 1])).max()
    if off > _ASIDE or sorted(slices) != list(range(count)):
        raise InputError(
            f"The {count} frames of {name} are not {count} slices one behind the other (they repeat, "
            f"or are unevenly spaced): a DICOM SEG cannot refer to them. {_SAVE_ELSE}"
        )
    return slices


def share_groups(dataset: Dataset, name: str) -> None:
    """Orientation and pixel sizes that all frames repeat become shared, as SEG has them.

    Raises
    ------
    InputError
        When they are missing, or differ between frames.
    """
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = dataset.PerFrameFunctionalGroupsSequence
    for group, keywords, what in (
        ("PlaneOrientationSequence", ("ImageOrientationPatient",), "direction"),
        ("PixelMeasuresSequence", ("PixelSpacing", "SliceThickness"), "size of pixels"),
    ):
        if shared.get(group):
            continue
        items = [frame[group].value[0] for frame in frames if frame.get(group)]
        values = [_numbers(item, keywords) for item in items]
        same = len(items) == len(frames) and all(
            np.allclose(v, values[0], atol=_PARALLEL) for v in values
        )
        if not same:
            raise InputError(
                f"The frames of {name} have no common {what}: a DICOM SEG needs one. {_SAVE_ELSE}"
            )
        setattr(shared, group, [items[0]])


def _numbers(item: Dataset, keywords: tuple[str, ...]) -> list[float]:
    values: list[float] = []
    for keyword in keywords:
        value: Any = item.get(keyword)
        values += [float(v) for v in (value if np.iterable(value) else [value or 0.0])]
    return values


def _check_axes(dataset: Dataset, place: Matrix, name: str) -> None:
    shared = dataset.SharedFunctionalGroupsSequence[0]
    told = _numbers(shared.PlaneOrientationSequence[0], ("ImageOrientationPatient",))
    axes = (flip_lps(3) @ place)[:3, :2]
    axes = axes / np.linalg.norm(axes, axis=0)
    if not np.allclose(axes.T.ravel(), told, atol=_PARALLEL):
        raise InputError(
            f"The frames of {name} lie in another direction than the image that was read from them: a "
            f"DICOM SEG cannot refer to them. {_SAVE_ELSE}"
        )


def _voxel(frame: Dataset, to_voxel: Matrix, name: str) -> NDArray[np.float64]:
    """Where the first pixel of a frame lies, voxels (column, row, slice)."""
    try:
        position = [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        return np.asarray((to_voxel @ [*position, 1.0])[:3])
    except (AttributeError, IndexError, TypeError, ValueError):
        raise InputError(
            f"A frame of {name} does not say where it lies, so a DICOM SEG cannot refer to it. "
            f"{_SAVE_ELSE}"
        ) from None
