"""A cohort from images that are in memory: the layers now open."""

from __future__ import annotations

from collections.abc import Sequence

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.training.data.subject import Cohort, Points, Subject


def cohort_from_volumes(
    images: Sequence[Volume],
    labels: Sequence[Volume | None] | None = None,
    landmarks: Sequence[Points | None] | None = None,
    name: str = "open layers",
) -> Cohort:
    """A cohort of what is in memory.

    Parameters
    ----------
    images : sequence of Volume
    labels : sequence of Volume or None, optional
        Beside each image, its segmentation.
    landmarks : sequence of ndarray (P, D) or None, optional
        World mm; all in the same order.

    Raises
    ------
    InputError
        When the lists differ in length.
    """
    nothing = [None] * len(images)
    labels = nothing if labels is None else labels
    landmarks = nothing if landmarks is None else landmarks
    if not len(images) == len(labels) == len(landmarks):
        raise InputError(
            f"There are {len(images)} images, {len(labels)} segmentations and {len(landmarks)} lists "
            "of landmarks; give one, or None, for each image."
        )
    parts = zip(images, labels, landmarks, strict=True)
    subjects = tuple(Subject(image.name, image, seg, points) for image, seg, points in parts)
    return Cohort(name, subjects, source="in memory")
