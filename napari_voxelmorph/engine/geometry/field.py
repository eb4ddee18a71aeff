"""A velocity or displacement on a grid of its own, usually coarser than the image's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.integration import integrate_array
from napari_voxelmorph.engine.geometry.inversion import invert_array
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]
Block = tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Field:
    """A stationary velocity or a displacement, sampled on its own grid.

    Parameters
    ----------
    data : ndarray (D, *Sg) float32
        Components in array order, in voxels of *this* grid, pull-back.
    scale, offset : (D,) float64
        Where the grid lies in the fixed image: fixed voxel ``x = offset + scale · g``.
        Beyond its edge the field continues with its edge value.
    kind : "velocity" or "displacement"
        A velocity is integrated (scaling and squaring) to become a displacement.
    """

    data: Array
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    kind: Literal["velocity", "displacement"] = "velocity"

    def __post_init__(self) -> None:
        data = np.ascontiguousarray(self.data, dtype=np.float32)
        ndim = data.shape[0]
        if data.ndim != ndim + 1 or ndim not in (2, 3):
            raise InputError(
                f"Field: expected data of shape (2, H, W) or (3, D, H, W), got {data.shape}."
            )
        if self.kind not in ("velocity", "displacement"):
            raise InputError(f"Field: kind must be velocity or displacement, got {self.kind!r}.")
        if not np.isfinite(data).all():
            raise InputError("Field: the data hold NaN or infinite numbers.")
        object.__setattr__(self, "data", data)
        for name in ("scale", "offset"):
            value = np.array(getattr(self, name), dtype=np.float64).reshape(-1)
            if value.shape != (ndim,) or not np.isfinite(value).all():
                raise InputError(f"Field: {name} must be {ndim} finite numbers, got {value}.")
            if name == "scale" and (value <= 0).any():
                raise InputError(f"Field: scale must be above zero, got {value}.")
            object.__setattr__(self, name, value)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return int(self.data.shape[0])

    @cached_property
    def forward(self) -> Array:
        """Displacement u on this grid, in *fixed* voxels, as (3, *S3) (2-D: one slice thick)."""
        data = self.data if self.kind == "displacement" else integrate_array(self.data)
        return self._in_fixed_voxels(data)

    @cached_property
    def backward(self) -> Array:
        """Displacement of the inverse map on this grid, in fixed voxels, as `forward`."""
        if self.kind == "velocity":
            return self._in_fixed_voxels(integrate_array(-self.data))
        return self._in_fixed_voxels(invert_array(self.data))

    def _in_fixed_voxels(self, data: Array) -> Array:
        scaled = data * self.scale.astype(np.float32).reshape(-1, *([1] * self.ndim))
        return as_3d_field(scaled)

    def sample(
        self,
        start: NDArray[np.float64],
        step: NDArray[np.float64],
        shape: tuple[int, ...],
        inverse: bool = False,
    ) -> Array:
        """Displacement in fixed voxels at ``start + step · index`` for a block of `shape`."""
        source = self.backward if inverse else self.forward
        ndim = self.ndim
        out = np.empty((3, *pad_3d(shape, 1)), np.float32)
        place: list[Any] = [
            np.array(pad_3d(values, lead), np.float64)
            for values, lead in ((self.scale, 1.0), (self.offset, 0.0), (start, 0.0), (step, 1.0))
        ]
        if out.size > 600_000:
            run_slabs(kernels.sample_field, out.shape[1], source, *place, out)
        else:
            kernels.sample_field(source, *place, out, 0, out.shape[1])  # type: ignore[call-arg]
        return out[3 - ndim :].reshape(ndim, *shape)

    def at(self, points: NDArray[np.float64], inverse: bool = False) -> NDArray[np.float64]:
        """Displacement in fixed voxels at points (N, D) given in fixed voxels."""
        source = self.backward if inverse else self.forward
        local = (np.asarray(points, np.float64) - self.offset) / self.scale
        # An unknown place has no voxel to look at, and moves to an unknown place.
        unknown = ~np.isfinite(local).all(axis=1)
        local[unknown] = 0.0
        lead = np.zeros((len(local), 3 - self.ndim))
        out = np.empty((len(local), 3), np.float32)
        kernels.sample_points(
            source, np.ascontiguousarray(np.hstack([lead, local])), out, 0, len(local)
        )
        found = out[:, 3 - self.ndim :].astype(np.float64)
        found[unknown] = np.nan
        return found


def pad_3d(values: object, lead: float) -> tuple:  # type: ignore[type-arg]
    """Two numbers become three, with `lead` in front; three stay."""
    values = tuple(values)  # type: ignore[arg-type]
    return values if len(values) == 3 else (lead, *values)


def as_3d_field(data: Array) -> Array:
    """A (2, H, W) field as (3, 1, H, W) with a zero first component; 3-D unchanged."""
    if data.shape[0] == 3:
        return np.ascontiguousarray(data, np.float32)
    out = np.zeros((3, 1, *data.shape[1:]), np.float32)
    out[1:, 0] = data
    return out


def block_of(index: tuple[object, ...] | None, shape: tuple[int, ...]) -> Block:
    """Start, step and shape of the block that `index` cuts from a grid of `shape`.

    `index` holds one slice per axis (missing trailing axes are whole); integers keep the
    axis with length one.
    """
    index = () if index is None else tuple(index)
    start, step, size = [], [], []
    for axis, n in enumerate(shape):
        key = index[axis] if axis < len(index) else slice(None)
        if isinstance(key, slice):
            a, _, s = key.indices(n)
            count = len(range(*key.indices(n)))
        else:
            a, s, count = int(key) % n, 1, 1  # type: ignore[call-overload]
        start.append(float(a))
        step.append(float(s))
        size.append(count)
    return np.array(start), np.array(step), tuple(size)
