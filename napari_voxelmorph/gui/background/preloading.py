"""Load torch, and what else takes long, without stopping the window.

Python holds its lock while it loads a library, and torch's takes a fifth of a second, or
seconds from a cold disk.  Loaded beforehand through the system's own `dlopen`, called as a
foreign function, it stops nobody; `import torch` then finds it there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

#: What the window's thread would load when the first labels, progress bar or λ strip come.
_OF_THE_WINDOW = (
    "pandas",
    "multiprocessing.synchronize",
    "napari_voxelmorph.gui.lambda_strip.strip",
)
_LIBRARIES = ("libtorch_global_deps.so", "libtorch_cpu.so", "libtorch_cuda.so")


def preload_torch() -> None:
    """Load torch's big libraries (Linux), or at least bring them into the disk cache."""
    spec = find_spec("torch")
    if "torch" in sys.modules or spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "lib"
    for library in sorted(folder.glob("*torch_*")):
        if library.suffix in (".so", ".dylib", ".dll"):
            _read(library)
    if sys.platform == "linux":
        for name in _LIBRARIES:
            if (folder / name).exists():
                _open(folder / name)


def preload_window() -> None:
    """Load what would be loaded in the window's thread when it is needed."""
    for name in _OF_THE_WINDOW:
        with contextlib.suppress(ImportError):
            import_module(name)


def is_loaded(name: str) -> bool:
    """Whether a module is there, complete."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def _read(library: Path) -> None:
    with library.open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def _open(library: Path) -> None:
    """`dlopen`; when it fails, the import that follows will say why."""
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    scope = os.RTLD_GLOBAL if "global" in library.name else os.RTLD_LOCAL
    dlopen(os.fsencode(library), scope | os.RTLD_NOW)
