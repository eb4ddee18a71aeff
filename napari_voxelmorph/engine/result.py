"""The result of a registration: two images, the transform between them, and how it went."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.field import Field, block_of, pad_3d
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.parallel import run_slabs

Mode = Literal["linear", "nearest", "cubic"]
Points = NDArray[np.float64]
_ORDER = {"nearest": 0, "linear": 1, "cubic": 3}
_NO_FIELD = np.zeros((3, 0, 0, 0), np.float32)
#: Blocks above this many voxels use all threads; below, a slice must not wait for a busy pool.
_SMALL = 600_000


@dataclass(frozen=True, eq=False)
class Registration:
    """Where every fixed voxel lies in the moving image.

    Fixed voxel x maps to moving voxel ``A_m⁻¹ · affine · A_f · (x + u(x))``; images are
    resampled once, from the original voxels.

    Parameters
    ----------
    fixed, moving : Volume
    affine : ndarray (D + 1, D + 1)
        Fixed world to moving world, RAS millimetres.
    field : Field or None
        The deformation on the fixed grid's axes; None for an affine result.
    metrics : mapping
        Numbers about the result (see `engine.evaluation.metrics`).
    timings : mapping
        Seconds per phase.
    provenance : mapping
        Versions, inputs, device, date.
    """

    fixed: Volume
    moving: Volume
    affine: Matrix
    field: Field | None = None
    config: RegistrationConfig = DEFAULT
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    timings: Mapping[str, float] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fixed.ndim != self.moving.ndim:
            raise InputError(
                f"The fixed image is {self.fixed.ndim}-D and the moving image is "
                f"{self.moving.ndim}-D; both must be 2-D or both 3-D."
            )
        affine = np.array(self.affine, dtype=np.float64)
        check_affine(affine, self.fixed.ndim)
        object.__setattr__(self, "affine", affine)

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.fixed.ndim

    @cached_property
    def displacement(self) -> NDArray[np.float32]:
        """u on the whole fixed grid, (D, *S), fixed voxels."""
        return self.displacement_block(None)

    @cached_property
    def inverse_displacement(self) -> NDArray[np.float32]:
        """Displacement of the inverse map on the whole fixed grid, (D, *S), fixed voxels."""
        return self.displacement_block(None, inverse=True)

    def displacement_block(
        self, index: tuple[Any, ...] | None, inverse: bool = False
    ) -> NDArray[np.float32]:
        """Displacement (D, *block), fixed voxels, for a block of the fixed grid.

        `index` holds one slice (step allowed) or integer per axis; integers keep the axis.
        """
        start, step, shape = block_of(index, self.fixed.shape)
        if self.field is None:
            return np.zeros((self.ndim, *shape), np.float32)
        return self.field.sample(start, step, shape, inverse)

    @cached_property
    def moved(self) -> Volume:
        """The moving image on the fixed grid, resampled once."""
        data = self.warp(self.moving)
        return Volume(
            data,
            self.fixed.affine,
            self.moving.kind,
            f"{self.moving.name} (moved)",
            self.fixed.oriented and self.moving.oriented,
            self.fixed.header,
        )

    def warp(
        self,
        volume: Volume,
        mode: Mode | None = None,
        fill: float = 0.0,
        index: tuple[Any, ...] | None = None,
        inverse: bool = False,
    ) -> NDArray[Any]:
        """Resample `volume` onto the fixed grid (inverse: onto the moving grid).

        Parameters
        ----------
        volume : Volume
            On any grid of the moving world; of the fixed world when `inverse`.
        mode : "linear", "nearest", "cubic", optional
            Default: linear for images, nearest for labels.
        fill : float
            Value where the volume has no voxels.
        index : tuple of slices, optional
            Only this block of the output grid.  Small blocks run on the calling thread.

        Returns
        -------
        ndarray
            float32 for images; the volume's dtype for nearest.
        """
        mode = mode or ("nearest" if volume.kind == "labels" else "linear")
        if mode not in _ORDER:
            raise InputError(f"warp: mode must be one of {sorted(_ORDER)}, got {mode!r}.")
        target = self.moving if inverse else self.fixed
        start, step, shape = block_of(index, target.shape)
        image, ids = _prepared(volume, mode)
        fill_value = float(np.searchsorted(ids, fill)) if ids is not None else fill
        if inverse:
            out = self._push(image, volume, start, step, shape, mode, fill_value)
        else:
            out = self._pull(image, volume, start, step, shape, mode, fill_value)
        if ids is not None:
            return ids[out.astype(np.int64)].astype(volume.data.dtype)
        return out.astype(volume.data.dtype) if mode == "nearest" else out

    def _pull(
        self,
        image: NDArray[np.float32],
        volume: Volume,
        start: Points,
        step: Points,
        shape: tuple[int, ...],
        mode: Mode,
        fill: float,
    ) -> NDArray[np.float32]:
        matrix = np.linalg.inv(volume.affine) @ self.affine @ self.fixed.affine
        data, scale, offset = _NO_FIELD, np.ones(3), np.zeros(3)
        if self.field is not None:
            data = self.field.forward
            scale = np.array(pad_3d(self.field.scale, 1.0))
            offset = np.array(pad_3d(self.field.offset, 0.0))
        out = np.empty(pad_3d(shape, 1), np.float32)
        args = (
            image,
            _matrix_3d(matrix),
            data,
            scale,
            offset,
            np.array(pad_3d(start, 0.0)),
            np.array(pad_3d(step, 1.0)),
            _ORDER[mode],
            np.float32(fill),
            out,
        )
        if out.size > _SMALL:
            run_slabs(kernels.warp_image, out.shape[0], *args)
        else:
            kernels.warp_image(*args, 0, out.shape[0])
        return out.reshape(shape)

    def _push(
        self,
        image: NDArray[np.float32],
        volume: Volume,
        start: Points,
        step: Points,
        shape: tuple[int, ...],
        mode: Mode,
        fill: float,
    ) -> NDArray[np.float32]:
        """Onto the moving grid: y = A_f⁻¹ affine⁻¹ A_m p, ``y + u_inv(y)``, then the volume."""
        moving_to_fixed = np.linalg.inv(self.affine @ self.fixed.affine) @ self.moving.affine
        into_volume = np.linalg.inv(volume.affine) @ self.fixed.affine
        data, scale, offset = _NO_FIELD, np.ones(3), np.zeros(3)
        if self.field is not None:
            data = self.field.backward
            scale = np.array(pad_3d(self.field.scale, 1.0))
            offset = np.array(pad_3d(self.field.offset, 0.0))
        out = np.empty(pad_3d(shape, 1), np.float32)
        args = (
            image,
            _matrix_3d(moving_to_fixed),
            _matrix_3d(into_volume),
            data,
            scale,
            offset,
            np.array(pad_3d(start, 0.0)),
            np.array(pad_3d(step, 1.0)),
            _ORDER[mode],
            np.float32(fill),
            out,
        )
        if out.size > _SMALL:
            run_slabs(kernels.warp_image_inverse, out.shape[0], *args)
        else:
            kernels.warp_image_inverse(*args, 0, out.shape[0])
        return out.reshape(shape)

    def warp_labels(
        self, volume: Volume, index: tuple[Any, ...] | None = None, inverse: bool = False
    ) -> NDArray[Any]:
        """Warp a segmentation: linear on each label's mask, the largest share wins.

        Smoother borders than nearest; ties go to the smaller id.
        """
        target = self.moving if inverse else self.fixed
        _, _, shape = block_of(index, target.shape)
        best = np.full(shape, 1e-6, np.float32)
        moved = np.zeros(shape, volume.data.dtype)
        nearest = self.warp(volume, "nearest", index=index, inverse=inverse)
        for label in np.unique(nearest):
            if label == 0 and len(np.unique(nearest)) == 1:
                continue
            mask = volume.with_data((volume.data == label).astype(np.float32), kind="image")
            # Outside the segmentation there is background.
            share = self.warp(mask, "linear", fill=float(label == 0), index=index, inverse=inverse)
            wins = share > best
            best[wins] = share[wins]
            moved[wins] = label
        return moved

    def fixed_to_moving(self, points: Points) -> Points:
        """Points (N, D), fixed world mm, to where they lie in the moving world."""
        voxels = _apply(np.asarray(np.linalg.inv(self.fixed.affine), np.float64), points)
        if self.field is not None and len(voxels):
            voxels += self.field.at(voxels)
        return _apply(np.asarray(self.affine @ self.fixed.affine, np.float64), voxels)

    def moving_to_fixed(self, points: Points) -> Points:
        """Points (N, D), moving world mm, to where they lie in the fixed world."""
        to_fixed = np.linalg.inv(self.affine @ self.fixed.affine)
        voxels = _apply(np.asarray(to_fixed, np.float64), points)
        if self.field is not None and len(voxels):
            voxels += self.field.at(voxels, inverse=True)
        return _apply(self.fixed.affine, voxels)


def _apply(matrix: Matrix, points: Points) -> Points:
    points = np.asarray(points, dtype=np.float64).reshape(-1, matrix.shape[0] - 1)
    return np.asarray(points @ matrix[:-1, :-1].T + matrix[:-1, -1], np.float64)


def _matrix_3d(matrix: Matrix) -> NDArray[np.float64]:
    """The upper (3, 4) part; a 2-D matrix gets an untouched first axis."""
    if matrix.shape[0] == 4:
        return np.ascontiguousarray(matrix[:3])
    out = np.eye(4)
    out[1:, 1:] = matrix
    return np.ascontiguousarray(out[:3])


_cache: WeakKeyDictionary[Volume, dict[bool, tuple[NDArray[np.float32], NDArray[Any] | None]]] = (
    WeakKeyDictionary()
)


def _prepared(volume: Volume, mode: Mode) -> tuple[NDArray[np.float32], NDArray[Any] | None]:
    """float32 3-D copy of the voxels and, for ids that float32 cannot hold, their table."""
    exact = mode == "nearest" and volume.data.dtype.kind in "iu" and volume.data.dtype.itemsize > 2
    kept = _cache.setdefault(volume, {})
    if exact not in kept:
        data, ids = volume.data, None
        if exact and max(abs(int(data.max())), abs(int(data.min()))) >= 2**24:
            ids, inverse = np.unique(np.append(data.reshape(-1), 0), return_inverse=True)
            data = inverse[:-1].reshape(data.shape)
        array = np.ascontiguousarray(data, dtype=np.float32)
        kept[exact] = (array if array.ndim == 3 else array[None], ids)
    return kept[exact]
