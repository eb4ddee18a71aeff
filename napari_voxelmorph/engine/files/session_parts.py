"""What belongs to a session beside its registration: segmentations, masks, landmarks, other λ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.files import session_arrays
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.session_folder import Place
from napari_voxelmorph.engine.files.session_registration import read_outcome, write_outcome
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.result import Registration

Points = NDArray[np.float64]
#: Roles, as everywhere; landmarks are points in world mm of their scan.
VOLUMES = ("moving_mask", "fixed_mask", "moving_labels", "fixed_labels")
LANDMARKS = ("moving_landmarks", "fixed_landmarks")
#: The result that λ was chosen from, and what the strip has pinned -> their files begin so.
OTHERS = {"untuned": "untuned_", "A": "a_", "B": "b_"}
_WHAT = "a napari-voxelmorph session"
_MOST_POINTS = 100_000
Part = TypeVar("Part")


def write_companions(companions: Mapping[str, Volume | Points], place: Place) -> dict[str, Any]:
    """Write copies, whatever is done with the two images; return the entry of the index."""
    entry: dict[str, Any] = {}
    for role, part in companions.items():
        if isinstance(part, Volume):
            path = place(f"{role}.nii.gz")
            entry[role] = session_arrays.describe(part) | session_arrays.write_image(part, path)
        else:
            entry[role] = {"points": np.asarray(part, np.float64)}
    return entry


def read_companions(
    folder: Path, found: Any, ndim: int
) -> tuple[dict[str, Volume | Points], list[str]]:
    """The companions that can be read, by role; and a sentence for each that cannot."""

    def read(role: str, entry: Any) -> Volume | Points:
        if role in VOLUMES:
            return session_arrays.read_image(folder, entry, follow=False)
        points = np.array(entry["points"], np.float64).reshape(-1, ndim)
        if len(points) > _MOST_POINTS:
            raise damaged(folder, _WHAT, f"it has {len(points)} landmarks")
        return points

    return _read(folder, found, (*VOLUMES, *LANDMARKS), read)


def read_start(found: Any, ndim: int) -> Matrix | None:
    """The matrix from which the run began; None where none can be read."""
    try:
        matrix = np.array(found, dtype=np.float64)
        check_affine(matrix, ndim)
    except (VoxelMorphError, ValueError, TypeError):
        return None
    return matrix


def write_others(others: Mapping[str, Registration], place: Place) -> dict[str, Any]:
    """Write other results of the same pair (see `OTHERS`); return the entry of the index."""
    return {name: write_outcome(other, place, OTHERS[name]) for name, other in others.items()}


def read_others(
    folder: Path, found: Any, registration: Registration
) -> tuple[dict[str, Registration], list[str]]:
    """The other results that can be read; and a sentence for each that cannot."""

    def read(name: str, entry: Any) -> Registration:
        return read_outcome(folder, entry, registration)

    return _read(folder, found, tuple(OTHERS), read)


def _read(
    folder: Path, found: Any, names: tuple[str, ...], read: Callable[[str, Any], Part]
) -> tuple[dict[str, Part], list[str]]:
    """Each for itself: what is damaged must not take the registration with it."""
    parts: dict[str, Part] = {}
    problems: list[str] = []
    for name in names:
        entry = found.get(name) if isinstance(found, dict) else None
        if entry is None:
            continue
        try:
            with reading(folder, _WHAT):
                parts[name] = read(name, entry)
        except VoxelMorphError as error:
            problems.append(f"“{name.replace('_', ' ')}” is left out: {error}")
    return parts, problems
