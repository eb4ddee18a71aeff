"""In which precision and layout a network runs fastest here without being wrong.

bfloat16 halves memory and, with AVX512-BF16, AMX or tensor cores, time.  Elsewhere it is
slower, and some versions of cuDNN compute it wrongly (pytorch#163539) or in a multiple of the
memory (#166643): so it must pass a test on this machine first, once per process.
"""

from __future__ import annotations

import itertools
import time
from functools import cache

import torch
from torch import Tensor, nn

from napari_voxelmorph.engine.networks.network import RegistrationNetwork

#: bfloat16 keeps 8 bits; three convolutions of it are right to about half a percent.
TOLERANCE = 0.02
#: bfloat16 must take at most this share of the time of float32.
GAIN = 0.9
#: Wrong results were seen for large volumes only; on a CPU time is what is tested.
_SHAPES = {"cuda": (160, 192, 224), "cpu": (24, 32, 32)}


def for_inference(network: RegistrationNetwork, device: torch.device) -> RegistrationNetwork:
    """The network itself, on the device, in the precision and layout that suit it.

    Its heads stay in float32: a displacement of 8 voxels in bfloat16 would have steps of 1/16.
    """
    dtype, layout = inference_precision(device, network.architecture.ndim)
    network = network.eval().to(device, dtype)
    network = network.to(memory_format=layout)  # type: ignore[call-overload]
    for name, head in network.named_modules():
        if name.split(".")[-1] in ("field", "log_variance"):
            head.float()
    return network


def inference_precision(
    device: torch.device, ndim: int = 3
) -> tuple[torch.dtype, torch.memory_format]:
    """Type of the weights, and order of the numbers in memory."""
    layout = torch.channels_last_3d if ndim == 3 else torch.channels_last
    if device.type not in _SHAPES:
        return torch.float32, torch.contiguous_format
    return (torch.bfloat16 if bfloat16_is_good(str(device)) else torch.float32), layout


@cache
def bfloat16_is_good(device: str) -> bool:
    """Whether convolutions in bfloat16 are right and faster on this device; asked once."""
    where = torch.device(device)
    if not _has_bfloat16(where):
        return False
    try:
        return _passes(where)
    except RuntimeError:  # also too little memory for the test
        return False


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Without the instructions oneDNN and torch compute it by detours.
    return any(
        getattr(torch.cpu, name, lambda: False)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


@torch.inference_mode()
def _passes(device: torch.device) -> bool:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((1, 16, *_SHAPES[device.type]), generator=generator).to(device)
    runs = {t: _trial(t, image, generator) for t in (torch.float32, torch.bfloat16)}
    times: dict[torch.dtype, list[float]] = {t: [] for t in runs}
    found: dict[torch.dtype, Tensor] = {}
    for _, dtype in itertools.product(range(4), runs):
        began = time.perf_counter()
        layers, x = runs[dtype]
        found[dtype] = layers(x)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times[dtype].append(time.perf_counter() - began)
    return _is_right(*found.values()) and (
        # The first of each warms up.  The quickest is the one that was disturbed least.
        min(times[torch.bfloat16][1:]) < GAIN * min(times[torch.float32][1:])
    )


def _is_right(single: Tensor, half: Tensor) -> bool:
    """Block by block: an error in one corner of a large volume must not drown."""
    error = (half.float() - single).square().mean(1).flatten()
    size = single.square().mean(1).flatten()
    blocks = max(1, len(size) // 4096)
    errors, sizes = (
        t[: len(t) // blocks * blocks].reshape(blocks, -1).mean(1) for t in (error, size)
    )
    return bool((errors < TOLERANCE**2 * sizes).all())


def _trial(
    dtype: torch.dtype, image: Tensor, generator: torch.Generator
) -> tuple[nn.Module, Tensor]:
    generator.manual_seed(1)
    layers = nn.Sequential(*(nn.Conv3d(16, 16, 3, padding=1) for _ in range(3)))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, 0.0, 0.06, generator)
    layout = torch.channels_last_3d
    layers = layers.to(image.device, dtype).to(memory_format=layout)  # type: ignore[call-overload]
    return layers, image.to(dtype).contiguous(memory_format=layout)
