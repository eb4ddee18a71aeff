"""How a painted head is scanned: sharpness, slices, coil, noise, field of view, tone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis.noise import FWHM, Array, coarse_shape, smooth_noise

#: Image voxels per node of the coil's gain.
GAIN_SPACING = 8
_POINTS = 257


@dataclass(frozen=True, eq=False)
class Operator:
    """A banded matrix along one axis: ``out[i] = Σ_t weights[i, t] · in[start[i] + t]``."""

    weights: NDArray[np.float32]
    start: NDArray[np.int32]

    def dense(self) -> Array:
        """The whole matrix (n, n)."""
        n, taps = self.weights.shape
        matrix = np.zeros((n, n), np.float32)
        for t in range(taps):
            at = np.minimum(self.start + t, n - 1)
            matrix[np.arange(n), at] += self.weights[:, t]
        return matrix


@dataclass(frozen=True, eq=False)
class Acquisition:
    """Everything random about one scan.

    Parameters
    ----------
    operators : three of Operator
        Blur and slices along each axis.
    gain : ndarray (g0, g1, g2) float32
        Of the coil, on the grid of `GAIN_SPACING`.
    noise : float
        SD of the white noise of the receiver, of intensities 0 to 1.
    box : ndarray (3, 2) int64
        First voxel and end of the field of view along each axis.
    gamma : float
    percentile : float
        Of what is brighter than the background: becomes 1.
    seed : int
        Of the white noises.
    """

    operators: tuple[Operator, Operator, Operator]
    gain: Array
    noise: float
    box: NDArray[np.int64]
    gamma: float
    percentile: float
    seed: int


def random_acquisition(
    shape: tuple[int, ...], strength: float, blur: float, slices: float, rng: np.random.Generator
) -> Acquisition:
    """Draw a scan of a grid (n0, n1, n2).

    Parameters
    ----------
    shape : tuple of int
        An axis of one voxel is left alone.
    strength : float
        0: a clean scan; 1: as bad as scans get.
    blur : float
        Largest SD of the blur, voxels.
    slices : float
        Largest slice distance, voxels; 1: none are thick.
    rng : numpy Generator
    """
    axes = [axis for axis, n in enumerate(shape) if n > 1]
    sigma = np.full(3, rng.uniform(0.25, 1) * blur * rng.uniform(0, 1))
    if rng.random() < 0.3:
        sigma = sigma * rng.uniform(0.3, 1.5, 3)
    step, first = np.ones(3), np.zeros(3)
    if slices > 1 and rng.random() < 0.35 * strength:
        axis = int(rng.choice(axes))
        step[axis] = rng.uniform(1, 1 + (slices - 1) * strength)
        first[axis] = rng.uniform(0, step[axis])
    operators = [operator(n, s, d, f) for n, s, d, f in zip(shape, sigma, step, first, strict=True)]
    gain = np.ones(coarse_shape(shape, GAIN_SPACING), np.float32)
    if rng.random() < 0.8:
        width = max(shape) / GAIN_SPACING * rng.uniform(0.3, 1.0)
        depth = rng.uniform(0, 0.35) * strength
        gain = np.exp(np.float32(depth) * smooth_noise(gain.shape, width, rng))
    noise = rng.uniform(0, 0.05) * strength if rng.random() < 0.7 else 0.0
    return Acquisition(
        (operators[0], operators[1], operators[2]),
        gain.astype(np.float32),
        float(noise),
        _field_of_view(shape, axes, strength, rng),
        float(np.exp(rng.normal(0, 0.25))),
        float(rng.uniform(98, 99.8)),
        int(rng.integers(2**32)),
    )


def _field_of_view(
    shape: tuple[int, ...], axes: list[int], strength: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Mostly everything; sometimes up to a quarter of one axis is missing."""
    box = np.stack([np.zeros(3, np.int64), np.array(shape, np.int64)], axis=1)
    if rng.random() < 0.2 * strength:
        axis = int(rng.choice(axes))
        missing = int(rng.uniform(0, 0.25) * shape[axis])
        if rng.random() < 0.5:
            box[axis, 0] = missing
        else:
            box[axis, 1] -= missing
    return box


def operator(n: int, sigma: float, step: float = 1.0, first: float = 0.0) -> Operator:
    """Gaussian blur, then slices of `step` voxels with linear interpolation between them.

    Parameters
    ----------
    n : int
        Voxels along the axis.
    sigma : float
        SD of the blur, voxels.
    step, first : float
        Slice distance, and place of the first slice's middle; a slice's profile is a Gaussian
        whose FWHM is its thickness.
    """
    rows = np.arange(n, dtype=np.float64)
    if n == 1 or (sigma < 0.15 and step <= 1):
        return Operator(np.ones((n, 1), np.float32), rows.astype(np.int32))
    if step <= 1:
        return _blur(n, sigma)
    width = float(np.hypot(sigma, step / FWHM))
    count = int(np.ceil((n - 1 - first) / step)) + 2
    middles = np.clip(first + step * (np.arange(count) - 1), 0, n - 1)
    at = np.clip((rows - first) / step + 1, 0, count - 1)
    low = np.minimum(at.astype(int), count - 2)
    share = (at - low)[:, None]
    profiles = _gaussian(middles, width, n)
    return _banded(profiles[low] * (1 - share) + profiles[low + 1] * share)


def _blur(n: int, sigma: float) -> Operator:
    """A Gaussian cut at 2.5 SD; what reaches beyond the edge is left out."""
    radius = min(max(1, int(2.5 * sigma)), (n - 1) // 2)
    taps = 2 * radius + 1
    start = np.clip(np.arange(n) - radius, 0, n - taps)
    away = start[:, None] + np.arange(taps) - np.arange(n)[:, None]
    weights = np.exp(-0.5 * (away / sigma) ** 2)
    weights[np.abs(away) > radius] = 0
    weights /= weights.sum(1, keepdims=True)
    return Operator(weights.astype(np.float32), start.astype(np.int32))


def _gaussian(middles: NDArray[np.float64], sigma: float, n: int) -> NDArray[np.float64]:
    """Rows of Gaussian weights (sum 1) around `middles`, cut at 2.5 SD."""
    away = np.arange(n)[None] - middles[:, None]
    weights = np.exp(-0.5 * (away / sigma) ** 2)
    weights[np.abs(away) > max(2.5 * sigma, 0.51)] = 0
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _banded(matrix: NDArray[np.float64]) -> Operator:
    n = len(matrix)
    used = matrix > 0
    first, last = used.argmax(1), n - 1 - used[:, ::-1].argmax(1)
    taps = int((last - first).max()) + 1
    start = np.minimum(first, n - taps).astype(np.int32)
    columns = start[:, None] + np.arange(taps)
    return Operator(np.take_along_axis(matrix, columns, 1).astype(np.float32), start)


def tone_curve(low: float, high: float, top: float, gamma: float) -> Array:
    """Values at equal distances from `low` to `high`: `low` becomes 0, `top` 1, with a gamma.

    Beyond `top` the curve goes on, up to 1.5.
    """
    x = np.linspace(low, high, _POINTS)
    unit = np.clip((x - low) / max(top - low, 1e-6), 0, None)
    return np.minimum(unit**gamma, 1.5).astype(np.float32)
