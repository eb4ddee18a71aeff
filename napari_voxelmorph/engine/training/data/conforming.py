"""One scan onto the model's grid: image, labels as small numbers, landmarks as voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.networks.space import Place, Space, conform
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.training.data.reading import Scan
from napari_voxelmorph.engine.training.data.subject import Points

_MOST_IDS = 32767


@dataclass(frozen=True, eq=False)
class Conformed:
    """A scan on the model's grid.

    Parameters
    ----------
    image : ndarray S, float16
    labels : ndarray S, uint8 or int16, or None
        Places in `ids` plus one; 0 is background.
    ids : tuple of int
    landmarks : ndarray (P, D) or None
        Voxels of the model's grid.
    landmark_names : list of str
    """

    image: NDArray[np.float16]
    labels: NDArray[np.integer] | None
    ids: tuple[int, ...]
    landmarks: Points | None
    landmark_names: list[str]


def conform_scan(
    scan: Scan, reference: Volume, where: Place, space: Space, world: Matrix
) -> Conformed:
    """Resample a scan onto the grid at `where` in the reference.

    Labels are resampled by the largest share; landmarks go with the image.

    Parameters
    ----------
    world : ndarray (D + 1, D + 1)
        Reference world to the scan's world, mm.

    Raises
    ------
    InputError
        When nothing of the scan lies on the grid.
    """
    image = conform(scan.image, reference, where, space, world)
    if float(image.max()) - float(image.min()) < 1e-3:
        raise InputError(
            f"“{scan.image.name}” does not reach the training's grid: it lies elsewhere, by its "
            "header. Turn the pre-alignment on, or mend the header."
        )
    grid = Volume(np.zeros(where.shape, np.int8), reference.affine @ where.matrix())
    labels, ids = (None, ()) if scan.labels is None else _labels(scan.labels, grid, world)
    points = None
    if scan.landmarks is not None:
        to_voxels = np.linalg.inv(world @ grid.affine)
        points = scan.landmarks @ to_voxels[:-1, :-1].T + to_voxels[:-1, -1]
    limit = float(np.finfo(np.float16).max)
    return Conformed(
        np.clip(image, -limit, limit).astype(np.float16),
        labels,
        ids,
        points,
        scan.landmark_names,
    )


def _labels(
    labels: Volume, grid: Volume, world: Matrix
) -> tuple[NDArray[np.integer], tuple[int, ...]]:
    ids, places = np.unique(labels.data, return_inverse=True)
    kept = ids != 0
    if int(kept.sum()) > _MOST_IDS:
        raise InputError(
            f"“{labels.name}” holds {kept.sum()} labels; is it an image? At most {_MOST_IDS} can be "
            "trained with."
        )
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int16)
    numbered = numbers[places].reshape(labels.shape)
    volume = labels.with_data(numbered)
    frame = Registration(grid, volume, world)
    # Where many voxels fall into one of the grid, the share of eight of them says little, but
    # a majority over all would take a blurred map per label.
    found = frame.warp_labels(volume)
    small = np.uint8 if len(ids) <= 255 else np.int16
    return found.astype(small), tuple(int(i) for i in ids[kept])
