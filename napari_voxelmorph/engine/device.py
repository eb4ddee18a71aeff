"""Which device to run on, and what it is called."""

from __future__ import annotations

import platform

import torch

from napari_voxelmorph.engine.errors import InputError


def pick_device(name: str = "auto") -> torch.device:
    """The device for `name`; "auto" takes a CUDA GPU where there is one, else the CPU.

    Raises
    ------
    InputError
        When the device does not exist on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"Unknown device “{name}”: use auto, cpu, cuda, cuda:1 or mps.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"Device “{name}” is not there: this machine has {torch.cuda.device_count()} CUDA "
            "device(s). Choose auto or cpu."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("Device “mps” is not there. Choose auto or cpu.")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"Device “{name}” is not supported: use auto, cpu, cuda or mps.")
    return device


def available_devices() -> list[str]:
    """Names that `pick_device` takes on this machine, best first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def describe_device(device: torch.device) -> str:
    """For people: ``"NVIDIA RTX A4000 (cuda:0)"`` or ``"CPU (x86_64)"``."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return f"{device.type.upper()} ({platform.machine()})"


def free_memory(device: torch.device) -> int:
    """Bytes that can be used now; a generous guess where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        import psutil
    except ImportError:
        return 8 * 2**30
    return int(psutil.virtual_memory().available)
