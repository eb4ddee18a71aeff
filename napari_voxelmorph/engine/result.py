"""The result of a registration: two images, the transform between them, and how it went."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.field import Field, block_of, pad_3d
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.geometry.voxels import NO_FIELD, check_fill, matrix_3d, voxels_of
from napari_voxelmorph.engine.parallel import run_slabs

Mode = Literal["linear", "nearest", "cubic"]
Points = NDArray[np.float64]
_ORDER = {"nearest": kernels.NEAREST, "linear": kernels.LINEAR, "cubic": kernels.CUBIC}
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
    unrefined : Registration, optional
        What the network alone gave, where this result refined it.
    posterior : Posterior, optional
        The distribution that `field` is the mean of; dropped with another field.
    """

    fixed: Volume
    moving: Volume
    affine: Matrix
    field: Field | None = None
    config: RegistrationConfig = DEFAULT
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    timings: Mapping[str, float] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    unrefined: Registration | None = None
    posterior: Posterior | None = None

    def __post_init__(self) -> None:
        if self.fixed.ndim != self.moving.ndim:
            raise InputError(
                f"The fixed image is {self.fixed.ndim}-D and the moving image is "
                f"{self.moving.ndim}-D; both must be 2-D or both 3-D."
            )
        affine = np.array(self.affine, dtype=np.float64)
        check_affine(affine, self.fixed.ndim)
        if self.field is not None and self.field.ndim != self.fixed.ndim:
            raise InputError(
                f"The field is {self.field.ndim}-D, but the images are {self.fixed.ndim}-D."
            )
        object.__setattr__(self, "affine", affine)
        if self.posterior is not None and self.posterior.mean is not self.field:
            object.__setattr__(self, "posterior", None)  # it spoke of another field

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
        if mode == "nearest":
            return self._warp_ids(volume, kernels.NEAREST, fill, index, inverse)
        image, _ = voxels_of(volume)
        return self._resample(volume, image, _ORDER[mode], fill, index, inverse)

    def warp_labels(
        self, volume: Volume, index: tuple[Any, ...] | None = None, inverse: bool = False
    ) -> NDArray[Any]:
        """Warp a segmentation: linear on each label's mask, the largest share wins.

        Smoother borders than nearest; ties go to the smaller id.  Every id stays exact.
        """
        return self._warp_ids(volume, kernels.MAJORITY, 0, index, inverse)

    def label_entropy(
        self, volume: Volume, index: tuple[Any, ...] | None = None
    ) -> NDArray[np.float32]:
        """How undecided `warp_labels` is: entropy (bits) of the labels' shares, 0 to 3.

        0 where all neighbours have one label; 1 where two have the same share.
        """
        image, _ = voxels_of(volume, as_ids=True)
        return self._resample(volume, image, kernels.ENTROPY, 0.0, index, False)

    def _warp_ids(
        self,
        volume: Volume,
        order: int,
        fill: float,
        index: tuple[Any, ...] | None,
        inverse: bool,
    ) -> NDArray[Any]:
        check_fill(fill, volume)
        image, table = voxels_of(volume, as_ids=True)
        dtype = volume.data.dtype
        if table is None:
            return self._resample(volume, image, order, fill, index, inverse).astype(dtype)
        # One place more than the table has, for the fill value.
        places = self._resample(volume, image, order, table.size, index, inverse)
        return np.append(table, np.array([fill]).astype(dtype))[places.astype(np.int64)]

    def _resample(
        self,
        volume: Volume,
        image: NDArray[np.float32],
        order: int,
        fill: float,
        index: tuple[Any, ...] | None,
        inverse: bool,
    ) -> NDArray[np.float32]:
        """One resampling of `image`, the voxels of `volume`, onto a block of the target grid."""
        if volume.ndim != self.ndim:
            raise InputError(
                f"warp: “{volume.name}” is {volume.ndim}-D, but this is a registration of "
                f"{self.ndim}-D images."
            )
        start, step, shape = block_of(index, (self.moving if inverse else self.fixed).shape)
        out = np.empty(pad_3d(shape, 1), np.float32)
        kernel: Any = kernels.warp_image_inverse if inverse else kernels.warp_image
        args = (
            image,
            *self._matrices(volume, inverse),
            *self._deformation(inverse, start, step, shape),
            np.array(pad_3d(start, 0.0)),
            np.array(pad_3d(step, 1.0)),
            order,
            np.float32(fill),
            out,
        )
        if out.size > _SMALL:
            run_slabs(kernel, out.shape[0], *args)
        else:
            kernel(*args, 0, out.shape[0])
        return out.reshape(shape)

    def _matrices(self, volume: Volume, inverse: bool) -> list[NDArray[np.float64]]:
        """Fixed voxel to volume voxel; inverse: moving voxel to fixed voxel, then to volume."""
        if not inverse:
            return [matrix_3d(np.linalg.inv(volume.affine) @ self.affine @ self.fixed.affine)]
        to_fixed = np.linalg.inv(self.affine @ self.fixed.affine) @ self.moving.affine
        return [matrix_3d(to_fixed), matrix_3d(np.linalg.inv(volume.affine) @ self.fixed.affine)]

    def _deformation(
        self,
        inverse: bool,
        start: NDArray[np.float64],
        step: NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        """Displacement on the field's grid, and the scale and offset of that grid.

        At least what the block ``start + step · index`` of the fixed grid needs; here all.
        """
        if self.field is None:
            return NO_FIELD, np.ones(3), np.zeros(3)
        data = self.field.backward if inverse else self.field.forward
        scale, offset = pad_3d(self.field.scale, 1.0), pad_3d(self.field.offset, 0.0)
        return data, np.array(scale), np.array(offset)

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
    points, ndim = np.asarray(points, dtype=np.float64), matrix.shape[0] - 1
    if points.size == 0:
        return np.zeros((0, ndim))
    if points.ndim > 2 or points.shape[-1] != ndim:
        raise InputError(
            f"Points must be an array of shape (N, {ndim}), in world millimetres; got "
            f"{points.shape}."
        )
    points = points.reshape(-1, ndim)
    return np.asarray(points @ matrix[:-1, :-1].T + matrix[:-1, -1], np.float64)
