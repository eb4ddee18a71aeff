"""The numbers that every result carries: similarity before and after, folding, reach."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.jacobian import folding
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.losses import lncc_kernels
from napari_voxelmorph.engine.optimization.work_grid import foreground
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.result import Registration

Array = NDArray[np.float32]
_RADIUS = 4  # the 9-voxel window of the papers
_FLOOR = np.float32(1e-3)


@dataclass(frozen=True)
class Measuring:
    """What is being measured now, for whoever watches."""

    level: str
    fraction: float
    similarity: float | None = None


def quality(
    result: Registration, before: Registration, fixed_mask: Volume | None = None
) -> dict[str, float]:
    """Measure a result at once; see `measuring`."""
    steps = measuring(result, before, fixed_mask)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return dict(finished.value)


def measuring(
    result: Registration, before: Registration, fixed_mask: Volume | None = None
) -> Generator[Measuring, None, dict[str, float]]:
    """Measure a result, yielding between the parts so that a watcher can stop it.

    Parameters
    ----------
    result, before : Registration
        The end, and how the pair lay when the run began.
    fixed_mask : Volume, optional
        Where to measure; default: the content of the fixed image.

    Returns
    -------
    dict
        ``similarity_before``, ``similarity_after``: mean squared local correlation, 9-voxel
        windows, 0 to 1, whatever the contrasts.  ``folding_percent`` (central differences,
        whole grid), ``ndp_percent`` and ``ndv_percent`` (in the content).
        ``max_displacement_mm``, ``mean_displacement_mm``: local shift beyond the affine.
    """
    fixed = np.ascontiguousarray(result.fixed.data, np.float32)
    mask = foreground(fixed.reshape((1,) * (3 - fixed.ndim) + fixed.shape)).reshape(fixed.shape)
    if fixed_mask is not None:
        mask = fixed_mask.data != 0
    yield Measuring("similarity before", 0.1)
    start = before.warp(before.moving, "linear")
    metrics = {"similarity_before": local_correlation(fixed, start, mask)}
    yield Measuring("moved image", 0.4)
    moved = np.asarray(result.moved.data)
    yield Measuring("similarity after", 0.5)
    metrics["similarity_after"] = local_correlation(fixed, moved, mask)
    if result.field is not None:
        yield Measuring("folding", 0.7)
        metrics |= deformation(result, mask)
    return metrics


def deformation(result: Registration, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Folding and reach of a deformation, over the whole fixed grid and in `mask`."""
    displacement = result.displacement_block(None)
    found = folding(displacement, mask)
    step = np.array(result.fixed.affine[:-1, :-1])
    squared = np.zeros(displacement.shape[1:], np.float32)
    # |A u|² = uᵀ (AᵀA) u, term by term: no second full field.
    gram = step.T @ step
    for a in range(result.ndim):
        for b in range(a, result.ndim):
            weight = np.float32(gram[a, b] * (1 if a == b else 2))
            if abs(weight) > 1e-12:
                squared += weight * displacement[a] * displacement[b]
    lengths = np.sqrt(np.maximum(squared[mask], 0)) if mask.any() else np.zeros(1)
    return {
        "folding_percent": found.central,
        "ndp_percent": found.ndp,
        "ndv_percent": found.ndv,
        "max_displacement_mm": float(lengths.max()),
        "mean_displacement_mm": float(lengths.mean()),
    }


def local_correlation(fixed: Array, moved: Array, mask: NDArray[np.bool_]) -> float:
    """Mean squared local correlation over `mask`, 9-voxel windows; NaN for an empty mask."""
    if not mask.any():
        return float("nan")
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    inside = mask[box]
    first, second = (_three_d(_scaled(a[box], inside)) for a in (fixed, moved))
    weight = _three_d(inside.astype(np.float32))
    ones, n = np.ones_like(first), first.shape[0]
    count, sums, squares = (np.empty_like(first) for _ in range(3))
    run_slabs(lncc_kernels.box_sums, n, ones, ones, _RADIUS, count)
    run_slabs(lncc_kernels.box_sums, n, first, ones, _RADIUS, sums)
    run_slabs(lncc_kernels.box_sums, n, first, first, _RADIUS, squares)
    variance = np.maximum(squares - sums**2 / count, 0) + _FLOOR * count
    adjoints = [np.empty_like(first) for _ in range(3)]
    parts = run_slabs(
        lncc_kernels.lncc_adjoints,
        n,
        first,
        second,
        weight,
        count,
        sums,
        variance,
        _RADIUS,
        _FLOOR,
        *adjoints,
    )
    return float(sum(parts)) / float(weight.sum())


def _three_d(image: Array) -> Array:
    return np.ascontiguousarray(image if image.ndim == 3 else image[None], np.float32)


def _scaled(image: Array, inside: NDArray[np.bool_]) -> Array:
    values = image[inside]
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    return np.asarray((image - mean) / (deviation if deviation > 0 else 1.0), np.float32)
