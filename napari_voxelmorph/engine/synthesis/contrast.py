"""Random contrast: how bright every label is, how noisy, how textured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis.noise import Array
from napari_voxelmorph.engine.synthesis.structures import LabelTable

#: Rows of a palette: mean, SD of the white noise, weight of the texture.
MEAN, NOISE, TEXTURE = 0, 1, 2


def random_palette(table: LabelTable, rng: np.random.Generator, tied: float, black: float) -> Array:
    """Brightness of every label, (3, 256), means 0 to 1.

    Parameters
    ----------
    table : LabelTable
    rng : numpy Generator
    tied : float
        How likely it is that labels of one tissue are about equally bright, as in a scan;
        else every label is drawn by itself (left and right mostly together).
    black : float
        How likely it is that the background is black.
    """
    palette = np.zeros((3, 256), np.float32)
    n = table.count
    group = np.unique(table.twin, return_inverse=True)[1]
    level = rng.uniform(0, 1, 256)
    if rng.random() < tied:
        spread = rng.uniform(0, 0.08)
        means = level[table.tissue] + spread * rng.standard_normal(256)[group]
    else:
        means = level[group]
    if rng.random() < 0.1:
        # One side brighter: a coil, a lesioned hemisphere, or no left and right at all.
        means = means + rng.normal(0, 0.1, n)
    palette[MEAN, :n] = np.clip(means, 0, 1)
    palette[NOISE, :n] = rng.uniform(0, 0.08) * rng.uniform(0.3, 1, n)
    palette[TEXTURE, :n] = rng.uniform(0, 0.10) * rng.uniform(0, 1, n)
    if rng.random() < black:
        palette[:, 0] = 0, palette[NOISE, 0] * rng.uniform(0, 0.5), 0
    return palette


def similar_palette(palette: Array, table: LabelTable, rng: np.random.Generator) -> Array:
    """The same contrast from another person or scanner: means a few percent off."""
    other = palette.copy()
    n = table.count
    group = np.unique(table.twin, return_inverse=True)[1]
    shift = rng.normal(0, 0.03, 256)[group]
    # A black background stays black.
    shift[0] = 0 if palette[MEAN, 0] == 0 else shift[0]
    other[MEAN, :n] = np.clip(palette[MEAN, :n] + shift, 0, 1)
    return other


def stripped(palette: Array, table: LabelTable, fluid: bool) -> tuple[Array, NDArray[np.bool_]]:
    """The palette of a skull-stripped scan, and which numbers were painted black.

    Parameters
    ----------
    fluid : bool
        Whether the fluid around the brain goes as well.
    """
    gone = np.zeros(256, np.bool_)
    gone[: table.count] = table.outside >= (1 if fluid else 2)
    gone[0] = True
    other = palette.copy()
    other[:, gone] = 0
    return other, gone


def tempered(palette: Array, shown: NDArray[np.bool_]) -> Array:
    """Less noise and texture where the labels that are shown are all about equally bright.

    Parameters
    ----------
    palette : ndarray (3, 256) float32
    shown : ndarray (256,) bool
    """
    contrast = float(palette[MEAN, shown].std()) if shown.any() else 0.0
    other = palette.copy()
    other[NOISE:] *= np.float32(min(1.0, contrast / 0.25))
    return other
