"""The pictures of the report, one plane at a time: (H, W, 3) floats in display order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.report import colors
from napari_voxelmorph.engine.report.colors import Picture
from napari_voxelmorph.engine.report.planes import Plane
from napari_voxelmorph.engine.result import Registration

#: Log2 of the Jacobian at the ends of its colour scale: a quarter and four times the volume.
JACOBIAN_RANGE = 2.0

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Panels:
    """Everything the page shows of one plane.

    Parameters
    ----------
    windows : two pairs of float
        Dark and bright end of the fixed and of the moving image.
    """

    registration: Registration
    plane: Plane
    windows: tuple[tuple[float, float], tuple[float, float]]

    @cached_property
    def fixed(self) -> Array:
        """The fixed image, 0 to 1."""
        return self._window(self.registration.fixed.data[self.plane.index], 0)

    @cached_property
    def moving(self) -> Array:
        """The moving image where the headers put it, 0 to 1."""
        ndim = self.registration.ndim
        unmoved = replace(self.registration, affine=np.eye(ndim + 1), field=None)
        return self._window(
            unmoved.warp(self.registration.moving, "linear", index=self.plane.index), 1
        )

    @cached_property
    def moved(self) -> Array:
        """The moving image after registration, 0 to 1."""
        block = self.registration.warp(self.registration.moving, "linear", index=self.plane.index)
        return self._window(block, 1)

    def before(self) -> Picture:
        """Fixed and moving as the headers place them."""
        return colors.overlay(self.fixed, self.moving)

    def after(self) -> Picture:
        """Fixed and moved."""
        return colors.overlay(self.fixed, self.moved)

    def grid(self, every: float) -> Picture:
        """A straight grid of the moving side, `every` mm apart, as the transform bends it."""
        below = colors.grey(0.45 * self.fixed)
        cover = np.zeros(self.fixed.shape, np.float32)
        for axis in (self.plane.rows, self.plane.columns):
            spacing = self.registration.fixed.spacing[axis]
            position = self._positions[axis] * np.float32(spacing / every)
            slope = np.hypot(*np.gradient(position)) if min(position.shape) > 1 else 1.0
            off = np.abs(position - np.rint(position)) / np.maximum(slope, 1e-3)
            cover = np.maximum(cover, 0.95 - off)
        return colors.blend(below, np.broadcast_to(colors.LINE, below.shape), cover)

    def jacobian(self) -> Picture:
        """Local change of volume; folding in yellow."""
        volume = self.jacobian_values
        level = np.log2(np.maximum(volume, 1e-6)) / (2 * JACOBIAN_RANGE) + 0.5
        picture = colors.scale(level, "diverging") * (0.55 + 0.45 * self.fixed[..., None])
        return colors.blend(picture, np.broadcast_to(colors.FOLD, picture.shape), volume <= 0)

    def magnitude(self, largest: float) -> Picture:
        """Length of the displacement, 0 to `largest` mm."""
        picture = colors.scale(self.millimetres / max(largest, 1e-6))
        return np.asarray(picture * (0.35 + 0.65 * self.fixed[..., None]), dtype=np.float32)

    @cached_property
    def millimetres(self) -> Array:
        """Length of the displacement in mm."""
        matrix = self.registration.fixed.affine[:-1, :-1]
        u = np.asarray(self.plane.lay(self._displacement(self.plane.index)))
        return np.asarray(np.linalg.norm(np.tensordot(matrix, u, 1), axis=0), dtype=np.float32)

    @cached_property
    def jacobian_values(self) -> Array:
        """Determinant of ``I + grad u`` by central differences."""
        index, middle = self.plane.thick(self.registration.fixed.shape)
        u = self._displacement(index)
        ndim = len(u)
        gradient = np.empty((ndim, ndim, *u.shape[1:]))
        for axis in range(ndim):
            gradient[:, axis] = np.gradient(u, axis=axis + 1) if u.shape[axis + 1] > 1 else 0
        gradient += np.eye(ndim).reshape(ndim, ndim, *[1] * ndim)
        volume = np.linalg.det(np.moveaxis(gradient, (0, 1), (-2, -1)))
        for axis in range(ndim):
            if axis not in (self.plane.rows, self.plane.columns):
                volume = np.take(volume, [middle], axis=axis)
        return np.asarray(self.plane.lay(volume), dtype=np.float32)

    @cached_property
    def _positions(self) -> Array:
        """Fixed voxel coordinates x + u(x) (D, H, W) that are looked at from each pixel."""
        u = self._displacement(self.plane.index)
        shape = self.registration.fixed.shape
        starts = [i.indices(n) for i, n in zip(self.plane.index, shape, strict=True)]
        axes = [np.arange(*s, dtype=np.float32) for s in starts]
        at = np.stack(np.meshgrid(*axes, indexing="ij")) + u
        return np.asarray(self.plane.lay(at), dtype=np.float32)

    def _displacement(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """The deformation in fixed voxels; of an affine result, the affine's own motion."""
        result = self.registration
        if result.field is not None:
            return result.displacement_block(index)
        starts = [i.indices(n) for i, n in zip(index, result.fixed.shape, strict=True)]
        x = np.stack(np.meshgrid(*[np.arange(*s, dtype=np.float64) for s in starts], indexing="ij"))
        matrix = np.linalg.inv(result.fixed.affine) @ result.affine @ result.fixed.affine
        offset = matrix[:-1, -1].reshape(-1, *[1] * result.ndim)
        return np.asarray(np.tensordot(matrix[:-1, :-1], x, 1) + offset - x)

    def _window(self, block: NDArray[Any], which: int) -> Array:
        low, high = self.windows[which]
        flat = np.asarray(self.plane.lay(np.asarray(block, dtype=np.float32)), dtype=np.float32)
        return np.asarray(np.clip((flat - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def window_of(data: NDArray[Any]) -> tuple[float, float]:
    """Dark and bright end for display: robust against a few very bright voxels."""
    step = tuple(slice(None, None, max(1, n // 96)) for n in data.shape)
    sample = np.nan_to_num(np.asarray(data[step], dtype=np.float32))
    low, high = np.percentile(sample, (1, 99.5))
    return float(low), float(high if high > low else sample.max())
