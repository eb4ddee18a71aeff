"""What the lazy arrays compute: each function gives one block of one overlay.

All take the scene and a block of the *fixed* grid (array order, ascending slices) and
return that block, array order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.gui.views.display_grid import Slices
from napari_voxelmorph.gui.views.lazy import Scene

Array = NDArray[Any]
#: Half width of a grid line, voxels.
_LINE = 0.9


def moved(scene: Scene, index: Slices) -> Array:
    """The moving image, resampled once."""
    return scene.registration.warp(scene.registration.moving, index=index)


def moved_shown(scene: Scene, index: Slices) -> Array:
    """The same, dark where its place is too uncertain, if that is asked for."""
    block = moved(scene, index)
    if not scene.hide_unsure:
        return block
    return np.where(unsure(scene, index) > 0, np.float32(scene.moving_range[0]), block)


def uncertainty(scene: Scene, index: Slices) -> Array:
    """Standard deviation of where a voxel goes, mm; 0 where it is not known."""
    spread = scene.spreads.of(scene.registration)
    if spread is None:
        return np.zeros([len(range(s.start, s.stop, s.step)) for s in index], np.float32)
    return spread.deviation_block(index, scene.registration.fixed)


def label_entropy(scene: Scene, index: Slices) -> Array:
    """Entropy (bits) of the labels that the answers give; 0 where they agree, or nothing is known."""
    spread = scene.spreads.of(scene.registration)
    if spread is None or spread.structures is None:
        return np.zeros([len(range(s.start, s.stop, s.step)) for s in index], np.float32)
    return spread.structures.entropy[index].astype(np.float32)


def unsure(scene: Scene, index: Slices) -> Array:
    """1 where the uncertainty is above the limit."""
    return (uncertainty(scene, index) > scene.unsure_above).astype(np.uint8)


def moved_labels(scene: Scene, index: Slices) -> Array:
    """The moving segmentation: linear shares, the largest wins; or nearest neighbour."""
    if scene.moving_labels is None:
        return np.zeros([len(range(s.start, s.stop, s.step)) for s in index], np.uint8)
    if scene.nearest_labels:
        return scene.registration.warp(scene.moving_labels, "nearest", index=index)
    return scene.registration.warp_labels(scene.moving_labels, index=index)


def magnitude(scene: Scene, index: Slices) -> Array:
    """Length of the displacement, mm."""
    linear = scene.registration.fixed.affine[:-1, :-1].astype(np.float32)
    u = scene.displacement(index)
    return np.sqrt(np.square(np.tensordot(linear, u, axes=1)).sum(axis=0))


def sampling_grid(scene: Scene, index: Slices) -> Array:
    """Lines of a regular millimetre grid seen through the deformation, 0 … 1.

    A voxel is bright where ``x + u(x)`` lies on a grid line.  In a slice, the lines are
    those of its two axes; in a volume, the edges of the grid's boxes.  The pre-alignment is
    left out: only the deformation bends the grid.
    """
    return _grid_lines(scene, index, scene.displacement(index))


def grid_at_rest(scene: Scene, index: Slices) -> Array:
    """The same grid without the deformation, to compare with."""
    shape = [len(range(s.start, s.stop, s.step)) for s in index]
    return _grid_lines(scene, index, np.zeros((len(shape), *shape), np.float32))


def _grid_lines(scene: Scene, index: Slices, u: Array) -> Array:
    spacing = scene.spacing
    shown = [a for a, n in enumerate(u.shape[1:]) if n > 1] or list(range(u.shape[0]))
    width = np.float32(max(spacing[a] for a in shown) * _LINE)
    lines = []
    for axis in shown:
        position = (_coordinates(scene, index, axis) + u[axis]) * np.float32(spacing[axis])
        period = np.float32(scene.grid_spacing)
        distance = np.abs(position - period * np.rint(position / period))
        lines.append(np.clip(1 - distance / width, 0, 1))
    if len(lines) < 3:
        return np.maximum.reduce(lines)
    return np.sort(np.stack(lines), axis=0)[1]


def jacobian(scene: Scene, index: Slices) -> Array:
    """Determinant of the Jacobian of ``x + u(x)``: 1 keeps volume, ≤ 0 is folded.

    Central differences, one-sided at the edge of the image, as `engine.geometry.jacobian`
    (its oracle) has them for whole volumes on torch's threads; a slice must not wait for those.
    """
    wide, inner = [], []
    for s, n in zip(index, scene.registration.fixed.shape, strict=True):
        start, stop = max(0, s.start - 1), min(n, s.stop + 1)
        wide.append(slice(start, stop, 1))
        inner.append(slice(s.start - start, s.stop - start, s.step))
    u = scene.displacement(tuple(wide))
    ndim = len(u)
    slope = [
        [_slope(u[c], a, inner) + np.float32(c == a) for a in range(ndim)] for c in range(ndim)
    ]
    if ndim == 2:
        return slope[0][0] * slope[1][1] - slope[0][1] * slope[1][0]
    (a, b, c), (d, e, f), (g, h, i) = slope
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _slope(component: Array, axis: int, inner: list[slice]) -> Array:
    """Derivative along one axis of the inner part of a block that is wider by a voxel."""
    across = tuple(slice(None) if a == axis else s for a, s in enumerate(inner))
    narrow = component[across]
    if narrow.shape[axis] < 2:
        return np.zeros_like(narrow)
    along = tuple(s if a == axis else slice(None) for a, s in enumerate(inner))
    return np.gradient(narrow, axis=axis)[along]


def difference(scene: Scene, index: Slices) -> Array:
    """Moved minus fixed, each scaled to its own range."""
    return _normal_moved(scene, index) - _normal_fixed(scene, index)


def checkerboard(scene: Scene, index: Slices) -> Array:
    """Fixed and moved in alternating squares, each scaled to its own range."""
    parity: Any = 0
    for axis, s in enumerate(index):
        if s.stop - s.start > 1:
            millimetres = _coordinates(scene, index, axis) * scene.spacing[axis]
            parity = parity + np.floor(millimetres / scene.checker_size).astype(np.int64)
    return np.where(parity % 2 == 0, _normal_fixed(scene, index), _normal_moved(scene, index))


def swipe(scene: Scene, index: Slices) -> Array:
    """The fixed image left of a line on the screen, the moved one right of it."""
    shown = scene.swipe_axis % scene.grid.ndim
    axis, flip = scene.grid.axes[shown], scene.grid.flips[shown]
    n = scene.registration.fixed.shape[axis]
    position = _indices(index, axis)
    if flip != (scene.swipe_from == "end"):
        position = n - 1 - position
    line = scene.swipe * n - 0.5
    out = np.where(position < line, _normal_fixed(scene, index), _normal_moved(scene, index))
    # The line is white on dark and black on bright voxels, so that it is always seen.
    on_line = (position >= line) & (position < line + 1)
    return np.where(on_line, (out < 0.5).astype(np.float32), out)


def _normal_fixed(scene: Scene, index: Slices) -> Array:
    return _normal(scene.registration.fixed.data[index], scene.fixed_range)


def _normal_moved(scene: Scene, index: Slices) -> Array:
    return _normal(moved(scene, index), scene.moving_range)


def _normal(data: Array, limits: tuple[float, float]) -> Array:
    low, high = limits
    return np.clip((data.astype(np.float32) - low) / (high - low), 0, 1)


def _indices(index: Slices, axis: int) -> Array:
    """Voxel indices along one array axis, shaped to broadcast over the block."""
    s = index[axis]
    shape = [1] * len(index)
    shape[axis] = -1
    return np.arange(s.start, s.stop, s.step, dtype=np.float32).reshape(shape)


def _coordinates(scene: Scene, index: Slices, axis: int) -> Array:
    """As `_indices`, counted from the middle voxel (so that lines at rest fall on voxels)."""
    return _indices(index, axis) - np.float32(scene.registration.fixed.shape[axis] // 2)
