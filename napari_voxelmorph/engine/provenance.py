"""How a result came about, so that it can be repeated: versions, inputs, device, date."""

from __future__ import annotations

import hashlib
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume


def provenance(
    fixed: Volume, moving: Volume, device: str, when: datetime, start: Matrix | None = None
) -> dict[str, Any]:
    """JSON-ready description of a run."""
    return {
        "created": when.isoformat(timespec="seconds"),
        "device": device,
        "versions": {
            name: installed(name)
            for name in ("napari-voxelmorph", "torch", "numpy", "numba", "scipy")
        },
        "fixed": describe(fixed),
        "moving": describe(moving),
        "start": None if start is None else np.asarray(start).tolist(),
    }


def describe(volume: Volume) -> dict[str, Any]:
    """Name, grid and content hash of an image."""
    return {
        "name": volume.name,
        "path": str(volume.header.get("path", "")),
        "shape": list(volume.shape),
        "spacing_mm": [round(s, 6) for s in volume.spacing],
        "orientation": volume.orientation,
        "dtype": str(volume.data.dtype),
        "sha256": hashlib.sha256(np.ascontiguousarray(volume.data).tobytes()).hexdigest(),
    }


def installed(name: str) -> str:
    """Version of an installed distribution, or an empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
