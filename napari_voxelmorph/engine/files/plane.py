"""A 3-D file with one slice is a 2-D image that remembers where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

Array = NDArray[Any]


def to_plane(data: Array, affine: Matrix, file_ndim: int) -> tuple[Array, Matrix, dict[str, Any]]:
    """Drop the axis of one voxel, so that the slice becomes a plane with its own millimetres.

    The plane keeps two of the three world axes: the one nearest to its normal is left out.
    An oblique plane is first turned (the smallest rotation) so that this axis is its normal;
    lengths and angles in the plane therefore stay what they were.

    Parameters
    ----------
    data : ndarray (X, Y, Z) with exactly one axis of one voxel, or (X, Y)
    affine : ndarray (4, 4)
    file_ndim : int
        Axes that the file has, 2 or 3: it is written back with as many.

    Returns
    -------
    data : ndarray (H, W)
    affine : ndarray (3, 3)
    header : dict
        What `from_plane` needs.
    """
    axis = data.shape.index(1) if data.ndim == 3 else 2
    affine = np.array(affine, dtype=np.float64)
    kept = [a for a in range(3) if a != axis]
    normal = _normal(affine, axis)
    across = int(np.argmax(np.abs(normal)))
    turned = _rotation(normal, across) @ affine[:3]
    rows = [r for r in range(3) if r != across]
    flat = np.eye(3)
    flat[:2] = turned[np.ix_(rows, [*kept, 3])]
    if not (np.isfinite(affine[:3, axis]).all() and np.abs(affine[:3, axis]).any()):
        affine[:3, axis] = normal  # a 2-D file may leave the third axis empty
    header = {
        "affine_3d": affine.tolist(),
        "affine_2d": flat.tolist(),
        "slice_axis": axis,
        "file_ndim": file_ndim,
    }
    return data.reshape([data.shape[a] for a in kept]), flat, header


def from_plane(volume: Volume) -> tuple[Array, Matrix]:
    """The array and the 4 x 4 affine to write: a slice goes back to its place in space.

    3-D volumes pass unchanged; a 2-D image that never was a slice gets z = 0.
    """
    if volume.ndim == 3:
        return volume.data, volume.affine
    came = _came_from(volume.header)
    if came is None:
        affine = np.eye(4)
        affine[np.ix_([0, 1, 3], [0, 1, 3])] = volume.affine
        return volume.data, affine
    affine_3d, affine_2d, axis, file_ndim = came
    # A grid made since (cropped, resampled) lies in the same plane.
    change = np.linalg.inv(affine_2d) @ volume.affine
    lifted = np.eye(4)
    places = [*(a for a in range(3) if a != axis), 3]
    lifted[np.ix_(places, places)] = change
    affine = affine_3d if np.array_equal(affine_2d, volume.affine) else affine_3d @ lifted
    data = volume.data if file_ndim == 2 else np.expand_dims(volume.data, axis)
    return data, affine


def _came_from(header: Mapping[str, Any]) -> tuple[Matrix, Matrix, int, int] | None:
    try:
        affine_3d = np.array(header["affine_3d"], dtype=np.float64)
        affine_2d = np.array(header["affine_2d"], dtype=np.float64)
        axis, file_ndim = int(header["slice_axis"]), int(header["file_ndim"])
    except (KeyError, TypeError, ValueError):
        return None
    right = affine_3d.shape == (4, 4) and affine_2d.shape == (3, 3) and axis in (0, 1, 2)
    return (affine_3d, affine_2d, axis, file_ndim) if right else None


def _normal(affine: Matrix, axis: int) -> NDArray[np.float64]:
    """Unit normal of the slice, on the side to which the file's third axis points."""
    first, second = (affine[:3, a] for a in range(3) if a != axis)
    normal = np.cross(first, second)
    length = float(np.linalg.norm(normal))
    if not np.isfinite(length) or length == 0:
        return np.asarray(np.eye(3)[axis])  # unusable: `Volume` will say so
    normal = normal / length
    along = float(normal @ np.nan_to_num(affine[:3, axis]))
    return np.asarray(-normal if along < 0 else normal)


def _rotation(normal: NDArray[np.float64], across: int) -> Matrix:
    """Smallest rotation that turns `normal` onto the world axis `across` (Rodrigues)."""
    target = np.zeros(3)
    target[across] = np.sign(normal[across])
    cosine = float(normal @ target)
    if cosine > 1 - 1e-12:
        return np.eye(3)
    x, y, z = np.cross(normal, target)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))
