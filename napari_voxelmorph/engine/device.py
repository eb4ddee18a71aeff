"""Which device to run on, and what it is called."""

from __future__ import annotations

import platform

import torch

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.preferences import current


def pick_device(name: str = "auto") -> torch.device:
    """The device for `name`; "auto" takes the one of the user's preferences or, when that is
    "auto" too, a CUDA GPU where there is one, else the CPU.

    Raises
    ------
    InputError
        When the device does not exist on this machine.
    """
    if name == "auto":
        return _preferred()
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


def _preferred() -> torch.device:
    name = current().device
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return pick_device(name)
    except InputError as error:
        raise InputError(
            f"The preferences ask for the device “{name}”. {error} Or change it: napari-voxelmorph "
            "preferences --device auto."
        ) from error


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
    """Bytes that can be used now, as far as the user's preferences let this program have them.

    A generous guess where the system does not say.
    """
    free, most = _unused(device), round(current().memory_gb * 1e9)
    return min(free, max(0, most - _taken(device))) if most else free


def memory_words(free: int, device: torch.device) -> str:
    """For an error: ``"3.2 GB are free"``, or what is left of the limit in the preferences."""
    most = current().memory_gb
    if most and free < _unused(device):
        return f"{free / 1e9:.1f} GB are left of the {most:.3g} GB that the preferences allow"
    return f"{free / 1e9:.1f} GB are free"


def _taken(device: torch.device) -> int:
    """Bytes that this program holds already."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    try:
        import psutil
    except ImportError:
        return 0
    return int(psutil.Process().memory_info().rss)


def _unused(device: torch.device) -> int:
    """Bytes that the system would give."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        import psutil
    except ImportError:
        return 8 * 2**30
    return int(psutil.virtual_memory().available)
