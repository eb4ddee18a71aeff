"""What the spread of a result means for each structure of a moved segmentation."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.evaluation.certainty import Certainty
from napari_voxelmorph.engine.evaluation.structures import Measured, Segmented
from napari_voxelmorph.engine.evaluation.surfaces import Surface, numbered
from napari_voxelmorph.engine.uncertainty.spread import Spread
from napari_voxelmorph.engine.uncertainty.structures import Structures

_BATCH = 12
_NAN = float("nan")


def certainty(
    spread: Spread,
    moved: Segmented,
    computed: NDArray[Any],
    known: Mapping[int, float] | None = None,
) -> Generator[Measured, None, dict[int, Certainty]]:
    """Look at each moved structure under the spread of its result.

    Parameters
    ----------
    spread : Spread
        Its grid lies in the fixed image, on whose grid `moved` is.
    moved : Segmented
        As it is judged: perhaps corrected by hand.
    computed : ndarray (*S) of integers
        As the result moved it: of this one the model can be sure or not.
    known : mapping, optional
        Id -> uncertainty of structures whose surface is as it was.

    Yields
    ------
    Measured

    Returns
    -------
    dict
        Id -> `Certainty`, for all structures of either.
    """
    yield Measured(0.0)
    confidence: dict[int, float] = {}
    deviation: dict[int, float] = {}
    if spread.structures is not None:
        confidence = agreement(spread.structures, computed)
        found = spread.structures
        deviation = dict(zip(found.ids.tolist(), found.deviation_ml.tolist(), strict=True))
    known = known or {}
    wanted = sorted(moved.sizes.keys() | confidence.keys())
    result: dict[int, Certainty] = {}
    for n, label in enumerate(wanted):
        if n % _BATCH == 0:
            yield Measured(0.2 + 0.8 * n / len(wanted))
        own = known.get(label)
        if own is None:
            own = along_surface(spread, moved.surfaces.get(label))
        result[label] = Certainty(own, confidence.get(label, _NAN), deviation.get(label, _NAN))
    return result


def along_surface(spread: Spread, surface: Surface | None) -> float:
    """Mean standard deviation (mm, per direction) over a surface, by area; NaN without one."""
    if surface is None or not len(surface.cells):
        return _NAN
    ndim = spread.ndim
    local = np.zeros((3, len(surface.cells)))
    # Cell c lies between voxels c - 1 and c.
    voxels = surface.cells[:, 3 - ndim :].T - 0.5
    local[3 - ndim :] = (voxels - spread.offset[:, None]) / spread.scale[:, None]
    values = ndimage.map_coordinates(spread.deviation, local, order=1, mode="nearest")
    return float(np.average(values, weights=surface.areas))


def agreement(structures: Structures, labels: NDArray[Any]) -> dict[int, float]:
    """Share of each structure's voxels that another answer gives the same label.

    Parameters
    ----------
    structures : Structures
    labels : ndarray (*S) of integers
        The moved segmentation of the same result.

    Returns
    -------
    dict
        Id -> share, 0 to 1, for those of `structures.ids` that `labels` holds.
    """
    share = structures.probability.astype(np.float32)
    share = np.where(structures.label == labels, share, 1 - share)
    three = labels if labels.ndim == 3 else labels[None]
    places = numbered(three, structures.ids).ravel()
    count = np.bincount(places, minlength=len(structures.ids) + 1)[1:]
    total = np.bincount(places, share.ravel(), minlength=len(structures.ids) + 1)[1:]
    return {
        int(label): float(t / n)
        for label, n, t in zip(structures.ids, count, total, strict=True)
        if n
    }
