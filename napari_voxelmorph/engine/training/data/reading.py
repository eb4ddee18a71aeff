"""Read one subject from its files, checked, with what is wrong with it in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError, VoxelMorphError
from napari_voxelmorph.engine.files.landmarks import load_landmarks
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.pair_checks import check_pair, check_same_grid
from napari_voxelmorph.engine.training.data.subject import Points, Subject


@dataclass(frozen=True, eq=False)
class Scan:
    """A subject that was read.

    Parameters
    ----------
    image : Volume
        Finite everywhere.
    labels : Volume or None
    landmarks : ndarray (P, D) or None
        World mm.
    landmark_names : list of str
    notes : list of str
        What could not be used, for the user.
    """

    image: Volume
    labels: Volume | None
    landmarks: Points | None
    landmark_names: list[str]
    notes: list[str] = field(default_factory=list)


def read_scan(subject: Subject) -> Scan:
    """Read a subject.  A bad segmentation or list of landmarks is noted and left out.

    Raises
    ------
    FileFormatError, InputError, NotEnoughMemoryError
        When the image itself cannot be used.
    """
    image = subject.image
    if isinstance(image, Path):
        image = files.load(image, "image")
    bad = int(image.data.size - np.isfinite(image.data).sum())
    image, _ = check_pair(image, image)
    notes = []
    if bad:
        notes.append(f"{subject.name}: {bad} voxels are NaN or infinite; they count as background.")
    labels = _labels(subject, image, notes)
    points, names = _landmarks(subject, image, notes)
    return Scan(image, labels, points, names, notes)


def _labels(subject: Subject, image: Volume, notes: list[str]) -> Volume | None:
    if subject.labels is None:
        return None
    try:
        labels = subject.labels
        if isinstance(labels, Path):
            labels = files.load(labels, "labels")
        if labels.data.dtype.kind == "f":
            raise InputError(f"“{labels.name}” is no segmentation: its values are fractions.")
        check_same_grid(labels, image)
    except VoxelMorphError as error:
        notes.append(f"{subject.name}: the segmentation is not used. {error}")
        return None
    return labels


def _landmarks(
    subject: Subject, image: Volume, notes: list[str]
) -> tuple[Points | None, list[str]]:
    points = subject.landmarks
    if points is None:
        return None, []
    try:
        if isinstance(points, Path):
            return load_landmarks(points, image.ndim)
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != image.ndim or not np.isfinite(points).all():
            raise InputError(
                f"Landmarks must be finite positions (P, {image.ndim}), got {points.shape}."
            )
    except VoxelMorphError as error:
        notes.append(f"{subject.name}: the landmarks are not used. {error}")
        return None, []
    return points, [f"{n + 1}" for n in range(len(points))]
