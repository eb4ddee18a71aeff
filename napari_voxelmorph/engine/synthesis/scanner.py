"""From true brightness to a scan: uneven coil sensitivity, noise, integer intensities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.synthesis.solids import Array, Points


def bias_field(points: Points, strength: float, rng: np.random.Generator) -> Array:
    """Smooth gain around 1, of about ± `strength`, at head coordinates in mm.

    A random quadratic in position, as a receive coil gives.
    """
    x, y, z = (p / np.float32(90) for p in points)
    weights = rng.normal(size=8).astype(np.float32)
    terms = (x, y, z, x * y, y * z, x * z, x * x - y * y, z * z)
    log_gain = sum(w * t for w, t in zip(weights, terms, strict=True))
    log_gain = log_gain / np.float32(np.linalg.norm(weights)) * np.float32(strength * 1.5)
    return np.asarray(np.exp(log_gain - np.mean(log_gain)), dtype=np.float32)


def blur(value: Array) -> Array:
    """Point spread of a scanner: a voxel sees a little of its neighbours (sigma 0.5 voxel)."""
    return np.asarray(ndimage.gaussian_filter(value, 0.5, truncate=3), dtype=np.float32)


def rician_noise(value: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Magnitude of a complex signal with Gaussian noise of `sigma` in both channels."""
    real = value + np.float32(sigma) * rng.standard_normal(value.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(value.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def digitize(value: Array, gain: float) -> NDArray[np.int16]:
    """Store as scanners do: integers, with an arbitrary gain."""
    return np.asarray(np.clip(np.rint(value * np.float32(gain)), 0, 32767), dtype=np.int16)
