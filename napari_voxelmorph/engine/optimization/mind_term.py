"""The MIND-SSC term of the field optimiser: descriptors made once per level, then compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_voxelmorph.engine.losses.lncc import box_sum
from napari_voxelmorph.engine.losses.mind import mind_ssc
from napari_voxelmorph.engine.losses.mind_kernels import ONE, descriptor_pairs, mind_bytes
from napari_voxelmorph.engine.optimization.descriptor_force import descriptor_force
from napari_voxelmorph.engine.optimization.field_ops import CpuOps, Ops
from napari_voxelmorph.engine.parallel import run_slabs

#: Local deviation (images have unit deviation) below which MIND counts a place as flat.
_FLAT = 0.2


class MindCpu:
    """Mean squared difference of MIND-SSC descriptors, in bytes (`mind_kernels`)."""

    def __init__(self, ops: CpuOps, fixed: Any, moving: Any, weight: Any, ratio: Any):
        self.ratio, self.weight = ratio, weight * texture(ops, fixed)
        self.total = max(1.0, float(self.weight.sum()))
        pairs = descriptor_pairs(fixed.shape[0] == 1)
        self.fixed, self.moving = mind_bytes(fixed, pairs), mind_bytes(moving, pairs)
        self.needed = _with_neighbours(self.weight > 0)

    def force(self, displacement: Any, out: Any) -> tuple[float, Any]:
        added = np.zeros_like(out)
        parts = run_slabs(
            descriptor_force,
            out.shape[1],
            self.fixed,
            self.moving,
            self.weight,
            self.needed,
            displacement,
            self.ratio,
            added,
        )
        unit = 1.0 / (ONE * ONE)
        out += added * np.float32(unit)
        return -sum(parts) * unit / (self.fixed.shape[-1] * self.total), out


def _with_neighbours(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and the six neighbours of its voxels."""
    out = mask.copy()
    for axis in range(3):
        ahead = (slice(None),) * axis + (slice(1, None),)
        behind = (slice(None),) * axis + (slice(None, -1),)
        out[ahead] |= mask[behind]
        out[behind] |= mask[ahead]
    return out


def texture(ops: Ops, image: Any) -> Any:
    """1 where the image varies, towards 0 where it is flat, 5-voxel windows.

    MIND divides by the local variance: in air it would match noise with noise.
    """
    tensor = torch.as_tensor(image)[None, None]
    count = box_sum(torch.ones_like(tensor), 2)
    mean = box_sum(tensor, 2) / count
    variance = (box_sum(tensor * tensor, 2) / count - mean * mean).clamp(min=0)
    share = (variance.sqrt() / _FLAT).clamp(max=1.0)[0, 0]
    return ops.array(share.numpy()) if isinstance(ops, CpuOps) else share


def mind_channels(image: Any) -> list[Any]:
    """MIND-SSC features of a tensor as a list of images (12 in 3-D)."""
    flat = image.shape[0] == 1
    with torch.inference_mode():
        features = mind_ssc(image[None] if flat else image[None, None])[0]
    return [(f[None] if flat else f).clone() for f in features]
