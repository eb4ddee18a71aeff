"""Surfaces of all structures of a segmentation, and how far two of them lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.evaluation.surface_kernels import (
    count_surfels,
    list_surfels,
    surface_distances,
)
from napari_voxelmorph.engine.evaluation.surfel_areas import surfel_areas
from napari_voxelmorph.engine.parallel import run_slabs

#: Only ids below this are numbered by a table; others are searched for.
_TABLE = 2**20


@dataclass(frozen=True, eq=False)
class Surface:
    """The surface of one structure.

    Parameters
    ----------
    cells : ndarray (N, 3) int16
        Cells of 2 x 2 x 2 voxels that the surface passes; cell i has voxels i - 1 and i.
    areas : ndarray (N,) float32
        Area of the surface in each cell, mm²; for 2-D images the length of the contour, mm.
    """

    cells: NDArray[np.int16]
    areas: NDArray[np.float32]


NO_SURFACE = Surface(np.zeros((0, 3), np.int16), np.zeros(0, np.float32))


@dataclass(frozen=True)
class Apart:
    """How far two surfaces lie apart, mm; NaN when one of them is empty.

    Parameters
    ----------
    hd95 : float
        Robust Hausdorff distance: the larger of the two directions' 95th percentiles, each
        surface element weighted by its area.
    assd : float
        Average symmetric surface distance: mean over the elements of both surfaces, weighted.
    hausdorff : float
        The largest distance.
    farthest : tuple of int
        The cell where that is, array order.
    """

    hd95: float
    assd: float
    hausdorff: float
    farthest: tuple[int, ...]


def surfaces_of(
    labels: NDArray[Any], ids: NDArray[np.integer[Any]], spacing: tuple[float, ...]
) -> dict[int, Surface]:
    """Surface of each of `ids` in one pass over a segmentation.

    Parameters
    ----------
    labels : ndarray (*S) of integers, 2-D or 3-D
    ids : ndarray of int
        The labels wanted, without 0; at most 65535.
    spacing : tuple of float
        Voxel size along each axis, mm.

    Returns
    -------
    dict
        Id -> surface, for the ids that `labels` holds.
    """
    three = labels if labels.ndim == 3 else labels[None]
    size = tuple(spacing) if len(spacing) == 3 else (1.0, *spacing)
    order = np.unique(np.asarray(ids))
    places = numbered(three, order)
    layers = three.shape[0] + 1 if three.shape[0] > 1 else 1
    counts = np.zeros((layers, len(order) + 1), np.int64)
    run_slabs(count_surfels, layers, places, counts)
    # Label after label, and within each one layer after the other.
    starts = np.concatenate(([0], np.cumsum(counts.T.ravel())))
    total = int(starts[-1])
    begins = np.ascontiguousarray(starts[:-1].reshape(counts.T.shape).T)
    ends = starts[::layers][: len(order) + 2].tolist()
    cells, areas = np.empty((total, 3), np.int16), np.empty(total, np.float32)
    table = surfel_areas((size[0], size[1], size[2])).astype(np.float32)
    run_slabs(list_surfels, layers, places, table, begins, cells, areas)
    return {
        int(label): Surface(cells[ends[n] : ends[n + 1]], areas[ends[n] : ends[n + 1]])
        for n, label in enumerate(order, 1)
        if ends[n + 1] > ends[n]
    }


def numbered(labels: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.uint16]:
    """Place of each voxel's label in the sorted `ids`, counted from 1; 0 for all others."""
    if len(ids) and labels.dtype.kind in "bui" and ids[0] >= 0 and ids[-1] < _TABLE:
        top = int(ids[-1]) + 1
        table = np.zeros(top + 1, np.uint16)  # the last place is for larger ids
        table[ids] = np.arange(1, len(ids) + 1)
        # One comparison instead of two where the dtype cannot hold larger or negative ids.
        if labels.dtype.kind == "u" and np.iinfo(labels.dtype).max <= top:
            return np.asarray(table[labels], np.uint16)
        inside = (labels >= 0) & (labels < top)
        return np.asarray(table[np.where(inside, labels, top).astype(np.int32)], np.uint16)
    if not len(ids):
        return np.zeros(labels.shape, np.uint16)
    places = np.minimum(np.searchsorted(ids, labels), len(ids) - 1)
    return np.where(ids[places] == labels, places + 1, 0).astype(np.uint16)


def apart(fixed: Surface, moved: Surface, spacing: tuple[float, ...]) -> Apart:
    """Distances between two surfaces; `spacing` as for `surfaces_of`.

    The definition is that of DeepMind's surface-distance (`compute_robust_hausdorff`), by which
    the Learn2Reg challenge gives HD95 (there with a spacing of 1).
    """
    if not len(fixed.cells) or not len(moved.cells):
        nan = float("nan")
        return Apart(nan, nan, nan, ())
    step = np.array(spacing if len(spacing) == 3 else (1.0, *spacing), np.float64)
    there = surface_distances(fixed.cells, moved.cells, step)
    back = surface_distances(moved.cells, fixed.cells, step)
    hd95 = max(_percentile(there, fixed.areas), _percentile(back, moved.areas))
    total = float(fixed.areas.sum(dtype=np.float64) + moved.areas.sum(dtype=np.float64))
    weighted = np.dot(there, fixed.areas) + np.dot(back, moved.areas)
    far, cells = (there, fixed.cells) if there.max() >= back.max() else (back, moved.cells)
    at = int(far.argmax())
    where = tuple(int(c) for c in cells[at])[-len(spacing) :]
    return Apart(hd95, float(weighted) / total, float(far[at]), where)


def _percentile(distances: NDArray[np.float32], areas: NDArray[np.float32]) -> float:
    """The distance that 95 percent of the area does not exceed."""
    order = np.argsort(distances, kind="stable")
    share = np.cumsum(areas[order], dtype=np.float64)
    at = int(np.searchsorted(share / share[-1], 0.95))
    return float(distances[order[min(at, len(order) - 1)]])
