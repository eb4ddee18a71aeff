"""The three planes of a volume as people look at them: axial, coronal, sagittal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Volume

_NAMES = ("Sagittal", "Coronal", "Axial")
#: Letters at the low and high end of each world axis.
_ENDS = ("LR", "PA", "IS")


@dataclass(frozen=True)
class Plane:
    """One slice of an array, and how to lay it on the page.

    Parameters
    ----------
    index : tuple of slices
        One slice per array axis; of length one across the plane.
    rows, columns : int
        Array axes that run down and to the right on the page.
    flip : tuple of bool
        Whether rows and columns are reversed for display.
    edges : tuple of str
        Letters for the left, right, top and bottom edge; empty when not known.
    aspect : tuple of float
        Millimetres per pixel, down and to the right.
    """

    name: str
    index: tuple[slice, ...]
    rows: int
    columns: int
    flip: tuple[bool, bool]
    edges: tuple[str, str, str, str]
    aspect: tuple[float, float]

    def lay(self, block: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn a block of this plane, or components of one (C, *block), for display."""
        ndim = len(self.index)
        lead = block.ndim - ndim
        order = [lead + self.rows, lead + self.columns]
        rest = [lead + a for a in range(ndim) if a not in (self.rows, self.columns)]
        flat = np.transpose(block, [*range(lead), *order, *rest])
        flat = flat.reshape(flat.shape[: lead + 2])
        steps = tuple(slice(None, None, -1 if f else 1) for f in self.flip)
        return flat[(slice(None),) * lead + steps]

    def thick(self, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], int]:
        """The plane with a neighbour on each side, and where the plane is in that block."""
        index, middle = list(self.index), 0
        for axis in range(len(index)):
            if axis not in (self.rows, self.columns):
                at = index[axis].start
                index[axis] = slice(max(at - 1, 0), min(at + 2, shape[axis]))
                middle = at - index[axis].start
        return tuple(index), middle


def planes_of(volume: Volume) -> list[Plane]:
    """The planes through the middle of what is bright: three in 3-D, one in 2-D.

    Radiological display: the patient's right is on the left of the page.
    """
    spacing = volume.spacing
    whole = tuple(slice(None) for _ in volume.shape)
    if volume.ndim == 2:
        return [Plane("", whole, 0, 1, (False, False), ("",) * 4, (spacing[0], spacing[1]))]
    axes, signs = _anatomical_axes(volume)
    center = _bright_center(volume)
    planes = []
    # World axis across the plane, down the page and to the right of the page.
    for across, down, right in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):
        index = list(whole)
        at = center[axes[across]]
        index[axes[across]] = slice(at, at + 1)
        # Down is posterior or inferior; to the right is the patient's left, or posterior.
        flip = (signs[down] > 0, signs[right] > 0)
        edges = (_ENDS[right][1], _ENDS[right][0], _ENDS[down][1], _ENDS[down][0])
        planes.append(
            Plane(
                _NAMES[across] if volume.oriented else f"Axis {axes[across]}",
                tuple(index),
                axes[down],
                axes[right],
                flip,
                edges if volume.oriented else ("",) * 4,
                (spacing[axes[down]], spacing[axes[right]]),
            )
        )
    return planes


def _anatomical_axes(volume: Volume) -> tuple[list[int], list[int]]:
    """For each world axis, the array axis closest to it, and whether that runs along or against."""
    matrix = volume.affine[:3, :3] / np.array(volume.spacing)
    axes, signs = [0, 0, 0], [1, 1, 1]
    left = np.abs(matrix).copy()
    for _ in range(3):
        world, axis = np.unravel_index(int(np.argmax(left)), left.shape)
        axes[world], signs[world] = int(axis), 1 if matrix[world, axis] > 0 else -1
        left[world, :], left[:, axis] = -1, -1
    return axes, signs


def _bright_center(volume: Volume) -> list[int]:
    """Array index of the centre of mass of everything above the mean."""
    step = tuple(slice(None, None, max(1, n // 64)) for n in volume.shape)
    data = np.nan_to_num(np.asarray(volume.data[step], dtype=np.float32))
    mask = data > data.mean()
    if not mask.any():
        return [n // 2 for n in volume.shape]
    middle = [float(i.mean()) for i in np.nonzero(mask)]
    return [
        min(round(m * (s.step or 1)), n - 1)
        for m, s, n in zip(middle, step, volume.shape, strict=True)
    ]
