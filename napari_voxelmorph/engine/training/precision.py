"""Which precision the convolutions of a training run in: a self-test decides.

What is right and faster for registering (`networks.precision`) need not be so with a gradient:
so the network's own gradient is computed in both precisions, once, and compared.
"""

from __future__ import annotations

import copy
import time

import torch
from torch import Tensor

from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.precision import bfloat16_is_good
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.objective import as_network_wants

#: Largest axis of the test images: enough to show, quick enough not to be noticed.
_LARGEST = 64
#: bfloat16 keeps 8 bits: gradients of a correct convolution agree to about 1 %.
_AGREEMENT, _GAIN = 0.995, 0.9

NAMES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_precision(
    network: RegistrationNetwork,
    shape: tuple[int, ...],
    device: torch.device,
    config: TrainingConfig,
) -> str:
    """ "float32", or "bfloat16" where it is wanted or the self-test finds it right and faster."""
    if config.precision != "auto":
        return config.precision
    if not bfloat16_is_good(str(device)):  # as it is for registering
        return "float32"
    if config.fit == "uncertainty":  # the field has no gradient to compare
        return "bfloat16"
    generator = torch.Generator().manual_seed(0)
    size = tuple(min(n, _LARGEST) for n in shape)
    image = torch.rand((2, 1, network.architecture.channels, *size), generator=generator)
    pair = [as_network_wants(i.to(device)) for i in image]
    trial = copy.deepcopy(network)
    times, slopes = [], []
    for dtype in (torch.float32, torch.bfloat16):
        slopes.append(_gradient(trial, pair, dtype))  # also warms up
        began = time.perf_counter()
        _gradient(trial, pair, dtype)
        times.append(time.perf_counter() - began)
    likeness = torch.nn.functional.cosine_similarity(slopes[0], slopes[1], dim=0)
    right = bool(torch.isfinite(slopes[1]).all()) and float(likeness) > _AGREEMENT
    return "bfloat16" if right and times[1] < _GAIN * times[0] else "float32"


def _gradient(network: RegistrationNetwork, pair: list[Tensor], dtype: torch.dtype) -> Tensor:
    """Gradient of the mean square of the field, times a constant, with respect to all weights."""
    with torch.autocast(pair[0].device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        field = network(*pair)
    field = field.float()
    (field / field.detach().square().mean().sqrt()).square().mean().backward()
    slope = torch.cat(
        [p.grad.float().reshape(-1) for p in network.parameters() if p.grad is not None]
    )
    network.zero_grad(set_to_none=True)
    return slope.cpu()
