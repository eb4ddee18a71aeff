"""How much memory and time a training will take: one real step on a small grid, scaled up."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.device import pick_device
from napari_voxelmorph.engine.networks.architecture import PRESETS
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.shelf import find
from napari_voxelmorph.engine.training.batch import stack
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.objective import loss_terms, predict_fields
from napari_voxelmorph.engine.training.samples import Sample

#: Voxels of the trial, about: enough to be in proportion, quick enough not to be noticed.
_MOST_VOXELS = 48**3
_LEAST_AXIS = 16
#: Trial steps, and seconds after which there are no more of them.
_MOST_STEPS, _ENOUGH = 10, 6.0
#: The process with its libraries and compiled kernels, and what the allocator holds back.
_BASELINE, _SLACK = 7e8, 1.25
#: Weights, gradients, and the optimiser's two moments, bytes per weight.
_BYTES_PER_WEIGHT = 16


@dataclass(frozen=True)
class TrainingNeeds:
    """Bytes on the device, and seconds per step; both rough."""

    bytes: int
    seconds_per_step: float


def measure(
    shape: tuple[int, ...], config: TrainingConfig, labels: int = 0
) -> Generator[None, None, TrainingNeeds]:
    """Time a step, and weigh what it keeps for its gradient.

    Parameters
    ----------
    shape : tuple of int
        Voxels of the training's grid.
    labels : int
        Structures of the segmentations.

    Yields
    ------
    None
        Between the trial steps, so that the measurement can be stopped.
    """
    device = pick_device(config.device)
    network = _network(len(shape), config).to(device).train()
    small = trial_shape(shape)
    generator = torch.Generator().manual_seed(0)
    batch = stack([_noise(small, labels, generator)], device)
    kept = _Kept()
    seconds: list[float] = []
    while len(seconds) < 3 or (len(seconds) < _MOST_STEPS and sum(seconds) < _ENOUGH):
        yield
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
            began = time.perf_counter()
            fields = predict_fields(network, batch, config)
            terms = loss_terms(fields, batch, config, network.architecture.scale, labels)
            kept.active = False
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - began)
    ratio = config.batch * _voxels(shape) / _voxels(small)
    weights = sum(p.numel() for p in network.parameters()) * _BYTES_PER_WEIGHT
    need = _BASELINE + weights + _SLACK * kept.bytes * ratio
    return TrainingNeeds(int(need), min(seconds[1:]) * ratio)


def trial_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A smaller grid of about the same proportions, axes in multiples of 16."""
    factor = min(1.0, (_MOST_VOXELS / _voxels(shape)) ** (1 / len(shape)))
    return tuple(
        min(n, max(_LEAST_AXIS, round(n * factor / _LEAST_AXIS) * _LEAST_AXIS)) for n in shape
    )


class _Kept:
    """Sums the storages that a graph keeps for its backward pass, each once (first step only)."""

    def __init__(self) -> None:
        self.bytes, self.active = 0, True
        self._seen: set[int] = set()

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if self.active and storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor

    def unpack(self, tensor: Tensor) -> Tensor:
        return tensor


def _network(ndim: int, config: TrainingConfig) -> RegistrationNetwork:
    if config.start_from:
        return load_model(find(config.start_from))[0].requires_grad_(True)
    architecture = replace(PRESETS[config.network], ndim=ndim)
    return build(architecture, torch.Generator().manual_seed(0))


def _noise(shape: tuple[int, ...], labels: int, generator: torch.Generator) -> Sample:
    moving, fixed = torch.rand((2, 1, *shape), generator=generator)
    if not labels:
        return Sample(moving, fixed)
    size = (2, *shape)
    maps = torch.randint(0, labels + 1, size, generator=generator, dtype=torch.int16)
    return Sample(moving, fixed, maps[0], maps[1])


def _voxels(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
