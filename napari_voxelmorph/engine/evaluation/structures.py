"""Per-structure agreement of two segmentations on one grid: overlap, distance, size."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.evaluation.structure_kernels import (
    count_shared,
    nearest_voxels,
    tally,
)
from napari_voxelmorph.engine.evaluation.surfaces import (
    NO_SURFACE,
    Surface,
    apart,
    numbered,
    surfaces_of,
)
from napari_voxelmorph.engine.parallel import run_slabs

#: More are no segmentation but an image.
MOST_STRUCTURES = 5000
#: Structures measured between two yields.
_BATCH = 12
Voxel = tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """How far a measurement has come."""

    fraction: float


@dataclass(frozen=True)
class Structure:
    """One structure in the fixed and in the moved segmentation; NaN where it is in one only.

    Parameters
    ----------
    dice : float
        ``2 |A ∩ B| / (|A| + |B|)``.
    hd95, assd : float
        See `surfaces.Apart`, mm.
    fixed_size, moved_size : float
        Millilitres (2-D: square centimetres); 0 where it is absent.
    centre : tuple of int
        The voxel of the structure nearest its centroid, in the fixed segmentation if there.
    farthest : tuple of int
        Where the two surfaces lie farthest apart; empty when unknown.
    """

    id: int
    dice: float
    hd95: float
    assd: float
    fixed_size: float
    moved_size: float
    centre: Voxel = ()
    farthest: Voxel = ()

    @property
    def difference(self) -> float:
        """Moved minus fixed size, percent of fixed; NaN when absent from either."""
        if not self.fixed_size or not self.moved_size:
            return float("nan")
        return 100 * (self.moved_size - self.fixed_size) / self.fixed_size


@dataclass(frozen=True, eq=False)
class Segmented:
    """A segmentation with what is known of each of its structures.

    Parameters
    ----------
    labels : ndarray (*S) of integers
    spacing : tuple of float
        mm per array axis.
    sizes, centres, surfaces : dict
        By id: voxels; middle voxel; surface.
    """

    labels: NDArray[Any]
    spacing: tuple[float, ...]
    sizes: dict[int, int] = field(default_factory=dict)
    centres: dict[int, Voxel] = field(default_factory=dict)
    surfaces: dict[int, Surface] = field(default_factory=dict)

    def size(self, label: int) -> float:
        """Millilitres (2-D: square centimetres)."""
        unit = float(np.prod(self.spacing)) / (1000 if len(self.spacing) == 3 else 100)
        return self.sizes.get(label, 0) * unit


def ids_of(labels: NDArray[Any]) -> list[int]:
    """The labels of a segmentation, without 0, in order.

    Raises
    ------
    InputError
        When it is no segmentation: not whole numbers, or thousands of them.
    """
    if labels.dtype.kind not in "bui":
        raise InputError(
            f"A segmentation holds whole numbers, one per structure; this one holds {labels.dtype} "
            "values. Open it as labels."
        )
    small = not labels.size or (int(labels.min()) >= 0 and int(labels.max()) < 2**16)
    if small:
        found = np.flatnonzero(np.bincount(labels.ravel().astype(np.uint16, copy=False)))
    else:
        found = np.unique(labels)
    ids = [int(i) for i in found if i]
    if len(ids) > MOST_STRUCTURES:
        raise InputError(
            f"There are {len(ids)} different labels, more than {MOST_STRUCTURES}: is this an image "
            "rather than a segmentation?"
        )
    return ids


def segmented(
    labels: NDArray[Any], spacing: tuple[float, ...], ids: Iterable[int] | None = None
) -> Segmented:
    """Look at each structure of a segmentation once.

    Parameters
    ----------
    labels : ndarray (*S) of integers, 2-D or 3-D
    spacing : tuple of float
        mm per array axis.
    ids : iterable of int, optional
        Only these.  Default: all but 0.
    """
    wanted = np.array(sorted(set(ids_of(labels) if ids is None else ids) - {0}), np.int64)
    if not len(wanted):
        return Segmented(labels, tuple(spacing))
    three = labels if labels.ndim == 3 else labels[None]
    step = np.array(spacing if labels.ndim == 3 else (1.0, *spacing), np.float64)
    places = numbered(three, wanted)
    sums = np.zeros((three.shape[0], len(wanted) + 1, 4), np.int64)
    run_slabs(tally, three.shape[0], places, sums)
    totals = sums.sum(axis=0)
    centroids = totals[:, 1:] / np.maximum(totals[:, :1], 1)
    best = np.full(sums.shape[:2], np.inf)
    found = np.zeros((*sums.shape[:2], 3), np.int64)
    run_slabs(nearest_voxels, three.shape[0], places, centroids, step, best, found)
    layer = best.argmin(axis=0)
    sizes, centres = {}, {}
    for n, label in enumerate(wanted, 1):
        if totals[n, 0]:
            sizes[int(label)] = int(totals[n, 0])
            centres[int(label)] = tuple(int(c) for c in found[layer[n], n])[-labels.ndim :]
    return Segmented(labels, tuple(spacing), sizes, centres, surfaces_of(labels, wanted, spacing))


def compare(
    fixed: Segmented, moved: Segmented, ids: Iterable[int] | None = None
) -> Generator[Measured, None, dict[int, Structure]]:
    """Compare the structures of two segmentations on one grid.

    Parameters
    ----------
    ids : iterable of int, optional
        Only these.  Default: all of either.

    Yields
    ------
    Measured
        Now and then, so that a watcher can stop it.

    Returns
    -------
    dict
        Id -> `Structure`.

    Raises
    ------
    InputError
        When the shapes differ.
    """
    if fixed.labels.shape != moved.labels.shape:
        raise InputError(
            "Both segmentations must be on one grid; the fixed one has the shape "
            f"{fixed.labels.shape} and the moved one {moved.labels.shape}."
        )
    wanted = sorted((fixed.sizes.keys() | moved.sizes.keys()) if ids is None else set(ids) - {0})
    shared = _shared(fixed, moved, wanted)
    found: dict[int, Structure] = {}

    def measure(batch: list[int], a: int, b: int) -> list[Structure]:
        return [_structure(fixed, moved, label, shared[label]) for label in batch[a:b]]

    for start in range(0, len(wanted), _BATCH):
        yield Measured(start / len(wanted))
        batch = wanted[start : start + _BATCH]
        for part in run_slabs(measure, len(batch), batch, chunks_per_thread=3):
            found.update((structure.id, structure) for structure in part)
    return found


def _shared(fixed: Segmented, moved: Segmented, wanted: list[int]) -> dict[int, int]:
    if not wanted:
        return {}
    ids = np.array(wanted, np.int64)
    first, second = (
        numbered(s.labels if s.labels.ndim == 3 else s.labels[None], ids) for s in (fixed, moved)
    )
    counts = np.zeros((first.shape[0], len(wanted) + 1), np.int64)
    run_slabs(count_shared, first.shape[0], first, second, counts)
    return dict(zip(wanted, counts.sum(axis=0)[1:].tolist(), strict=True))


def _structure(fixed: Segmented, moved: Segmented, label: int, shared: int) -> Structure:
    sizes = [s.sizes.get(label, 0) for s in (fixed, moved)]
    surfaces = [s.surfaces.get(label, NO_SURFACE) for s in (fixed, moved)]
    away = apart(surfaces[0], surfaces[1], fixed.spacing)
    limits = np.array(fixed.labels.shape) - 1
    return Structure(
        label,
        2 * shared / sum(sizes) if all(sizes) else float("nan"),
        away.hd95,
        away.assd,
        fixed.size(label),
        moved.size(label),
        fixed.centres.get(label) or moved.centres.get(label, ()),
        # A cell lies between voxels, and may lie beyond the last one.
        tuple(int(c) for c in np.minimum(away.farthest, limits)) if away.farthest else (),
    )
