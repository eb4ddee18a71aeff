"""Where a volume lies on napari's canvas: upright, in millimetres, never rotated.

napari slices along array axes only and warns when a layer is rotated, so a scan is shown
on its own voxels, with the axes permuted and flipped until they point most nearly to
superior, anterior and right.  Nothing is resampled and nothing is mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

#: Where napari's axes point for an oriented 3-D volume: scrolling goes up the head.
AXIS_LABELS = ("S", "A", "R")
Points = NDArray[np.float64]
Slices = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class DisplayGrid:
    """How the axes of one volume are shown.

    Parameters
    ----------
    shape : tuple of int
        Shape of the volume, array order.
    affine : ndarray (D + 1, D + 1)
        Voxel to world (mm) of the volume.
    axes : tuple of int
        The array axis behind each displayed axis.
    flips : tuple of bool
        Which *displayed* axes run against their array axis.
    oriented : bool
        Whether left and right are known.
    """

    shape: tuple[int, ...]
    affine: Matrix
    axes: tuple[int, ...]
    flips: tuple[bool, ...]
    oriented: bool

    @classmethod
    def of(cls, volume: Volume) -> DisplayGrid:
        """The grid on which `volume` is shown."""
        return cls.from_affine(volume.shape, volume.affine, volume.oriented)

    @classmethod
    def from_affine(cls, shape: tuple[int, ...], affine: Matrix, oriented: bool) -> DisplayGrid:
        """As `of`, from what a layer remembers of its volume."""
        ndim = len(shape)
        affine = np.asarray(affine, dtype=np.float64)
        if not oriented:
            return cls(tuple(shape), affine, tuple(range(ndim)), (False,) * ndim, False)
        orientation = io_orientation(affine)
        axes, flips = [], []
        for world in reversed(range(ndim)):  # S, A, R
            axis = int(np.flatnonzero(orientation[:, 0] == world)[0])
            axes.append(axis)
            flips.append(bool(orientation[axis, 1] < 0))
        return cls(tuple(shape), affine, tuple(axes), tuple(flips), True)

    @property
    def ndim(self) -> int:
        """Number of axes, 2 or 3."""
        return len(self.shape)

    @property
    def display_shape(self) -> tuple[int, ...]:
        """Shape of the data that napari sees."""
        return tuple(self.shape[a] for a in self.axes)

    @property
    def scale(self) -> tuple[float, ...]:
        """Voxel size (mm) along each displayed axis."""
        spacing = np.linalg.norm(self.affine[:-1, :-1], axis=0)
        return tuple(float(spacing[a]) for a in self.axes)

    @property
    def translate(self) -> tuple[float, ...]:
        """Canvas position (mm) of the first displayed voxel; the middle of the volume is true."""
        middle = (np.array(self.shape) - 1) / 2
        world = self.affine[:-1, :-1] @ middle + self.affine[:-1, -1]
        if self.oriented:
            world = world[::-1]
        half = (np.array(self.display_shape) - 1) / 2 * np.array(self.scale)
        return tuple(float(t) for t in world - half)

    def layer_place(self) -> dict[str, Any]:
        """Keyword arguments that put a napari layer in its place."""
        place: dict[str, Any] = {
            "scale": self.scale,
            "translate": self.translate,
            "units": ("mm",) * self.ndim,
        }
        if self.oriented and self.ndim == 3:
            place["axis_labels"] = AXIS_LABELS
        return place

    def to_display(self, array: NDArray[Any]) -> NDArray[Any]:
        """Array order to displayed order (a view)."""
        turned = np.transpose(array, self.axes)
        return turned[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]

    def to_array(self, displayed: NDArray[Any]) -> NDArray[Any]:
        """Displayed order back to array order (a view)."""
        upright = displayed[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]
        return np.transpose(upright, np.argsort(self.axes))

    def block(self, ranges: tuple[range, ...]) -> Slices:
        """Slices of the array for ascending, non-empty index ranges of the displayed axes."""
        out: list[slice] = [slice(None)] * self.ndim
        for axis, flip, r in zip(self.axes, self.flips, ranges, strict=True):
            n, first, last = self.shape[axis], r[0], r[-1]
            if flip:
                first, last = n - 1 - last, n - 1 - first
            out[axis] = slice(first, last + 1, r.step)
        return tuple(out)

    @property
    def display_to_voxel(self) -> Matrix:
        """(D + 1, D + 1) matrix from displayed index to array index."""
        out = np.zeros((self.ndim + 1, self.ndim + 1))
        out[-1, -1] = 1
        for shown, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            out[axis, shown] = -1 if flip else 1
            out[axis, -1] = self.shape[axis] - 1 if flip else 0
        return out

    @property
    def canvas_to_world(self) -> Matrix:
        """(D + 1, D + 1) matrix from napari's world (mm) to the volume's world (mm)."""
        place = np.diag([*self.scale, 1.0])
        place[:-1, -1] = self.translate
        return np.asarray(self.affine @ self.display_to_voxel @ np.linalg.inv(place))

    def to_display_field(self, field: NDArray[Any]) -> NDArray[Any]:
        """A field (D, *block) in array order to displayed order, components included."""
        turned = np.stack([self.to_display(component) for component in field])
        signs = np.where(self.flips, -1, 1).reshape(-1, *[1] * self.ndim)
        return np.asarray(turned[list(self.axes)] * signs)

    def world_to_display(self, points: Points) -> Points:
        """World points (N, D), mm, to displayed voxel coordinates."""
        matrix = np.asarray(np.linalg.inv(self.affine @ self.display_to_voxel), np.float64)
        return transform_points(matrix, points)


def transform_points(matrix: Matrix, points: Points) -> Points:
    """Apply a (D + 1, D + 1) matrix to points (N, D)."""
    points = np.asarray(points, dtype=np.float64).reshape(-1, len(matrix) - 1)
    return np.asarray(points @ matrix[:-1, :-1].T + matrix[:-1, -1])
