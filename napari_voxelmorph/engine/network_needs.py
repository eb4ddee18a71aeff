"""Memory and time of one pass of a network, before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.space import Space

#: Peak bytes per voxel of the model's grid while it runs on a CPU, measured at 160 x 192 x 224 by
#: the peak of the process: VoxelMorph-2 128, at half resolution 98, the pyramid 105.
_BYTES = {"full": 130.0, "half": 100.0, "pyramid": 105.0}
#: The two images, on the model's grid and on their way there.
_BYTES_CONFORMED = 24.0
#: Seconds per million voxels on two CPU cores; half of the CPU seconds of the same measurement.
_SECONDS = {"full": 1.2, "half": 0.42, "pyramid": 0.4}
_GPU_MEMORY, _GPU_TIME = 1.5, 0.01
#: Channels that the figures above were measured with.
_WIDTH = 32


@dataclass(frozen=True)
class NetworkNeeds:
    """Rough needs of one pass: bytes on the device, and seconds."""

    bytes: int
    seconds: float


def network_needs(card: ModelCard, fixed: Volume, device: torch.device) -> NetworkNeeds:
    """What one pass of the model takes for this fixed image."""
    voxels, kind = model_voxels(card.space, fixed), _kind(card.architecture)
    # Memory grows with the channels, time with their square.
    wider = max((*card.architecture.encoder, *map(max, card.architecture.decoder))) / _WIDTH
    size = voxels * (_BYTES[kind] * max(1.0, wider) + _BYTES_CONFORMED)
    seconds = voxels / 1e6 * _SECONDS[kind] * max(1.0, wider) ** 2
    if device.type != "cpu":
        size, seconds = size * _GPU_MEMORY, seconds * _GPU_TIME
    return NetworkNeeds(int(size), seconds + 0.5)


def model_voxels(space: Space, fixed: Volume) -> int:
    """Voxels of the grid on which the model sees the pair."""
    if space.shape is not None:
        return math.prod(space.shape)
    sizes = zip(fixed.shape, fixed.spacing, strict=True)
    return math.prod(math.ceil(n * s / (space.spacing or s)) for n, s in sizes)


def _kind(architecture: Architecture) -> str:
    if getattr(architecture, "design", "unet") == "pyramid":
        return "pyramid"
    return "full" if architecture.scale == 1 else "half"
