"""Label maps of pure noise: shapes of many sizes, without any anatomy (SynthMorph, Hoffmann 2022).

Every label has a smooth noise image of several octaves; the largest wins, and a random warp
roughens the borders.  The noise repeats itself, so a map has no edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.synthesis.noise import Array, smooth_noise
from napari_voxelmorph.engine.synthesis.painting_kernels import deform_labels, largest_channel

#: Voxels per node of the coarse grid on which the labels' noise is drawn.
_SPACING = 4
#: Share of the maps that show an object on a background (a cell, a section, a body).
_OBJECTS = 0.5


def shape_map(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Numbers 1 to `count` in blobs; 0 around the object, where there is one.

    Parameters
    ----------
    shape : tuple of int
        2 or 3 axes; the map may be a little larger (a multiple of four voxels).
    count : int
        Labels, 1 to 254.
    rng : numpy Generator

    Returns
    -------
    ndarray (M0, M1, M2) uint8
        2-D maps are one slice thick.
    """
    full = (1, *shape) if len(shape) == 2 else shape
    nodes = tuple(1 if n == 1 else -(-n // _SPACING) for n in full)
    size = tuple(1 if n == 1 else n * _SPACING for n in nodes)
    widest = max(3.0, max(nodes) / 3)
    # One scale for the map, and every label a little off it.
    scale = float(np.exp(rng.uniform(np.log(3), np.log(widest))))
    channels = np.empty((count + 1, *nodes), np.float32)
    for c in range(count):
        width = scale * float(rng.uniform(0.7, 1.4))
        channels[c] = smooth_noise(nodes, width, rng, wrap=True)
        channels[c] += float(rng.uniform(0.2, 1)) * smooth_noise(nodes, width / 2, rng, wrap=True)
        channels[c] += float(rng.normal(0, 0.3))
    channels[count] = _around(nodes, rng) if rng.random() < _OBJECTS else -100.0
    flat = np.empty(size, np.uint8)
    run_slabs(largest_channel, size[0], _closed(channels), float(_SPACING), flat)
    flat[flat == count + 1] = 0
    return _roughen(flat, nodes, scale, rng)


def _around(nodes: tuple[int, ...], rng: np.random.Generator) -> Array:
    """High outside a rounded random region, low inside."""
    grids = np.meshgrid(*[np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in nodes])
    radius = np.zeros([nodes[1], nodes[0], nodes[2]])
    for grid in grids:
        radius += (grid / rng.uniform(0.6, 1.0)) ** 2
    radius = np.sqrt(radius).transpose(1, 0, 2)
    wave = smooth_noise(nodes, max(nodes) / rng.uniform(2, 5), rng, wrap=True)
    return ((radius - 0.9 + 0.15 * wave) * 40).astype(np.float32)


def _closed(channels: Array) -> Array:
    """The first nodes once more at the end, so that interpolation runs across the edge."""
    widths = [(0, 0)] + [(0, int(n > 1)) for n in channels.shape[1:]]
    return np.pad(channels, widths, mode="wrap")


def _roughen(
    labels: NDArray[np.uint8], nodes: tuple[int, ...], scale: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Moved along smooth noise of the shapes' size and around it; need not be invertible."""
    field = np.zeros((3, *nodes), np.float32)
    for part in (0.3, 1.0, 2.0):
        width = max(1.0, part * scale)
        amplitude = float(rng.uniform(0, 0.25)) * width * _SPACING
        for axis in range(3):
            if nodes[axis] > 1:
                field[axis] += amplitude * smooth_noise(nodes, width, rng, wrap=True)
    out = np.empty_like(labels)
    matrix = np.eye(4, dtype=np.float32)[:3]
    run_slabs(
        deform_labels, labels.shape[0], labels, matrix, _closed(field), float(_SPACING), True, out
    )
    return out
