"""Random changes of a pair that leave what is to be learned: poses, shapes, brightness, noise.

Both images are mirrored and turned alike, and each a little on its own; segmentations and
landmarks go along.  Everything is one resampling of the prepared scan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_voxelmorph.engine.geometry.voxels import matrix_3d
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.training.data.augment_kernels import resample
from napari_voxelmorph.engine.training.data.changes import Change, Plan
from napari_voxelmorph.engine.training.samples import Sample

Float64 = NDArray[np.float64]
#: Entries of the table of new intensities.
_CURVE = 1024
#: Places per axis at which the inverse of a change is known.
_PLACES = 17


def augmented(sample: Sample, chosen: Plan) -> Sample:
    """The changed pair; of a known displacement the fixed image must keep its shape."""
    parts: dict[str, Any] = {}
    if sample.displacement is not None:
        parts["displacement"] = change_displacement(sample.displacement, chosen)
    for role, change in (("moving", chosen.moving), ("fixed", chosen.fixed)):
        image: Tensor = getattr(sample, role)
        labels: Tensor | None = getattr(sample, f"{role}_labels")
        parts[role], parts[f"{role}_labels"] = change_image(image, labels, change)
        points = getattr(sample, f"{role}_landmarks")
        if points is not None:
            shape = tuple(image.shape[1:])
            moved = change_points(points.double().numpy(), change, shape)
            parts[f"{role}_landmarks"] = torch.from_numpy(moved.astype(np.float32))
    return replace(sample, **parts)


def change_image(
    image: Tensor, labels: Tensor | None, change: Change
) -> tuple[Tensor, Tensor | None]:
    """An image (1, *S) and its labels (*S) after a change."""
    shape = tuple(image.shape[1:])
    lead = (1,) * (3 - len(shape))
    source = image.reshape(*lead, *shape).contiguous().numpy()
    numbers = np.empty((0, 0, 0), np.int16)
    if labels is not None:
        numbers = labels.reshape(*lead, *shape).contiguous().numpy()
    out: NDArray[np.float32] = np.empty(source.shape, np.float32)
    out_labels = np.empty(numbers.shape, np.int16)
    kernel: Any = resample
    args = (
        source,
        numbers,
        _positions(change, out.shape),
        _node_spacing(out.shape, change.grid.shape[1:]),
        *_curve(change.gamma, source),
        np.float32(change.noise),
        np.uint64(change.seed),
        out,
        out_labels,
    )
    # A small image is done before a thread would have begun.
    if out.shape[0] == 1 or out.size < 50_000:
        kernel(*args, 0, out.shape[0])
    else:
        run_slabs(kernel, out.shape[0], *args)
    changed = torch.from_numpy(out.reshape(1, *shape))
    return changed, None if labels is None else torch.from_numpy(out_labels.reshape(shape))


def change_points(points: Float64, change: Change, shape: tuple[int, ...]) -> Float64:
    """Where points (P, D) of the old image lie in the new one: the inverse, by iteration."""
    ndim = len(shape)
    back = np.linalg.inv(change.matrix)
    aim = points @ back[:-1, :-1].T + back[:-1, -1]
    full = (1,) * (3 - ndim) + shape
    spacing = _node_spacing(full, change.grid.shape[1:])
    there = aim.copy()
    for _ in range(20):
        places = np.hstack([np.zeros((len(there), 3 - ndim)), there]) / spacing
        moved = [
            ndimage.map_coordinates(change.grid[c], places.T, order=1, mode="nearest")
            for c in range(3 - ndim, 3)
        ]
        there = aim - np.stack(moved, axis=1)
    return np.asarray(there, np.float64)


def change_displacement(displacement: Tensor, chosen: Plan) -> Tensor | None:
    """Where the moving voxels now lie that belong to the fixed ones; None where those moved too.

    Parameters
    ----------
    displacement : Tensor (D, *S), voxels.
    """
    ndim, shape = len(displacement), tuple(displacement.shape[1:])
    fixed = chosen.fixed
    if not np.allclose(fixed.matrix, np.eye(ndim + 1)) or fixed.grid[:3].any():
        return None
    # The inverse of the change is as smooth as the change: known at some places, it is linear
    # in between.
    axes = [np.linspace(0, n - 1, min(n, _PLACES)) for n in shape]
    places = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    size = tuple(map(len, axes))
    moved = (change_points(places, chosen.moving, shape) - places).T.reshape(ndim, *size)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32)
    there = grid + displacement.numpy()
    spacing = np.array(_node_spacing(shape, size), np.float32).reshape(-1, *(1,) * ndim)
    steps = [
        ndimage.map_coordinates(m.astype(np.float32), there / spacing, order=1, mode="nearest")
        for m in moved
    ]
    return torch.from_numpy((there + np.stack(steps) - grid).astype(np.float32))


def _positions(change: Change, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The grid of a change with the old voxel at every node instead of the displacement."""
    nodes = change.grid.shape[1:]
    axes = [np.arange(n) * step for n, step in zip(nodes, _node_spacing(shape, nodes), strict=True)]
    there = np.stack(np.meshgrid(*axes, indexing="ij")) + change.grid[:3]
    matrix = matrix_3d(change.matrix)
    out = change.grid.copy()
    # Linear in between, as the displacement is: no matrix is needed for every voxel.
    out[:3] = np.tensordot(matrix[:, :3], there, 1) + matrix[:, 3].reshape(3, 1, 1, 1)
    return out


def _node_spacing(shape: tuple[int, ...], nodes: tuple[int, ...]) -> Float64:
    """Voxels between nodes that span the image from its first to its last voxel."""
    gaps = [
        (n - 1) / (m - 1) if m > 1 and n > 1 else 1.0 for n, m in zip(shape, nodes, strict=True)
    ]
    return np.array(gaps, np.float64)


def _curve(gamma: float, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], np.float32]:
    """``value ** gamma`` as a table from 0 to the largest value, and that value."""
    top = np.float32(max(float(image.max()), 1e-6))
    steps = np.linspace(0.0, top, _CURVE, dtype=np.float32)
    return np.power(steps, np.float32(gamma)), top
