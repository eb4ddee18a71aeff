"""By what a scan is known again: its file for speed, its content for certainty."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.training.data.subject import Subject

#: Raise it when prepared files of older versions must not be used any more.
_VERSION = 2


def key_of(*parts: Any) -> str:
    """A short name for a file, from JSON values."""
    text = json.dumps([_VERSION, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def source_key(subject: Subject) -> str:
    """Of all files of a subject: another key whenever one of them was changed on disk."""
    parts = [subject.image, subject.labels, subject.landmarks]
    if subject.transform is not None:
        parts.append(subject.transform)
    return key_of(*(_state(part) for part in parts))


def digest(image: Path | Volume) -> str:
    """Of the content, whatever the file is called: the first 16 digits of its SHA-256."""
    if isinstance(image, Volume):
        return _array_digest(image.data)
    if image.is_dir():
        total = hashlib.sha256()
        for path in sorted(p for p in image.iterdir() if p.is_file()):
            total.update(path.read_bytes())
        return total.hexdigest()[:16]
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _state(part: Path | Volume | NDArray[Any] | None) -> Any:
    if part is None:
        return None
    if isinstance(part, Volume):
        return [_array_digest(part.data), part.affine.tolist()]
    if isinstance(part, Path):
        paths = sorted(part.iterdir()) if part.is_dir() else [part]
        stats = [p.stat() for p in paths]
        return [str(part.resolve()), [[s.st_size, s.st_mtime_ns] for s in stats]]
    return _array_digest(np.asarray(part))


def _array_digest(data: NDArray[Any]) -> str:
    content = np.ascontiguousarray(data)
    name = f"{content.dtype.str}{content.shape}".encode()
    return hashlib.sha256(name + content.tobytes()).hexdigest()[:16]
