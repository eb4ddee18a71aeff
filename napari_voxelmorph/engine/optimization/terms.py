"""What "similar" means to the field optimiser: value, and slope with respect to the moved image.

A term holds the two images of a level and tells, for a warp, how similar they are (larger is
better) and which force that puts on the field.  The force uses the gradient of the *moved*
image, which is the right one for updates composed on the right, ``exp(v) ∘ exp(d)``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.losses import lncc_kernels
from napari_voxelmorph.engine.losses.lncc import lncc
from napari_voxelmorph.engine.optimization.field_ops import CpuOps, Ops, TorchOps
from napari_voxelmorph.engine.optimization.histogram_slope import (
    mutual_information_slope,
    mutual_information_slope_cpu,
)
from napari_voxelmorph.engine.optimization.mind_term import MindCpu, mind_channels, texture
from napari_voxelmorph.engine.parallel import run_slabs

#: Added per voxel to the local variances of images of unit deviation: noise in flat
#: regions then counts little (1e-1 costs .01 Dice on brains, 1e-4 as much on noisy ones).
LNCC_FLOOR = 1e-3


class Term(Protocol):
    """Similarity of a level's pair under a warp."""

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        """Similarity, and `out` with the force added; displacement in cells of the field."""


class LnccCpu:
    """Squared local correlation by numba kernels; see `losses.lncc_kernels`."""

    def __init__(self, ops: CpuOps, fixed: Any, moving: Any, weight: Any, ratio: Any, radius: int):
        self.ops, self.moving, self.ratio, self.radius = ops, moving, ratio, radius
        self.weight = weight
        self.whole = bool((weight == 1).all())
        self.fixed = fixed if self.whole else fixed * weight
        n = fixed.shape[0]
        self.count, self.sums, squares = (np.empty_like(fixed) for _ in range(3))
        ones = np.ones_like(fixed)
        run_slabs(lncc_kernels.box_sums, n, weight, ones, radius, self.count)
        np.maximum(self.count, 1, out=self.count)
        run_slabs(lncc_kernels.box_sums, n, self.fixed, ones, radius, self.sums)
        run_slabs(lncc_kernels.box_sums, n, self.fixed, self.fixed, radius, squares)
        floor = np.float32(LNCC_FLOOR)
        self.variance = np.maximum(squares - self.sums**2 / self.count, 0) + floor * self.count
        self.adjoints = [np.empty_like(fixed) for _ in range(3)]
        self.slope = squares  # its memory is free now

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        moved = self.ops.warp(self.moving, displacement, self.ratio)
        seen = moved if self.whole else moved * self.weight
        n = seen.shape[0]
        parts = run_slabs(
            lncc_kernels.lncc_adjoints,
            n,
            self.fixed,
            seen,
            self.weight,
            self.count,
            self.sums,
            self.variance,
            self.radius,
            np.float32(LNCC_FLOOR),
            *self.adjoints,
        )
        run_slabs(
            lncc_kernels.lncc_gradient, n, self.fixed, seen, *self.adjoints, self.radius, self.slope
        )
        if not self.whole:
            self.slope *= self.weight
        value = sum(parts) / max(1.0, float(self.weight.sum()))
        return value, self.ops.force(self.slope, moved, self.ratio, out)


class LnccTorch:
    """Squared local correlation by torch, for GPUs."""

    def __init__(
        self, ops: TorchOps, fixed: Any, moving: Any, weight: Any, ratio: Any, radius: int
    ):
        self.ops, self.fixed, self.moving, self.weight = ops, fixed, moving, weight
        self.ratio, self.radius = ratio, radius

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        moved = self.ops.warp(self.moving, displacement, self.ratio)
        leaf = moved.detach().requires_grad_(True)
        loss = lncc(
            self.fixed[None, None],
            leaf[None, None],
            self.radius,
            mask=self.weight[None, None],
            floor=LNCC_FLOOR,
        )
        (slope,) = torch.autograd.grad(loss, leaf)
        # A mean over voxels; the kernels work with the sum.
        slope = -slope * float(self.weight.sum())
        return -float(loss.detach()), self.ops.force(slope, moved, self.ratio, out)


class Channels:
    """Mean squared difference over channels: plain MSE, or MIND features (Heinrich 2013)."""

    def __init__(self, ops: Ops, fixed: list[Any], moving: list[Any], weight: Any, ratio: Any):
        self.ops, self.fixed, self.moving, self.weight, self.ratio = (
            ops,
            fixed,
            moving,
            weight,
            ratio,
        )

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        value = 0.0
        scale = 2.0 / len(self.fixed)
        for fixed, moving in zip(self.fixed, self.moving, strict=True):
            moved = self.ops.warp(moving, displacement, self.ratio)
            difference = (fixed - moved) * self.weight
            value -= float((difference * difference).sum())
            out = self.ops.force(difference * scale, moved, self.ratio, out)
        return value / (len(self.fixed) * max(1.0, float(self.weight.sum()))), out


class MutualInformation:
    """Mutual information of the two intensity histograms."""

    def __init__(self, ops: Ops, fixed: Any, moving: Any, weight: Any, ratio: Any):
        self.ops, self.fixed, self.moving, self.weight, self.ratio = (
            ops,
            fixed,
            moving,
            weight,
            ratio,
        )
        self.on_cpu = isinstance(ops, CpuOps)

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        moved = self.ops.warp(self.moving, displacement, self.ratio)
        by = mutual_information_slope_cpu if self.on_cpu else mutual_information_slope
        value, slope = by(self.fixed, moved, self.weight)
        return value, self.ops.force(slope, moved, self.ratio, out)


class Balanced:
    """A sum of two terms, the second weighted so that both pull equally to begin with."""

    def __init__(self, ops: Ops, first: Term, second: Term):
        self.ops, self.first, self.second, self.share = ops, first, second, 0.0

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        value, force = self.first.force(displacement, self.ops.zeros(tuple(out.shape)))
        other, pull = self.second.force(displacement, self.ops.zeros(tuple(out.shape)))
        if not self.share:
            strengths = [self.ops.high_value(self.ops.length(f)) for f in (force, pull)]
            self.share = strengths[0] / strengths[1] if strengths[1] > 0 else 0.0
        return value + self.share * other, out + force + pull * self.share


def make_term(
    config: RegistrationConfig,
    ops: Ops,
    fixed: Any,
    moving: Any,
    weight: Any,
    ratio: NDArray[np.int64],
    coarse: bool = False,
) -> Term:
    """The term that `config.similarity` names, for one level (`coarse`: the first of three)."""
    if config.similarity == "lncc":
        # A square of 5 x 5 pixels says less than a cube of 5 x 5 x 5 voxels: 9 x 9 in 2-D.
        radius = config.radius * (2 if fixed.shape[0] == 1 else 1)
        if isinstance(ops, CpuOps):
            return LnccCpu(ops, fixed, moving, weight, ratio, radius)
        assert isinstance(ops, TorchOps)
        return LnccTorch(ops, fixed, moving, weight, ratio, radius)
    if config.similarity == "mi":
        return MutualInformation(ops, fixed, moving, weight, ratio)
    if config.similarity == "mse":
        return Channels(ops, [fixed], [moving], weight, ratio)
    # MIND takes one edge of the skull for another when it lies nearer: mutual information
    # alone where steps are long, then both.
    information = MutualInformation(ops, fixed, moving, weight, ratio)
    if coarse:
        return information
    return Balanced(ops, information, _mind(ops, fixed, moving, weight, ratio))


def _mind(ops: Ops, fixed: Any, moving: Any, weight: Any, ratio: Any) -> Term:
    if isinstance(ops, CpuOps):
        return MindCpu(ops, fixed, moving, weight, ratio)
    textured = weight * texture(ops, fixed)
    return Channels(ops, mind_channels(fixed), mind_channels(moving), textured, ratio)
