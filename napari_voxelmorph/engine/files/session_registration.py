"""A registration in a session's index, and its arrays beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_voxelmorph.engine.files import session_arrays, session_json
from napari_voxelmorph.engine.files.reading import damaged
from napari_voxelmorph.engine.files.session_folder import Place
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.result import Registration

_WHAT = "a napari-voxelmorph session"
#: What an index must hold.
ENTRIES = frozenset(
    ("config", "affine", "field", "fixed", "moving", "metrics", "timings", "provenance")
)


def write_registration(registration: Registration, place: Place, images: str) -> dict[str, Any]:
    """Write the arrays; return what the index says of them (`images`: copy or reference)."""
    index = {"affine": registration.affine, **write_outcome(registration, place, "")}
    for role in ("fixed", "moving"):
        volume = getattr(registration, role)
        index[role] = session_arrays.describe(volume) | (
            session_arrays.write_image(volume, place(f"{role}.nii.gz"))
            if images == "copy"
            else session_arrays.reference(volume)
        )
    return index


def write_outcome(registration: Registration, place: Place, prefix: str) -> dict[str, Any]:
    """All but the images and where they lay: what another λ changes."""
    index: dict[str, Any] = {
        "config": session_json.config_to(registration.config),
        "field": None,
        "metrics": dict(registration.metrics),
        "timings": dict(registration.timings),
        "provenance": dict(registration.provenance),
    }
    field, posterior = registration.field, registration.posterior
    if field is not None:
        path = place(f"{prefix}field.npy")
        session_arrays.write_array(field.data, path)
        index["field"] = _field_index(field, path.name)
    if posterior is not None:
        path = place(f"{prefix}deviation.npy")
        session_arrays.write_array(posterior.deviation.astype(np.float32), path)
        index["posterior"] = _posterior_index(posterior, path.name)
    return index


def read_registration(folder: Path, index: dict[str, Any], follow: bool) -> Registration:
    """The reverse of `write_registration`."""
    volumes = {
        role: session_arrays.read_image(folder, index[role], follow) for role in ("fixed", "moving")
    }
    affine = np.array(index["affine"], dtype=np.float64)
    lying = Registration(volumes["fixed"], volumes["moving"], affine)
    return read_outcome(folder, index, lying)


def read_outcome(folder: Path, index: dict[str, Any], lying: Registration) -> Registration:
    """The reverse of `write_outcome`, for the images of `lying`."""
    field = None if index["field"] is None else _read_field(folder, index["field"])
    if field is not None and field.ndim != lying.ndim:
        raise damaged(folder, _WHAT, "its field and its images differ in dimension")
    return replace(
        lying,
        field=field,
        config=session_json.config_from(index["config"], folder),
        metrics=_numbers(index["metrics"]),
        timings=_numbers(index["timings"]),
        provenance=dict(index["provenance"]),
        posterior=_read_posterior(folder, index.get("posterior"), field),
    )


def _field_index(field: Field, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "kind": field.kind,
        "shape": field.data.shape,
        "dtype": "float32",
        "scale": field.scale,
        "offset": field.offset,
        "sha256": session_arrays.digest(field.data),
    }


def _read_field(folder: Path, entry: dict[str, Any]) -> Field:
    data = session_arrays.read_array(folder, entry)
    return Field(data, np.array(entry["scale"]), np.array(entry["offset"]), entry["kind"])


def _posterior_index(posterior: Posterior, file: str) -> dict[str, Any]:
    data = posterior.deviation.astype(np.float32)
    return {
        "file": file,
        "shape": data.shape,
        "dtype": "float32",
        "smoothing": posterior.smoothing,
        "temperature": posterior.temperature,
        "sha256": session_arrays.digest(data),
    }


def _read_posterior(folder: Path, entry: Any, field: Field | None) -> Posterior | None:
    if entry is None or field is None:
        return None
    deviation = session_arrays.read_array(folder, entry).astype(np.float16)
    return Posterior(field, deviation, entry["smoothing"], entry["temperature"])


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): float(value) for key, value in values.items()}
