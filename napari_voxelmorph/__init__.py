"""Align two scans and see whether to believe it.

>>> import napari_voxelmorph as nvm
>>> registrar = nvm.Registrar()
>>> registrar.set_pair(moving=nvm.load("moving.nii.gz"), fixed=nvm.load("fixed.nii.gz"))
>>> result = registrar.register()
>>> nvm.save(result.moved, "moved.nii.gz")

Importing this package is quick: each name loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_voxelmorph.engine.config import PRESETS, RegistrationConfig
    from napari_voxelmorph.engine.files import (
        load,
        load_displacement,
        load_session,
        save,
        save_displacement,
        save_session,
    )
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.registration import Registrar, Registration, Step
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

_HOMES = {
    "PRESETS": "config",
    "RegistrationConfig": "config",
    "Volume": "geometry.volume",
    "Registrar": "registration",
    "Registration": "registration",
    "Step": "registration",
    "load": "files",
    "load_displacement": "files",
    "load_session": "files",
    "save": "files",
    "save_displacement": "files",
    "save_session": "files",
    "make_pair": "synthesis.phantom",
}

__all__ = [
    "PRESETS",
    "Registrar",
    "Registration",
    "RegistrationConfig",
    "Step",
    "Volume",
    "load",
    "load_displacement",
    "load_session",
    "make_pair",
    "save",
    "save_displacement",
    "save_session",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-voxelmorph")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.engine.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
