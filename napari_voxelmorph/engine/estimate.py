"""How much memory and time a run will take, before it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.device import free_memory
from napari_voxelmorph.engine.errors import NotEnoughMemoryError
from napari_voxelmorph.engine.geometry.volume import Volume

#: Bytes per voxel of the finest level that the optimiser holds at once (measured, see
#: benchmarks/NOTES.md), and per voxel of the two inputs.
_BYTES_PER_WORK_VOXEL = {"cpu": 60, "cuda": 240, "mps": 240}
_BYTES_PER_INPUT_VOXEL = 12
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
    """What a run will need."""
    inputs = (fixed.data.size + moving.data.size) * _BYTES_PER_INPUT_VOXEL
    if config.transform == "none":
        return Estimate(int(inputs + 3e8), 3.0)
    voxels = work_voxels(fixed, config.resolution)
    factor = 4 if config.similarity in ("mind", "mi") else 1
    need = voxels * _BYTES_PER_WORK_VOXEL[device.type] * factor + inputs + 3e8
    passes = sum(n / 8.0**i for i, n in enumerate(reversed(config.iterations)))
    seconds = 3.0 + voxels / 1e6 * passes * _SECONDS_PER_MILLION[device.type] * factor
    return Estimate(int(need), seconds * (2 if config.symmetric else 1))


def check_memory(
    fixed: Volume, moving: Volume, config: RegistrationConfig, device: torch.device
) -> None:
    """Raise `NotEnoughMemoryError`, with a grid that would fit, when the run will not fit."""
    free = free_memory(device)
    need = estimate(fixed, moving, config, device).bytes
    if need <= free:
        return
    base = max(config.resolution, min(fixed.spacing))
    for factor in (1.5, 2, 3, 4, 6, 8):
        coarser = replace(config, resolution=min(20.0, round(base * factor, 2)))
        smaller = estimate(fixed, moving, coarser, device).bytes
        if smaller <= free:
            raise NotEnoughMemoryError(
                f"This pair needs about {need / 1e9:.1f} GB on {device} and {free / 1e9:.1f} GB are "
                f"free. Set “Finest resolution” to {coarser.resolution:g} mm "
                f"({smaller / 1e9:.1f} GB), or close other programs."
            )
    raise NotEnoughMemoryError(
        f"This pair needs about {need / 1e9:.1f} GB on {device} and {free / 1e9:.1f} GB are free; "
        "even a coarse grid does not fit. Crop or downsample the images first."
    )
