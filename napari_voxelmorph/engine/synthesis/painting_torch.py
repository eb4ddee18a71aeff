"""From a plan to an image with torch, on any device: what `painting` does, in plain operations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.geometry.warp import identity_grid, sample
from napari_voxelmorph.engine.synthesis.acquisition import GAIN_SPACING, Acquisition, tone_curve
from napari_voxelmorph.engine.synthesis.noise import Array
from napari_voxelmorph.engine.synthesis.painting import (
    BINS,
    TEXTURE_SPACING,
    Plan,
    bright_percentile,
)
from napari_voxelmorph.engine.synthesis.placement import FIELD_SPACING
from napari_voxelmorph.engine.synthesis.row_kernels import BYTES_STD

_WORD = 0xFFFFFFFF


def white(shape: tuple[int, ...], seed: int, device: torch.device) -> Tensor:
    """The white noise of the kernels, (n0, n1, n2): a hash of the voxel's number."""
    h = torch.arange(int(np.prod(shape)), device=device)
    h = ((h * 0x9E3779B9) & _WORD) ^ seed
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        h = h ^ (h >> shift)
        h = (h * factor) & _WORD
    total = (h & 0xFF) + ((h >> 8) & 0xFF) + ((h >> 16) & 0xFF) + (h >> 24)
    return ((total - 510).float() / BYTES_STD).reshape(shape)


def upsample(grid: Array, spacing: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """A coarse grid (C, g0, g1, g2), node g at voxel ``spacing · g``, on the image's (C, *shape)."""
    coarse = torch.from_numpy(np.ascontiguousarray(grid)).to(device)[None]
    return sample(coarse, identity_grid(shape, coarse) / spacing)[0]


def render(plan: Plan, shape: tuple[int, ...], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The image (float32, 0 to 1.5) and the structures (int16), (n0, n1, n2), on `device`."""
    device, scan = torch.device(device), plan.acquisition
    image, structures = _paint(plan, shape, device)
    for axis, along in enumerate(scan.operators):
        if along.weights.shape[1] > 1:
            matrix = torch.from_numpy(along.dense()).to(device)
            image = torch.tensordot(matrix, image, ([1], [axis])).movedim(0, axis)
    image = image * upsample(scan.gain[None], GAIN_SPACING, shape, device)[0]
    if scan.noise > 0:
        image = image + scan.noise * white(shape, scan.seed ^ 0x5BD1E995, device)
    return _finished(image.abs(), scan), structures


def _paint(plan: Plan, shape: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    labels = torch.from_numpy(plan.labels).to(device)
    places = upsample(plan.displacement, FIELD_SPACING, shape, device)
    places = places + identity_grid(shape, places)[0]
    matrix = torch.from_numpy(plan.matrix).to(device)
    places = torch.tensordot(matrix[:, :3], places, 1) + (matrix[:, 3] + 0.5)[:, None, None, None]
    palette = torch.from_numpy(plan.palette).to(device)
    label = _labels_at(labels, places, plan.wrap)
    value = torch.zeros(shape, device=device)
    for offset in torch.from_numpy(plan.offsets).to(device):
        part = _labels_at(labels, places + offset[:, None, None, None], plan.wrap)
        value = value + palette[0][part]
    value = value / len(plan.offsets)
    value = value + palette[1][label] * white(shape, plan.acquisition.seed, device)
    wave = upsample(plan.texture[None], TEXTURE_SPACING, shape, device)[0]
    structures = torch.from_numpy(plan.structure).to(device)[label]
    return value + palette[2][label] * wave, structures


def _labels_at(labels: Tensor, places: Tensor, wrap: bool) -> Tensor:
    """Labels (int64) at positions (3, *S) that count from the voxels' edges."""
    index = places.floor().long()
    inside = torch.ones_like(index[0], dtype=torch.bool)
    for axis, n in enumerate(labels.shape):
        if wrap:
            index[axis] %= n
        else:
            inside &= (index[axis] >= 0) & (index[axis] < n)
            index[axis].clamp_(0, n - 1)
    return torch.where(inside, labels[index[0], index[1], index[2]].long(), 0)


def _finished(image: Tensor, scan: Acquisition) -> Tensor:
    box = tuple(slice(int(a), int(b)) for a, b in scan.box)
    seen = image[box]
    low, high = float(seen.min()), float(seen.max())
    out = torch.zeros_like(image)
    if not high > low:
        return out
    counts = torch.histc(seen, BINS, low, high).cpu().numpy().astype(np.int64)
    top = bright_percentile(counts, low, high, scan.percentile)
    curve = torch.from_numpy(tone_curve(low, high, top, scan.gamma)).to(image.device)
    last = curve.numel() - 1
    at = (seen - low) * (last / (high - low))
    index = at.long().clamp(0, last - 1)
    out[box] = curve[index] + (at - index) * (curve[index + 1] - curve[index])
    return out
