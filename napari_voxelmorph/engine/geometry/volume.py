"""An image together with where it lies in the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError

Kind = Literal["image", "labels"]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Volume:
    """A 2-D or 3-D scalar image, its voxel-to-world matrix, and what it is.

    Parameters
    ----------
    data : ndarray, shape ``S`` with ``len(S)`` 2 or 3
        Intensities or label ids, in array order: ``data[i, j, k]``.
    affine : ndarray (D + 1, D + 1), optional
        Maps voxel indices, in array order, to world RAS millimetres (3-D), or to
        millimetres in the plane (2-D).  Default: identity, 1 mm voxels.
    kind : "image" or "labels"
        Labels are never interpolated as if they were intensities.
    name : str
        Shown to the user.
    oriented : bool
        False when nothing is known of left and right (a PNG, a bare array).
    header : mapping
        What came with the file and is needed to write it again (free).

    Raises
    ------
    InputError
        On any other number of axes, a complex or structured dtype, or a matrix
        that is not finite, not affine or not invertible.
    """

    data: NDArray[Any]
    affine: Matrix = None  # type: ignore[assignment]
    kind: Kind = "image"
    name: str = "image"
    oriented: bool = True
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        _check_data(data, self.name)
        affine = np.eye(data.ndim + 1) if self.affine is None else self.affine
        affine = np.array(affine, dtype=np.float64)
        check_affine(affine, data.ndim, self.name)
        affine.setflags(write=False)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "affine", affine)

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return int(self.data.ndim)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis, array order."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size along each array axis, in millimetres."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:-1, :-1], axis=0))

    @property
    def center(self) -> NDArray[np.float64]:
        """World position (mm) of the middle of the field of view, shape (D,)."""
        middle = (np.array(self.shape) - 1) / 2
        return np.asarray(self.affine[:-1, :-1] @ middle + self.affine[:-1, -1])

    @property
    def orientation(self) -> str:
        """Where each array axis points, e.g. ``"LAS"``; ``""`` when not known (or 2-D)."""
        if self.ndim != 3 or not self.oriented:
            return ""
        letters = []
        directions = self.affine[:3, :3] / np.array(self.spacing)
        taken: set[int] = set()
        for axis in np.argsort(-np.abs(directions).max(axis=0)):
            order = [w for w in np.argsort(-np.abs(directions[:, axis])) if w not in taken]
            world = int(order[0])
            taken.add(world)
            letters.append((int(axis), ("LR", "PA", "IS")[world][int(directions[world, axis] > 0)]))
        return "".join(letter for _, letter in sorted(letters))

    def with_data(self, data: NDArray[Any], **changes: Any) -> Volume:
        """Return another image on the same grid (same shape)."""
        if tuple(data.shape) != self.shape:
            raise InputError(
                f"Volume.with_data: expected an array of shape {self.shape}, got {tuple(data.shape)}."
            )
        return replace(self, data=data, **changes)


def _check_data(data: NDArray[Any], name: str) -> None:
    if data.ndim not in (2, 3):
        raise InputError(
            f"“{name}” has {data.ndim} axes {tuple(data.shape)}; a 2-D or 3-D image with one value "
            "per voxel is needed. Choose one time point or channel first."
        )
    if data.dtype.kind not in "buif":
        raise InputError(f"“{name}” holds {data.dtype} values; real numbers are needed.")
    if 0 in data.shape:
        raise InputError(f"“{name}” is empty: its shape is {tuple(data.shape)}.")


def check_affine(affine: Matrix, ndim: int, name: str = "affine") -> None:
    """Raise `InputError` unless `affine` is a usable (ndim + 1, ndim + 1) matrix."""
    wanted = (ndim + 1, ndim + 1)
    if affine.shape != wanted:
        raise InputError(
            f"“{name}”: expected an affine matrix of shape {wanted}, got {affine.shape}."
        )
    if not np.isfinite(affine).all():
        raise InputError(f"“{name}”: the affine matrix holds NaN or infinite numbers.")
    last = np.eye(ndim + 1)[-1]
    if affine.any() and not np.allclose(affine[-1], last):
        raise InputError(f"“{name}”: the last row of the affine matrix must be {last.tolist()}.")
    columns = np.linalg.norm(affine[:-1, :-1], axis=0)
    if (columns == 0).any() or abs(np.linalg.det(affine[:-1, :-1] / columns)) < 1e-4:
        raise InputError(
            f"“{name}”: the affine matrix is all zero or flat (it has no inverse), so voxels have no "
            "place in space. Set the voxel spacing in the file's header, or open it without its header."
        )


def voxel_to_voxel(fixed: Volume, moving: Volume, world: Matrix | None = None) -> Matrix:
    """Matrix from fixed voxel indices to moving voxel indices: ``A_m⁻¹ · world · A_f``.

    Parameters
    ----------
    world : ndarray (D + 1, D + 1), optional
        Fixed world (mm) to moving world (mm).  Default: the headers agree (identity).
    """
    middle = np.eye(fixed.ndim + 1) if world is None else world
    return np.asarray(np.linalg.inv(moving.affine) @ middle @ fixed.affine)
