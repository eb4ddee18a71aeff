"""One picture per pair to look at: fixed, moving after the affine, moved, overlays, grid."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import scores
from data import Pair, read, read_sitk
from scipy.ndimage import zoom

#: Longest side of a panel in pixels.
PANEL = 300
GAP = 6


def save(path: Path, pair: Pair, affine: np.ndarray, u: np.ndarray) -> None:
    """Columns: fixed | affine | moved | overlay affine | overlay moved | grid; a row per plane."""
    fixed, fixed_matrix = read(pair.fixed)
    moving, moving_matrix = read(pair.moving)
    spacing = np.array(read_sitk(pair.fixed).GetSpacing())
    matrix = np.linalg.inv(moving_matrix) @ affine @ fixed_matrix
    before, after = (
        _stretch(scores.warp_image(moving, scores.moving_voxels(fixed.shape, matrix, field))[0])
        for field in (None, u)
    )
    still, lines = _stretch(fixed), _grid_lines(fixed.shape, spacing, u)
    rows = []
    for plane in range(fixed.ndim if fixed.ndim == 3 else 1):
        cut = [_slice(v, plane) for v in (still, before, after, lines)]
        step = np.delete(spacing, plane) if fixed.ndim == 3 else spacing
        f, b, a, g = (_panel(c, step) for c in cut)
        panels = [
            _gray(f),
            _gray(b),
            _gray(a),
            _overlay(f, b),
            _overlay(f, a),
            _overlay(0.6 * f, np.maximum(0.6 * f, g)),
        ]
        rows.append(np.concatenate([np.pad(p, ((0, GAP), (0, GAP), (0, 0))) for p in panels], 1))
    width = max(r.shape[1] for r in rows)
    sheet = np.concatenate([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, (255 * sheet).astype(np.uint8))


def _stretch(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (1, 99.5))
    return np.clip((image - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _grid_lines(shape: tuple[int, ...], spacing: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Lines every 8 mm of the moving side, bent as the displacement bends them."""
    out = np.zeros(shape, np.float32)
    for axis, size in enumerate(shape):
        index = np.arange(size).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        lines = (index + u[axis]) * spacing[axis] / 8.0
        slope = np.sqrt(sum(g**2 for g in np.gradient(lines)))
        voxels = np.abs(lines % 1.0 - 0.5) / np.maximum(slope, 0.03)
        if spacing[axis] < 4:
            out = np.maximum(out, np.clip(1.2 - voxels, 0, 1))
    return out


def _slice(volume: np.ndarray, plane: int) -> np.ndarray:
    return volume if volume.ndim == 2 else volume.take(volume.shape[plane] // 2, axis=plane)


def _panel(image: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Second axis upwards, square pixels, longest side `PANEL`."""
    longest = max(n * step for n, step in zip(image.shape, spacing, strict=True))
    factors = np.array(spacing) * PANEL / longest
    return np.clip(zoom(image, factors, order=1).T[::-1], 0, 1)


def _gray(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, 2)


def _overlay(fixed: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Fixed green, moved magenta; grey where they agree."""
    return np.stack([moved, fixed, moved], 2)
