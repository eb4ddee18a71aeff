"""Resampling by a displacement, in torch: the only place that knows `grid_sample`.

Everything here is differentiable and runs on any device, in 2-D and 3-D.  Displacements
are in voxels, array order, pull-back: ``moved(x) = moving(x + u(x))``.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from napari_voxelmorph.engine.errors import InputError

Mode = Literal["linear", "nearest", "cubic"]


def identity_grid(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Voxel coordinates (1, D, *S) in array order, on the device and dtype of `like`."""
    axes = [torch.arange(n, device=like.device, dtype=like.dtype) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def sample(image: Tensor, positions: Tensor, mode: Mode = "linear") -> Tensor:
    """Values of `image` at `positions`, clamped to the edge.

    Parameters
    ----------
    image : Tensor (B, C, *S)
    positions : Tensor (B, D, *T)
        Voxel coordinates of `image`, array order.

    Returns
    -------
    Tensor (B, C, *T)
    """
    ndim = image.ndim - 2
    if positions.shape[1] != ndim:
        raise InputError(
            f"sample: positions must have {ndim} components for an image with {ndim} axes, "
            f"got {positions.shape[1]}."
        )
    if image.dtype in (torch.bfloat16, torch.float16):
        # Half precision cannot tell neighbouring voxels of a large image apart.
        return sample(image.float(), positions.float(), mode).to(image.dtype)
    if mode == "cubic":
        return _sample_cubic(image, positions)
    size = torch.tensor(image.shape[2:], device=positions.device, dtype=positions.dtype)
    size = size.reshape(1, ndim, *([1] * (positions.ndim - 2)))
    # An axis of one voxel has no extent: every position on it reads that voxel.
    unit = torch.where(
        size > 1, 2 * positions / (size - 1).clamp(min=1) - 1, torch.zeros_like(positions)
    )
    grid = unit.flip(1).movedim(1, -1)  # grid_sample wants (x, y, z), last
    kind = "bilinear" if mode == "linear" else "nearest"
    return functional.grid_sample(image, grid, kind, "border", align_corners=True)


def warp(image: Tensor, displacement: Tensor, mode: Mode = "linear") -> Tensor:
    """``moved(x) = image(x + u(x))``, edge clamped.

    Parameters
    ----------
    image : Tensor (B, C, *S)
    displacement : Tensor (B, D, *S)
        Voxels, array order.
    """
    if image.shape[2:] != displacement.shape[2:]:
        raise InputError(
            f"warp: image {tuple(image.shape[2:])} and displacement "
            f"{tuple(displacement.shape[2:])} must share one grid."
        )
    if displacement.dtype in (torch.bfloat16, torch.float16):
        displacement = displacement.float()
    positions = identity_grid(tuple(image.shape[2:]), displacement) + displacement
    return sample(image, positions, mode)


def warp_labels(labels: Tensor, displacement: Tensor) -> Tensor:
    """Warp an integer label map (B, 1, *S): linear on each label's mask, largest share wins.

    One label at a time, so that memory does not grow with the number of labels.
    """
    best = torch.full(labels.shape, -1.0, device=labels.device)
    moved = torch.zeros_like(labels)
    for label in torch.unique(labels):
        share = warp((labels == label).to(displacement.dtype), displacement)
        wins = share > best
        best = torch.where(wins, share, best)
        moved = torch.where(wins, label, moved)
    return moved


def warp_points(points: Tensor, displacement: Tensor) -> Tensor:
    """Where points of the *fixed* grid lie in the moving one: ``p + u(p)``.

    Parameters
    ----------
    points : Tensor (B, N, D), voxels.  Use the inverse displacement for moving points.
    """
    ndim = displacement.shape[1]
    positions = points.movedim(-1, 1).reshape(points.shape[0], ndim, -1, *([1] * (ndim - 1)))
    found = sample(displacement, positions)
    return points + found.reshape(points.shape[0], ndim, -1).movedim(1, -1)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Displacement of ``warp(warp(image, first), second)``: ``second(x) + first(x + second(x))``."""
    return second + warp(first, second)


def resize(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Linear resize (B, C, *S) → (B, C, *shape) that keeps the corner voxels in place."""
    ndim = image.ndim - 2
    kind = "trilinear" if ndim == 3 else "bilinear"
    return functional.interpolate(image, size=shape, mode=kind, align_corners=True)


def resize_field(field: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`resize` a (B, D, *S) field and its vectors: factor ``(n_out - 1) / (n_in - 1)`` per axis."""
    factors = [
        (m - 1) / (n - 1) if n > 1 else 1.0 for m, n in zip(shape, field.shape[2:], strict=True)
    ]
    scale = torch.tensor(factors, device=field.device, dtype=field.dtype)
    return resize(field, shape) * scale.reshape(1, -1, *([1] * len(shape)))


def _sample_cubic(image: Tensor, positions: Tensor) -> Tensor:
    """Catmull-Rom interpolation (Keys 1981, a = -1/2), edge clamped."""
    ndim = image.ndim - 2
    low = positions.detach().floor()
    weights = [_cubic_weights(positions[:, d] - low[:, d]) for d in range(ndim)]
    low_index = low.long()
    batch = torch.arange(image.shape[0], device=image.device).reshape(
        -1, *([1] * (positions.ndim - 2))
    )
    total = torch.zeros((), device=image.device, dtype=image.dtype)
    for corner in range(4**ndim):
        weight: Tensor | float = 1.0
        index = []
        for d in range(ndim):
            tap = corner // 4**d % 4
            weight = weight * weights[d][tap]
            index.append((low_index[:, d] + tap - 1).clamp(0, image.shape[2 + d] - 1))
        values = image.movedim(1, -1)[(batch, *index)]  # (B, *T, C)
        total = total + values.movedim(-1, 1) * weight.unsqueeze(1)  # type: ignore[union-attr]
    return total


def _cubic_weights(t: Tensor) -> list[Tensor]:
    t2, t3 = t * t, t * t * t
    return [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
