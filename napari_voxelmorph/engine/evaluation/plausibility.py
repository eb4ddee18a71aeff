"""What a moved segmentation says about itself, where there is none of the fixed image.

None of these numbers is an accuracy; each finds one way in which a moved structure can be
visibly wrong, by comparing it with the same structure in the scan that it was drawn on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.evaluation.edge_kernels import edge_strength
from napari_voxelmorph.engine.evaluation.structures import Measured, Segmented
from napari_voxelmorph.engine.evaluation.surfaces import NO_SURFACE, Surface
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

_BATCH = 12
#: A piece counts from this share of its structure on.
_PIECE = 0.05
_NAN = float("nan")


@dataclass(frozen=True)
class Plausibility:
    """A moved structure compared with the same structure in the moving scan.

    Parameters
    ----------
    moving_size, moved_size : float
        Millilitres (2-D: square centimetres); 0 where it is absent.
    growth : float
        Moved over moving size, divided by the median of that over all structures: 1 when it
        grew as the whole did.  NaN when absent from either.
    entropy : float
        Mean entropy (bits) of the interpolated labels in its voxels: 0 clear, 1 half and half.
    edge : float
        Sharpness of the fixed image along its surface over that of the moving image along the
        surface there, each divided by the mean over all structures.  About 1 when the moved
        surface follows edges as the original does; below 1 when it crosses even tissue.
    sharpness : float
        The moving image's part of `edge`: below 1 for surfaces that no edge marks, where `edge`
        says little.
    pieces : (int, int)
        Separate pieces before and after.
    cut_off : bool
        It touches the edge of the fixed image, and not that of the moving one.
    """

    id: int
    moving_size: float
    moved_size: float
    growth: float
    entropy: float
    edge: float
    sharpness: float
    pieces: tuple[int, int]
    cut_off: bool


def plausibility(
    registration: Registration,
    labels: Volume,
    moving: Segmented,
    moved: Segmented,
    ids: Iterable[int] | None = None,
) -> Generator[Measured, None, dict[int, Plausibility]]:
    """Look at each moved structure without a fixed segmentation.

    Parameters
    ----------
    labels : Volume
        The segmentation that was moved, on the grid of the moving image.
    moving, moved : Segmented
        `labels`, and what became of it on the fixed grid.
    ids : iterable of int, optional
        Only these; medians and means are still over all.

    Yields
    ------
    Measured

    Returns
    -------
    dict
        Id -> `Plausibility`, for all labels of either.
    """
    yield Measured(0.0)
    entropy = mean_entropy(registration, labels, moved)
    every = sorted(moving.sizes.keys() | moved.sizes.keys())
    strengths: list[dict[int, float]] = []
    for image, segmentation in (
        (registration.moving, moving),
        (registration.fixed, moved),
    ):
        yield Measured(0.2)
        strengths.append(sharpness(image, segmentation))
    ratios = {i: moved.size(i) / moving.size(i) for i in every if moved.size(i) and moving.size(i)}
    median = float(np.median(list(ratios.values()))) if ratios else _NAN
    found: dict[int, Plausibility] = {}
    wanted = every if ids is None else sorted(set(ids) & set(every))
    for n, label in enumerate(wanted):
        if n % _BATCH == 0:
            yield Measured(0.4 + 0.6 * n / len(wanted))
        before, after = (s.get(label, _NAN) for s in strengths)
        found[label] = Plausibility(
            label,
            moving.size(label),
            moved.size(label),
            ratios.get(label, _NAN) / median,
            entropy.get(label, _NAN),
            after / before if before > 0 else _NAN,
            before,
            (pieces(moving, label), pieces(moved, label)),
            _touches(moved, label) and not _touches(moving, label),
        )
    return found


def mean_entropy(registration: Registration, labels: Volume, moved: Segmented) -> dict[int, float]:
    """Mean entropy (bits) of the interpolated labels within each moved structure."""
    entropy = registration.label_entropy(labels)
    ids = np.array(sorted(moved.sizes), moved.labels.dtype)
    if not len(ids):
        return {}
    means = np.atleast_1d(ndimage.mean(entropy, moved.labels, ids))
    return {int(i): float(m) for i, m in zip(ids, means, strict=True)}


def sharpness(image: Volume, segmentation: Segmented) -> dict[int, float]:
    """Mean gradient along each structure's surface, over the mean of all structures."""
    data = np.ascontiguousarray(image.data, np.float32)
    data = data if data.ndim == 3 else data[None]
    spacing = np.array((1.0, *segmentation.spacing)[-3:])
    found = {
        label: float(edge_strength(data, surface.cells, surface.areas, spacing))
        for label, surface in segmentation.surfaces.items()
    }
    known = [v for v in found.values() if np.isfinite(v)]
    mean = float(np.mean(known)) if known else _NAN
    return {label: value / mean if mean else _NAN for label, value in found.items()}


def pieces(segmentation: Segmented, label: int) -> int:
    """Separate pieces (touching corners count as one) of at least a twentieth of a structure."""
    box = _box(segmentation, label)
    if box is None:
        return 0
    mask = segmentation.labels[box] == label
    parts, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    if count < 2:
        return int(count)
    sizes = np.bincount(parts.ravel())[1:]
    return int((sizes >= _PIECE * sizes.sum()).sum())


def _box(segmentation: Segmented, label: int) -> tuple[slice, ...] | None:
    cells = _surface(segmentation, label).cells[:, -segmentation.labels.ndim :]
    if not len(cells):
        return None
    low, high = cells.min(axis=0).astype(int), cells.max(axis=0).astype(int)
    # Surface cell c lies between voxels c - 1 and c.
    return tuple(slice(max(a, 0), max(b, a + 1)) for a, b in zip(low, high, strict=True))


def _touches(segmentation: Segmented, label: int) -> bool:
    cells = _surface(segmentation, label).cells[:, -segmentation.labels.ndim :]
    ends: NDArray[np.int64] = np.array(segmentation.labels.shape)
    real = ends > 1  # an image of one slice has no edge there
    return bool(((cells == 0) | (cells == ends))[:, real].any())


def _surface(segmentation: Segmented, label: int) -> Surface:
    return segmentation.surfaces.get(label, NO_SURFACE)
