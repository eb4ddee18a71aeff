"""What an uncertain deformation means for a segmentation: labels, borders, volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.geometry.field import Field, pad_3d
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.geometry.voxels import matrix_3d, voxels_of
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.uncertainty import sample_kernels

#: Voxels on each side of a border that are looked at, at most.
_WIDEST = 8
_SLOTS = 4


@dataclass(frozen=True, eq=False)
class Structures:
    """Labels of the fixed grid under the answers of a model.

    Parameters
    ----------
    ids : ndarray (L,)
        Of the structures in the moved segmentation, without 0, rising.
    volume_ml, deviation_ml : ndarray (L,)
        Volume (2-D: area in cm²) in the result itself, and its standard deviation over the answers.
    label : ndarray (*S)
        The label that most answers give.
    probability : ndarray (*S) float16
        Share of the answers that give it.
    entropy : ndarray (*S) float16
        Of the answers' labels, bits; 0 where they agree.
    """

    ids: NDArray[np.int64]
    volume_ml: NDArray[np.float64]
    deviation_ml: NDArray[np.float64]
    label: NDArray[np.integer]
    probability: NDArray[np.float16]
    entropy: NDArray[np.float16]


class LabelCount:
    """Counts the labels that answers give near the borders of a moved segmentation.

    Parameters
    ----------
    registration : Registration
    labels : Volume
        On any grid of the moving world.
    reach : float
        mm on each side of a border that an answer may shift it.
    """

    def __init__(self, registration: Registration, labels: Volume, reach: float) -> None:
        self._registration, self._fixed = registration, registration.fixed
        self.ids, dense = _numbered(labels.data)
        self._dense = Volume(dense, labels.affine, "labels", labels.name, labels.oriented)
        self._base = registration.warp(self._dense, "nearest").astype(np.int32)
        band = _band(self._base, reach, self._fixed.spacing)
        self._places = np.ascontiguousarray(np.argwhere(band), np.int32)
        flat = self._base[band]
        outside = np.bincount(self._base.ravel(), minlength=len(self.ids))
        self._inside = np.bincount(flat, minlength=len(self.ids))
        self._outside = outside - self._inside
        self._slots = np.full((len(flat), _SLOTS), -1, np.int32)
        self._counts = np.zeros((len(flat), _SLOTS), np.uint16)
        self._totals: list[NDArray[np.float64]] = []
        self._matrix = matrix_3d(
            np.linalg.inv(labels.affine) @ registration.affine @ self._fixed.affine
        )

    def add(self, answer: Field) -> None:
        """Count one answer, a field on the fixed image's axes."""
        image, _ = voxels_of(self._dense)
        places = self._places
        if places.shape[1] == 2:
            places = np.insert(places, 0, 0, axis=1)
        out = np.empty(len(places), np.int32)
        place = [np.array(pad_3d(answer.scale, 1.0)), np.array(pad_3d(answer.offset, 0.0))]
        sums = run_slabs(
            sample_kernels.labels_at,
            len(places),
            image,
            self._matrix,
            answer.forward,
            *place,
            places,
            len(self.ids),
            out,
        )
        run_slabs(sample_kernels.count_labels, len(out), out, self._slots, self._counts)
        self._totals.append(np.sum(sums, axis=0))

    def structures(self, paired: bool) -> Structures:
        """What was counted so far; `paired`: see `sampling.Total`."""
        n = len(self._totals)
        unit = abs(float(np.linalg.det(self._fixed.affine[:-1, :-1]))) / (
            1000 if self._fixed.ndim == 3 else 100
        )
        totals = np.array(self._totals, np.float64)
        deviation = np.zeros(len(self.ids))
        if n > 1:
            deviation = totals.std(axis=0, ddof=0 if paired else 1)
        label = self._base.copy()
        probability = np.ones(label.shape, np.float16)
        entropy = np.zeros(label.shape, np.float16)
        if n:
            winner = np.empty(len(self._slots), np.int32)
            figures = np.empty((2, len(winner)), np.float32)
            run_slabs(
                sample_kernels.settle, len(winner), self._slots, self._counts, n, winner, *figures
            )
            where = tuple(self._places.T)
            label[where], probability[where], entropy[where] = winner, *figures
        present = (self._inside + self._outside + totals.sum(axis=0) > 0) & (self.ids != 0)
        return Structures(
            self.ids[present],
            (self._inside + self._outside)[present] * unit,
            deviation[present] * unit,
            _smallest(self.ids)[label],
            probability,
            entropy,
        )


def _numbered(data: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Ids, 0 first, and the voxels as places in that list."""
    if data.dtype.kind in "iu" and int(data.min()) >= 0 and int(data.max()) < 2**16:
        present = np.bincount(data.ravel()) > 0
        present[0] = True
        table = np.cumsum(present) - 1
        return np.flatnonzero(present), table[data].astype(np.int32)
    ids, places = np.unique(np.append(data.ravel(), 0).astype(np.int64), return_inverse=True)
    # Outside the segmentation a warp gives place 0: that must be the label 0.
    zero = int(np.flatnonzero(ids == 0)[0])
    order = np.concatenate([[zero], np.delete(np.arange(ids.size), zero)])
    place = np.empty(ids.size, np.int32)
    place[order] = np.arange(ids.size)
    return ids[order], place[places[:-1]].reshape(data.shape)


def _smallest(ids: NDArray[np.int64]) -> NDArray[np.integer]:
    """The ids in the smallest type that holds them: a whole image of them is kept."""
    return ids.astype(np.result_type(*(np.min_scalar_type(i) for i in (ids.min(), ids.max()))))


def _band(labels: NDArray[np.int32], reach: float, spacing: tuple[float, ...]) -> NDArray[np.bool_]:
    """Voxels within `reach` mm of another label, along the axes."""
    border = np.zeros(labels.shape, np.uint8)
    for axis in range(labels.ndim):
        rest = (slice(None),) * axis
        low, high = (*rest, slice(0, -1)), (*rest, slice(1, None))
        unlike = labels[low] != labels[high]
        border[low] |= unlike
        border[high] |= unlike
    for axis, millimetres in enumerate(spacing):
        voxels = int(np.clip(np.ceil(reach / millimetres), 1, _WIDEST))
        border = ndimage.maximum_filter1d(border, 2 * voxels + 1, axis)
    return np.asarray(border, bool)
