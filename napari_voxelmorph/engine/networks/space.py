"""The grid and the intensities that a network was trained on, and the way there and back.

A model's grid lies along the axes of the fixed image: permuted, mirrored, at another spacing,
cropped or padded, but never rotated.  So the network's field is a `Field` on the fixed image's
own axes, and images are resampled once, from their original voxels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.result import Registration

Array = NDArray[np.float32]
_PAIRS = ("LR", "PA", "IS")


@dataclass(frozen=True)
class Space:
    """What a model wants to see.

    Parameters
    ----------
    shape : tuple of int, optional
        Voxels along each axis; None: as many as the fixed image fills.
    spacing : float or None
        Voxel size in mm, equal along all axes; None: the fixed image's own.
    orientation : str
        Where the axes point, such as "LIA"; "": as the fixed image's.
    percentile, value : float
        Intensities are shifted and scaled so that the background is 0 and this percentile of
        what is brighter becomes `value`; percentile 0: intensities are taken as they are.
    """

    shape: tuple[int, ...] | None = None
    spacing: float | None = 1.0
    orientation: str = ""
    percentile: float = 99.0
    value: float = 1.0

    def __post_init__(self) -> None:
        if self.shape is not None:
            shape = self.shape
            if not isinstance(shape, list | tuple) or len(shape) not in (2, 3):
                raise InputError(f"Space: shape must hold 2 or 3 whole numbers, got {shape!r}.")
            for n in shape:
                if type(n) is not int or not 1 <= n <= 4096:
                    raise InputError(f"Space: shape must hold numbers of voxels, got {shape!r}.")
            object.__setattr__(self, "shape", tuple(shape))
        for name, low, high in (("spacing", 1e-4, 100), ("percentile", 0, 100), ("value", 0, 1e6)):
            number = getattr(self, name)
            if name == "spacing" and number is None:
                continue
            if type(number) not in (int, float) or not low <= number <= high:
                raise InputError(f"Space: {name} must be from {low} to {high}, got {number!r}.")
        letters = self.orientation
        pairs = [p for p in _PAIRS if any(c in p for c in letters)] if _is_text(letters) else []
        if not _is_text(letters) or (letters and (len(letters), len(pairs)) != (3, 3)):
            raise InputError(f"Space: orientation must be like “LIA” or empty, got {letters!r}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        values = dataclasses.asdict(self)
        return {**values, "shape": None if self.shape is None else list(self.shape)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Space:
        """The space that `to_json` wrote; `InputError` on what it cannot have written."""
        known = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(values, Mapping) or set(values) - known:
            raise InputError(f"Space: expected the parameters {sorted(known)}, got {values!r}.")
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a model's grid lies in a fixed image.

    Model voxel m, along model axis j, is fixed voxel ``start[j] + step[j] · m`` along fixed
    axis ``axes[j]``; a negative step is a mirrored axis.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    start: NDArray[np.float64]
    step: NDArray[np.float64]

    def matrix(self) -> Matrix:
        """Model voxel to fixed voxel, (D + 1, D + 1)."""
        ndim = len(self.shape)
        matrix = np.zeros((ndim + 1, ndim + 1))
        matrix[-1, -1] = 1
        for j, axis in enumerate(self.axes):
            matrix[axis, j], matrix[axis, -1] = self.step[j], self.start[j]
        return matrix

    def field(self, data: Array, architecture: Architecture) -> Field:
        """A network's output (D, *Sg) as a field on the fixed image's axes."""
        ndim = len(self.shape)
        scale, offset = np.empty(ndim), np.empty(ndim)
        for j, axis in enumerate(self.axes):
            first = self.start[j] + self.step[j] * architecture.offset
            step = self.step[j] * architecture.scale
            if step < 0:
                # Mirror the axis and its component: voxel 0 becomes the last.
                first += step * (data.shape[j + 1] - 1)
                data = np.flip(data, j + 1).copy()
                data[j] *= -1
            scale[axis], offset[axis] = abs(step), first
        order = [self.axes.index(axis) for axis in range(ndim)]
        data = data[order].transpose(0, *(j + 1 for j in order))
        return Field(np.ascontiguousarray(data), scale, offset, architecture.output)


def place(space: Space, fixed: Volume) -> Place:
    """Where the model's grid lies in `fixed`: around its content where it cannot hold all.

    Raises
    ------
    InputError
        When model and image differ in the number of axes.
    """
    ndim = fixed.ndim
    if space.shape is not None and len(space.shape) != ndim:
        raise InputError(
            f"This model registers {len(space.shape)}-D images, and “{fixed.name}” is {ndim}-D. "
            "Choose another model."
        )
    axes, mirrored = _axes(space.orientation, fixed.orientation, ndim)
    low, high = content(fixed)
    shape, start, steps = [], np.empty(ndim), np.empty(ndim)
    for j, axis in enumerate(axes):
        n = fixed.shape[axis]
        ratio = 1.0 if space.spacing is None else space.spacing / fixed.spacing[axis]
        available = n / ratio
        size = math.ceil(available - 1e-3) if space.shape is None else space.shape[j]
        middle = (low[axis] + high[axis] + 1) / 2 / ratio
        # Outer edge of the grid, in its own voxels from the image's outer edge.
        edge = min(max(middle - size / 2, min(0.0, available - size)), max(0.0, available - size))
        # From a voxel's edge on, so that equal voxels need no interpolation.
        first = round(edge * ratio) + 0.5 * ratio - 0.5
        shape.append(size)
        start[j] = n - 1 - first if mirrored[j] else first
        steps[j] = -ratio if mirrored[j] else ratio
    return Place(tuple(shape), axes, start, steps)


def conform(
    volume: Volume, fixed: Volume, where: Place, space: Space, world: Matrix | None = None
) -> Array:
    """`volume` on the model's grid, with the model's intensities.

    Parameters
    ----------
    volume : Volume
        The fixed image itself, or the moving one.
    world : ndarray (D + 1, D + 1), optional
        Fixed world to the volume's world, mm; default identity.
    """
    grid = Volume(
        np.zeros(where.shape, np.int8), fixed.affine @ where.matrix(), oriented=fixed.oriented
    )
    affine = np.eye(fixed.ndim + 1) if world is None else world
    data = np.asarray(volume.data, np.float32)
    low, gain = _intensity(data, space)
    data = (data - np.float32(low)) * np.float32(gain)
    coarser = grid_ratio(volume, grid)
    if (coarser > 1.3).any():
        # Less detail than the model's voxels can hold, so that nothing aliases.
        data = ndimage.gaussian_filter(data, 0.4 * np.sqrt(np.maximum(coarser**2 - 1, 0)))
    return Registration(grid, volume, affine).warp(Volume(data, volume.affine, name=volume.name))


def grid_ratio(volume: Volume, grid: Volume) -> NDArray[np.float64]:
    """Voxel size of `grid` over that of `volume`, along the volume's axes."""
    return np.asarray(np.max(grid.spacing) / np.array(volume.spacing), np.float64)


def _intensity(data: Array, space: Space) -> tuple[float, float]:
    """What to subtract, and what to multiply by."""
    if not space.percentile:
        return 0.0, 1.0
    low, high = float(data.min()), float(data.max())
    bright = data[data > low + 1e-3 * (high - low)]
    top = float(np.percentile(bright, space.percentile)) if bright.size else low
    return low, space.value / (top - low) if top > low else 1.0


def content(volume: Volume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last voxel, along each axis, of what is clearly brighter than the background."""
    data = np.asarray(volume.data, np.float32)
    low = float(data.min())
    bright = data > low + 0.1 * (float(np.percentile(data, 99.5)) - low)
    ends = []
    for axis in range(volume.ndim):
        others = tuple(a for a in range(volume.ndim) if a != axis)
        filled = np.flatnonzero(bright.any(axis=others))
        ends.append((filled[0], filled[-1]) if filled.size else (0, volume.shape[axis] - 1))
    both = np.array(ends, dtype=np.int64)
    return both[:, 0], both[:, 1]


def _axes(wanted: str, given: str, ndim: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """For each model axis: the fixed axis along it, and whether that is mirrored."""
    if not wanted or not given or ndim != 3:
        return tuple(range(ndim)), (False,) * ndim
    axes, mirrored = [], []
    for letter in wanted:
        pair = next(p for p in _PAIRS if letter in p)
        axis = next(a for a in range(3) if given[a] in pair)
        axes.append(axis)
        mirrored.append(given[axis] != letter)
    return tuple(axes), tuple(mirrored)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
