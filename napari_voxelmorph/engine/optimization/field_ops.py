"""What the field optimiser does to fields and images, on the CPU and on any torch device.

Two classes with the same methods: `CpuOps` on numpy arrays with numba kernels, `TorchOps`
on tensors.  A field is (3, Z, Y, X) in voxels of its own grid, images are (Z, Y, X).  The
loop in `deformable.py` is written once, over either.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.integration import integrate, integrate_array, squarings_for
from napari_voxelmorph.engine.geometry.warp import compose, identity_grid, sample
from napari_voxelmorph.engine.optimization import field_kernels
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
#: While the field is still being sought, the first step of scaling and squaring may be this long
#: (voxels): same Dice, an eighth less time.  Results integrate with `LARGEST_STEP`.
COARSE_STEP = 0.5


def gaussian_taps(sigma: float) -> Array:
    """Half of a normalised Gaussian kernel, centre first; ``[1]`` for no smoothing."""
    if sigma <= 1e-3:
        return np.ones(1, np.float32)
    taps = np.exp(-0.5 * (np.arange(int(np.ceil(3 * sigma)) + 1) / sigma) ** 2)
    return np.asarray(taps / (taps[0] + 2 * taps[1:].sum()), np.float32)


class Ops(Protocol):
    """What the loop needs; arrays are numpy arrays or tensors, never mixed."""

    def array(self, values: Any) -> Any: ...
    def zeros(self, shape: tuple[int, ...]) -> Any: ...
    def numpy(self, field: Any) -> Array: ...
    def integrate(self, velocity: Any) -> Any: ...
    def warp(self, image: Any, displacement: Any, ratio: Ints) -> Any: ...
    def force(self, slope: Any, moved: Any, ratio: Ints, out: Any) -> Any: ...
    def smooth(self, field: Any, sigmas: Floats) -> Any: ...
    def add_with_bracket(self, velocity: Any, update: Any) -> Any: ...
    def compose(self, first: Any, second: Any) -> Any: ...
    def resample(
        self, field: Any, scale: Floats, offset: Floats, shape: tuple[int, ...]
    ) -> Any: ...
    def at(self, field: Any, points: Floats) -> Floats: ...
    def length(self, field: Any) -> Any: ...
    def high_value(self, values: Any) -> float: ...
    def capped(self, field: Any, cap: float) -> Any: ...


class CpuOps:
    """Numba kernels over numpy arrays."""

    def array(self, values: Array) -> Array:
        return np.ascontiguousarray(values, np.float32)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape, np.float32)

    def numpy(self, field: Array) -> Array:
        return field

    def integrate(self, velocity: Array) -> Array:
        largest = float(np.abs(velocity).max(initial=0.0))
        return integrate_array(velocity, squarings_for(largest, COARSE_STEP))

    def warp(self, image: Array, displacement: Array, ratio: Ints) -> Array:
        out = np.empty_like(image)
        run_slabs(field_kernels.warp_level, out.shape[0], image, displacement, ratio, out)
        return out

    def force(self, slope: Array, moved: Array, ratio: Ints, out: Array) -> Array:
        run_slabs(field_kernels.pooled_force, out.shape[1], slope, moved, ratio, out)
        return out

    def smooth(self, field: Array, sigmas: Floats) -> Array:
        taps = [gaussian_taps(float(s)) for s in sigmas]
        if all(t.size == 1 for t in taps):
            return field
        between, out = np.empty_like(field), np.empty_like(field)
        run_slabs(field_kernels.smooth_last_axes, field.shape[1], field, taps[1], taps[2], between)
        run_slabs(field_kernels.smooth_first_axis, field.shape[1], between, taps[0], out)
        return out

    def add_with_bracket(self, velocity: Array, update: Array) -> Array:
        out = np.empty_like(velocity)
        update = np.ascontiguousarray(update)
        run_slabs(field_kernels.add_with_bracket, out.shape[1], velocity, update, out)
        return out

    def compose(self, first: Array, second: Array) -> Array:
        out = np.empty_like(first)
        second = np.ascontiguousarray(second)
        run_slabs(field_kernels.compose_fields, out.shape[1], first, second, out)
        return out

    def resample(
        self, field: Array, scale: Floats, offset: Floats, shape: tuple[int, ...]
    ) -> Array:
        """Values of `field` at ``(x - offset) / scale`` for the voxels x of a grid of `shape`."""
        out = np.empty((3, *shape), np.float32)
        run_slabs(
            kernels.sample_field, shape[0], field, scale, offset, np.zeros(3), np.ones(3), out
        )
        return out

    def at(self, field: Array, points: Floats) -> Floats:
        """Values (N, 3) of a field at points (N, 3), edge clamped."""
        out = np.empty((len(points), 3), np.float32)
        kernels.sample_points(field, points, out, 0, len(points))
        return out.astype(np.float64)

    def length(self, field: Array) -> Array:
        return np.asarray(np.sqrt(np.einsum("cxyz,cxyz->xyz", field, field)), np.float32)

    def high_value(self, values: Array) -> float:
        """The 95th percentile of the values above zero (of a regular subset)."""
        some = values.reshape(-1)[:: max(1, values.size // 50_000)]
        some = some[some > 0]
        return float(np.percentile(some, 95)) if some.size else 0.0

    def capped(self, field: Array, cap: float) -> Array:
        """Vectors longer than `cap` are shortened to it."""
        return np.asarray(field * np.minimum(1.0, cap / np.maximum(self.length(field), 1e-12)))


class TorchOps:
    """The same on tensors of any device; also the oracle of the kernels."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def array(self, values: Any) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values, np.float32), device=self.device)

    def zeros(self, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, device=self.device)

    def numpy(self, field: Tensor) -> Array:
        return np.asarray(field.cpu().numpy())

    def integrate(self, velocity: Tensor) -> Tensor:
        largest = float(velocity.abs().amax())
        return integrate(velocity[None], squarings_for(largest, COARSE_STEP))[0]

    def warp(self, image: Tensor, displacement: Tensor, ratio: Ints) -> Tensor:
        shape = tuple(image.shape)
        fine = self.resample(displacement, ratio.astype(float), (ratio - 1) / 2, shape)
        fine = fine * self._column(ratio)
        return sample(image[None, None], identity_grid(shape, fine) + fine[None])[0, 0]

    def force(self, slope: Tensor, moved: Tensor, ratio: Ints, out: Tensor) -> Tensor:
        size = [int(r) for r in ratio]
        pad = [
            p
            for n, r in zip(reversed(moved.shape), reversed(size), strict=True)
            for p in (0, -n % r)
        ]
        for axis in range(3):
            dense = slope * _central(moved, axis)
            cells = functional.avg_pool3d(functional.pad(dense, pad)[None, None], size)
            out[axis] += cells[0, 0]
        return out

    def smooth(self, field: Tensor, sigmas: Floats) -> Tensor:
        out = field[:, None]
        for axis, sigma in enumerate(sigmas):
            half = gaussian_taps(float(sigma))
            if half.size == 1 or field.shape[1 + axis] == 1:
                continue
            kernel = torch.as_tensor(np.concatenate([half[:0:-1], half]), device=self.device)
            shape = [1, 1, 1, 1, 1]
            shape[2 + axis] = kernel.numel()
            pad = [0] * 6
            pad[2 * (2 - axis)] = pad[2 * (2 - axis) + 1] = half.size - 1
            out = functional.conv3d(
                functional.pad(out, pad, mode="replicate"), kernel.reshape(shape)
            )
        return out[:, 0]

    def add_with_bracket(self, velocity: Tensor, update: Tensor) -> Tensor:
        out = velocity + update
        for axis in range(3):
            out = out + 0.5 * (
                _central(velocity, axis + 1) * update[axis]
                - _central(update, axis + 1) * velocity[axis]
            )
        return out

    def compose(self, first: Tensor, second: Tensor) -> Tensor:
        return compose(first[None], second[None])[0]

    def resample(
        self, field: Tensor, scale: Floats, offset: Floats, shape: tuple[int, ...]
    ) -> Tensor:
        positions = (identity_grid(shape, field) - self._column(offset)) / self._column(scale)
        return sample(field[None], positions)[0]

    def at(self, field: Tensor, points: Floats) -> Floats:
        positions = self.array(points.T.reshape(1, 3, -1, 1, 1))
        found = sample(field[None], positions)[0, :, :, 0, 0]
        return np.asarray(found.T.cpu().numpy(), np.float64)

    def length(self, field: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(field, dim=0)
        return lengths

    def high_value(self, values: Tensor) -> float:
        some = values.reshape(-1)[:: max(1, values.numel() // 50_000)]
        some = some[some > 0]
        return float(torch.quantile(some, 0.95)) if some.numel() else 0.0

    def capped(self, field: Tensor, cap: float) -> Tensor:
        return field * (cap / self.length(field).clamp(min=1e-12)).clamp(max=1.0)

    def _column(self, values: Any) -> Tensor:
        column = torch.as_tensor(np.asarray(values, np.float32), device=self.device)
        return column.reshape(3, 1, 1, 1)


def _central(image: Tensor, axis: int) -> Tensor:
    """Central differences along `axis`, one-sided halves at the edge (as the kernels do)."""
    n = image.shape[axis]
    index = torch.arange(n, device=image.device)
    ahead = image.index_select(axis, (index + 1).clamp(max=n - 1))
    behind = image.index_select(axis, (index - 1).clamp(min=0))
    return 0.5 * (ahead - behind)
