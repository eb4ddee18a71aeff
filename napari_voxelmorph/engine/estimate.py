"""How much memory and time a run will take, before it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.device import free_memory, memory_words
from napari_voxelmorph.engine.errors import NotEnoughMemoryError
from napari_voxelmorph.engine.files.coarse import coarse_grid, coarser_sizes, offer
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.loaded_model import card_of
from napari_voxelmorph.engine.network_needs import network_needs

#: The process with its libraries, before any image is read.
_BASELINE = 3.2e8
#: Bytes per voxel of the finest level that the optimiser holds at its peak, measured on real
#: brains by the peak of the process (symmetric: what a second term adds).
_BYTES_PER_WORK_VOXEL = {"lncc": 60, "mse": 55, "mi": 55, "mind": 85}
_BYTES_SYMMETRIC = {"lncc": 25, "mse": 10, "mi": 10, "mind": 30}
#: GPUs hold the descriptors of MIND as numbers, not as bytes, and the tape of torch besides.
_MIND_AS_NUMBERS = 3.5
_DEVICE_FACTOR = {"cpu": 1.0, "cuda": 4.0, "mps": 4.0}
#: Resampling and the metrics need this per voxel of the fixed image, whatever the level.
_BYTES_PER_FIXED_VOXEL = 43
#: Copies of each input voxel, besides the voxel as it came.
_BYTES_PER_INPUT_VOXEL = 10
#: Seconds per million finest-level voxels and iteration, on two CPU cores.
_SECONDS_PER_MILLION = {"cpu": 0.12, "cuda": 0.004, "mps": 0.02}


@dataclass(frozen=True)
class Estimate:
    """Rough needs of a run: bytes on the device, and seconds."""

    bytes: int
    seconds: float

    @property
    def text(self) -> str:
        """For people: ``"1.3 GB, about 12 s"``."""
        return f"{self.bytes / 1e9:.1f} GB, about {max(1, round(self.seconds))} s"


def work_voxels(fixed: Volume, resolution: float) -> float:
    """Voxels of the finest level: the fixed grid, or a coarser one of `resolution` mm."""
    spacing = np.array(fixed.spacing)
    finest = np.maximum(spacing, resolution)
    return float(np.prod(np.array(fixed.shape) * spacing / finest))


def estimate(
    fixed: Volume, moving: Volume, config: RegistrationConfig, device: torch.device
) -> Estimate:
    """What a run will need, the process and its libraries included."""
    held = sum(v.data.size * (v.data.itemsize + _BYTES_PER_INPUT_VOXEL) for v in (fixed, moving))
    need = held + _BASELINE
    least = fixed.data.size * _BYTES_PER_FIXED_VOXEL
    if config.transform == "none":
        return Estimate(int(need + least), 3.0)
    seconds = 3.0
    if config.model:
        network = network_needs(card_of(config.model), fixed, device)
        seconds += network.seconds
        least = max(least, network.bytes)
    if config.model and not config.refine:
        return Estimate(int(need + least), seconds)
    found = _optimiser_needs(fixed, config, device)
    return Estimate(int(need + max(least, found.bytes)), seconds + found.seconds)


def _optimiser_needs(fixed: Volume, config: RegistrationConfig, device: torch.device) -> Estimate:
    """Of the field optimiser alone."""
    iterations = config.refine_iterations if config.model else config.iterations
    voxels = work_voxels(fixed, config.resolution)
    per_voxel: float = _BYTES_PER_WORK_VOXEL[config.similarity]
    per_voxel += _BYTES_SYMMETRIC[config.similarity] * config.symmetric
    if config.similarity == "mind" and device.type != "cpu":
        per_voxel *= _MIND_AS_NUMBERS
    factor = 1.5 if config.similarity == "mind" else 1.0
    factor *= 2 if config.symmetric else 1
    passes = sum(n / 8.0**i for i, n in enumerate(reversed(iterations)))
    seconds = voxels / 1e6 * passes * _SECONDS_PER_MILLION[device.type] * factor
    return Estimate(int(voxels * per_voxel * _DEVICE_FACTOR[device.type]), seconds)


def check_memory(
    fixed: Volume, moving: Volume, config: RegistrationConfig, device: torch.device
) -> None:
    """Raise `NotEnoughMemoryError`, with a grid that would fit, when the run will not fit.

    The grids of the two count, not their voxels: headers do (see `files.peek`).
    """
    free = free_memory(device)
    need = estimate(fixed, moving, config, device).bytes
    if need <= free:
        return
    left = memory_words(free, device)
    if config.model:
        slimmer = estimate(fixed, moving, replace(config, model=""), device).bytes
        if slimmer <= free:
            raise NotEnoughMemoryError(
                f"With the model “{config.model}” this pair needs about {need / 1e9:.1f} GB on "
                f"{device} and {left}. Choose a model that works at half "
                f"resolution, or none ({slimmer / 1e9:.1f} GB), or close other programs."
            )
    base = max(config.resolution, min(fixed.spacing))
    for factor in (1.5, 2, 3, 4, 6, 8):
        coarser = replace(config, resolution=min(20.0, float(f"{base * factor:.2g}")))
        smaller = estimate(fixed, moving, coarser, device).bytes
        if smaller <= free:
            raise NotEnoughMemoryError(
                f"This pair needs about {need / 1e9:.1f} GB on {device} and {left}. "
                f"Set “Finest resolution” to {coarser.resolution:g} mm "
                f"({smaller / 1e9:.1f} GB), or close other programs."
            )
    sentence = f"This pair needs about {need / 1e9:.1f} GB on {device} and {left}."
    for size in coarser_sizes([*fixed.spacing, *moving.spacing]):
        grids = coarse_grid(fixed, size), coarse_grid(moving, size)
        smaller = estimate(*grids, config, device).bytes
        if smaller <= free:
            raise NotEnoughMemoryError(f"{sentence} {offer(size, smaller)}", size)
    raise NotEnoughMemoryError(
        f"{sentence} Even a coarse grid does not fit. Crop or downsample the images first."
    )
