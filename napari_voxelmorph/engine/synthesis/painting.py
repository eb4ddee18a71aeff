"""From a plan to an image: numba kernels on the CPU.  `painting_torch` does the same elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.synthesis import scanning_kernels as scanning
from napari_voxelmorph.engine.synthesis.acquisition import GAIN_SPACING, Acquisition, tone_curve
from napari_voxelmorph.engine.synthesis.noise import Array
from napari_voxelmorph.engine.synthesis.painting_kernels import paint
from napari_voxelmorph.engine.synthesis.placement import FIELD_SPACING

#: Image voxels per node of the tissue's texture.
TEXTURE_SPACING = 2
BINS = 512


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that decides one image of a pair; no randomness is left.

    Parameters
    ----------
    labels : ndarray (M0, M1, M2) uint8
        The map.
    wrap : bool
        Whether it repeats itself beyond its edge.
    matrix : ndarray (3, 4) float32
        Grid voxel to map voxel.
    displacement : ndarray (3, g0, g1, g2) float32
        Grid voxels, on the grid of `FIELD_SPACING`; acts before the matrix.
    offsets : ndarray (K, 3) float32
        Places within a voxel, in map voxels, over which brightness is averaged.
    palette : ndarray (3, 256) float32
    structure : ndarray (256,) int16
    texture : ndarray (t0, t1, t2) float32
        On the grid of `TEXTURE_SPACING`.
    acquisition : Acquisition
    """

    labels: NDArray[np.uint8]
    wrap: bool
    matrix: Array
    displacement: Array
    offsets: Array
    palette: Array
    structure: NDArray[np.int16]
    texture: Array
    acquisition: Acquisition


def render(plan: Plan, shape: tuple[int, ...]) -> tuple[Array, NDArray[np.int16]]:
    """The image, 0 to 1.5, and the structures (n0, n1, n2) of a plan."""
    image, structures = np.empty(shape, np.float32), np.empty(shape, np.int16)
    scan = plan.acquisition
    seeds = np.uint32(scan.seed), np.uint32(scan.seed ^ 0x5BD1E995)
    run_slabs(
        paint, shape[0], plan.labels, plan.matrix, plan.offsets, plan.displacement,
        float(FIELD_SPACING), plan.wrap, plan.palette, plan.structure, plan.texture,
        float(TEXTURE_SPACING), seeds[0], image, structures,
    )  # fmt: skip
    first, second, third = scan.operators
    blurred = np.empty_like(image)
    if second.weights.shape[1] > 1 or third.weights.shape[1] > 1:
        run_slabs(
            scanning.blur_planes, shape[0], image, second.weights.shape[1] > 1, second.weights,
            second.start, third.weights, third.start, blurred,
        )  # fmt: skip
        image, blurred = blurred, image
    ends = run_slabs(
        scanning.blur_and_shade, shape[0], image, first.weights, first.start, scan.gain,
        float(GAIN_SPACING), np.float32(scan.noise), seeds[1], scan.box, blurred,
    )  # fmt: skip
    finish(blurred, min(e[0] for e in ends), max(e[1] for e in ends), scan)
    return blurred, structures


def finish(image: Array, low: float, high: float, scan: Acquisition) -> None:
    """In place: background 0, the chosen percentile of what is brighter 1, gamma."""
    low, high = float(low), float(high)
    if not high > low:
        image[:] = 0
        return
    counts = np.sum(
        run_slabs(
            scanning.histogram, image.shape[0], image, scan.box, 2 if image.size < 1e6 else 4,
            np.float32(low), np.float32(high), BINS,
        ),
        axis=0,
    )  # fmt: skip
    top = bright_percentile(counts, low, high, scan.percentile)
    curve = tone_curve(low, high, top, scan.gamma)
    run_slabs(
        scanning.tone, image.shape[0], image, np.float32(low), np.float32(high), curve, scan.box
    )


def bright_percentile(
    counts: NDArray[np.int64], low: float, high: float, percentile: float
) -> float:
    """Percentile of what is brighter than the lowest bin, of a histogram."""
    sums = np.cumsum(counts[1:])
    if not sums[-1]:
        return high
    place = int(np.searchsorted(sums, percentile / 100 * sums[-1])) + 2
    return low + (high - low) * min(place, len(counts)) / len(counts)
