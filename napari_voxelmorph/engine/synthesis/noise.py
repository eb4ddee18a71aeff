"""Smooth random fields on coarse grids, the raw material of shapes, deformations and shading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

#: Full width at half maximum of a Gaussian of unit SD.
FWHM = float(2 * np.sqrt(2 * np.log(2)))


def coarse_shape(shape: Sequence[int], spacing: int) -> tuple[int, ...]:
    """Nodes of a grid (node g at voxel ``spacing · g``) that reaches every voxel of `shape`."""
    return tuple(1 if n == 1 else -(-(n - 1) // spacing) + 1 for n in shape)


def smooth_noise(
    shape: Sequence[int],
    width: float,
    rng: np.random.Generator,
    wrap: bool = False,
) -> Array:
    """Gaussian noise (*S), float32, mean 0 and SD 1, of features `width` voxels wide (FWHM).

    Axes of one voxel are left alone.  `wrap`: the noise repeats itself beyond its edge.
    """
    noise = rng.standard_normal(tuple(shape), dtype=np.float32)
    for axis, n in enumerate(shape):
        if n > 1 and width > 0.5:
            ndimage.gaussian_filter1d(
                noise, width / FWHM, axis, output=noise, mode="wrap" if wrap else "reflect",
                truncate=3.0,
            )  # fmt: skip
    noise -= noise.mean()
    deviation = float(noise.std())
    return noise / np.float32(deviation) if deviation > 0 else noise
