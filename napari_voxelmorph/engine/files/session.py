"""A saved registration: one folder that opens again exactly as it was.

``session.json`` says everything but the arrays; ``field.npy`` is the velocity or displacement,
``deviation.npy`` how uncertain a probabilistic model was of it,
``fixed.nii.gz`` and ``moving.nii.gz`` are the images.  No pickles; no path leads out of the
folder, except a reference that the user asked for and allows again when opening.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import session_arrays, session_json
from napari_voxelmorph.engine.files.reading import HEADER_LIMIT, damaged, reading
from napari_voxelmorph.engine.files.writing import folder_writing
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.provenance import installed
from napari_voxelmorph.engine.result import Registration

INDEX, DEVIATION = "session.json", "deviation.npy"
_FORMAT, _SCHEMA = "napari-voxelmorph session", 1
_WHAT = "a napari-voxelmorph session"
_VERSIONS = ("napari-voxelmorph", "torch", "numpy", "numba", "scipy", "nibabel")


def save_session(
    registration: Registration,
    folder: str | os.PathLike[str],
    images: Literal["copy", "reference"] = "copy",
) -> None:
    """Write a session folder; an older session of that name is replaced when all is written.

    Parameters
    ----------
    folder : path
        New, empty, or an earlier session.
    images : "copy" or "reference"
        Keep the images inside, or only where they were opened from and a checksum.

    Raises
    ------
    OutputError
        Nothing half-written remains, and an earlier session is unchanged.
    InputError
        A reference is asked for an image that was not opened from a file.
    """
    if images not in ("copy", "reference"):
        raise InputError(f"save_session: images must be copy or reference, got {images!r}.")
    with folder_writing(folder, INDEX) as temporary:
        index = _index(registration)
        for role in ("fixed", "moving"):
            volume: Volume = getattr(registration, role)
            index[role] |= (
                session_arrays.write_image(volume, temporary / f"{role}.nii.gz")
                if images == "copy"
                else session_arrays.reference(volume)
            )
        if registration.field is not None:
            index["field"] = _field_index(registration.field)
            session_arrays.write_array(registration.field.data, temporary / "field.npy")
        if registration.posterior is not None:
            index["posterior"] = _posterior_index(registration.posterior)
            deviation = registration.posterior.deviation.astype(np.float32)
            session_arrays.write_array(deviation, temporary / DEVIATION)
        text = session_json.dumps(index)
        (temporary / INDEX).write_text(text, encoding="utf-8")


def load_session(folder: str | os.PathLike[str], follow_references: bool = False) -> Registration:
    """Open a session folder.

    Parameters
    ----------
    folder : path
    follow_references : bool
        Allow a session that was saved with ``images="reference"`` to open files elsewhere.

    Raises
    ------
    FileFormatError
        No session, damaged, changed by hand, or made by a newer version.
    InputError
        It refers to files elsewhere and `follow_references` is off.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == INDEX else folder
    index = _read_index(folder)
    with reading(folder, _WHAT):
        field = None if index["field"] is None else _read_field(folder, index["field"])
        volumes = {
            role: session_arrays.read_image(folder, index[role], follow_references)
            for role in ("fixed", "moving")
        }
        if field is not None and field.ndim != volumes["fixed"].ndim:
            raise damaged(folder, _WHAT, "its field and its images differ in dimension")
        return Registration(
            volumes["fixed"],
            volumes["moving"],
            np.array(index["affine"], dtype=np.float64),
            field,
            session_json.config_from(index["config"], folder),
            _numbers(index["metrics"]),
            _numbers(index["timings"]),
            dict(index["provenance"]),
            posterior=_read_posterior(folder, index.get("posterior"), field),
        )


def _index(registration: Registration) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "schema": _SCHEMA,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: installed(name) for name in _VERSIONS},
        "config": session_json.config_to(registration.config),
        "affine": registration.affine,
        "field": None,
        "fixed": session_arrays.describe(registration.fixed),
        "moving": session_arrays.describe(registration.moving),
        "metrics": dict(registration.metrics),
        "timings": dict(registration.timings),
        "provenance": dict(registration.provenance),
    }


def _field_index(field: Field) -> dict[str, Any]:
    return {
        "file": "field.npy",
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


def _posterior_index(posterior: Posterior) -> dict[str, Any]:
    data = posterior.deviation.astype(np.float32)
    return {
        "file": DEVIATION,
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


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    if not path.is_file():
        raise FileFormatError(
            f"“{folder.name}” is not {_WHAT}: a folder with a file {INDEX} is expected. Choose the "
            "folder that was saved."
        )
    with reading(path, _WHAT):
        if path.stat().st_size > HEADER_LIMIT:
            raise damaged(path, _WHAT, "it is far too large")
        index = session_json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(index, dict) or index.get("format") != _FORMAT:
            raise damaged(path, _WHAT, "it was not written by napari-voxelmorph")
        schema = index.get("schema")
        if not isinstance(schema, int) or schema < 1:
            raise damaged(path, _WHAT, "it does not give its schema")
        if schema > _SCHEMA:
            made_by = dict(index.get("versions") or {}).get("napari-voxelmorph", "?")
            raise FileFormatError(
                f"The session “{folder.name}” was saved by a newer napari-voxelmorph ({made_by}, "
                f"schema {schema}; this one reads up to {_SCHEMA}). Update napari-voxelmorph."
            )
        missing = {"config", "affine", "field", "fixed", "moving", "metrics", "timings",
                   "provenance"} - index.keys()  # fmt: skip
        if missing:
            raise damaged(path, _WHAT, f"it has no entry “{sorted(missing)[0]}”")
    return index


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {str(key): float(value) for key, value in values.items()}
