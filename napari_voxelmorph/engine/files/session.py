"""A saved registration: one folder that opens again exactly as it was.

``session.json`` says everything but the arrays; ``field.npy`` is the velocity or displacement,
``deviation.npy`` how uncertain a probabilistic model was of it,
``fixed.nii.gz`` and ``moving.nii.gz`` are the images.  Segmentations, masks, the result before λ was
chosen and the pinned ones lie beside them (where a folder is saved once more, files carry a
number).  No pickles; no path leads out of the folder, except a reference that the user asked for
and allows again when opening.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from napari_voxelmorph.engine.errors import FileFormatError, InputError, VoxelMorphError
from napari_voxelmorph.engine.files import session_json, session_parts
from napari_voxelmorph.engine.files.reading import HEADER_LIMIT, damaged, reading
from napari_voxelmorph.engine.files.session_folder import INDEX, Place, write_session
from napari_voxelmorph.engine.files.session_parts import Points
from napari_voxelmorph.engine.files.session_registration import (
    ENTRIES,
    read_registration,
    write_registration,
)
from napari_voxelmorph.engine.files.session_window import WindowState, window_from, window_to
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.provenance import installed
from napari_voxelmorph.engine.result import Registration

__all__ = ["INDEX", "Session", "companions_in", "load_session", "open_session", "save_session"]

_FORMAT, _SCHEMA = "napari-voxelmorph session", 1
_WHAT = "a napari-voxelmorph session"
_VERSIONS = ("napari-voxelmorph", "torch", "numpy", "numba", "scipy", "nibabel")


@dataclass(frozen=True, eq=False)
class Session:
    """A registration with all that a window keeps beside it.

    Parameters
    ----------
    registration : Registration
    companions : mapping
        moving_mask, fixed_mask, moving_labels, fixed_labels (Volume) and moving_landmarks,
        fixed_landmarks (ndarray (N, D), world mm of their scan), as far as there are any.
    others : mapping
        Results of the same pair: "untuned", from which λ was chosen, and the pins "A" and "B".
    start : ndarray (D + 1, D + 1), optional
        How the images lay when the run began, fixed world to moving world.
    window : WindowState, optional
        What was seen.
    problems : tuple of str
        Sentences on what could not be read.
    folder : Path, optional
        From where it was opened.
    """

    registration: Registration
    companions: Mapping[str, Volume | Points] = field(default_factory=dict)
    others: Mapping[str, Registration] = field(default_factory=dict)
    start: Matrix | None = None
    window: WindowState | None = None
    problems: tuple[str, ...] = ()
    folder: Path | None = None


def save_session(
    session: Registration | Session,
    folder: str | os.PathLike[str],
    images: Literal["copy", "reference"] = "copy",
) -> None:
    """Write a session folder; an older session of that name is replaced when all is written.

    Whatever happens meanwhile, even the end of the program: the folder opens as the new session
    or as the old one.

    Parameters
    ----------
    session : Registration or Session
    folder : path
        New, empty, or an earlier session.
    images : "copy" or "reference"
        Keep the two images inside, or only where they were opened from and a checksum.

    Raises
    ------
    OutputError
        Nothing half-written remains, and an earlier session is unchanged.
    InputError
        A reference is asked for an image that was not opened from a file.
    """
    if images not in ("copy", "reference"):
        raise InputError(f"save_session: images must be copy or reference, got {images!r}.")
    whole = session if isinstance(session, Session) else Session(session)

    def write(place: Place) -> dict[str, Any]:
        index = {
            "format": _FORMAT,
            "schema": _SCHEMA,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {name: installed(name) for name in _VERSIONS},
            **write_registration(whole.registration, place, images),
        }
        if whole.companions:
            index["companions"] = session_parts.write_companions(whole.companions, place)
        if whole.others:
            index["others"] = session_parts.write_others(whole.others, place)
        if whole.start is not None:
            index["start"] = whole.start
        if whole.window is not None:
            index["window"] = window_to(whole.window)
        return index

    write_session(folder, write)


def load_session(folder: str | os.PathLike[str], follow_references: bool = False) -> Registration:
    """The registration of a session folder; parameters and errors as in `open_session`."""
    place, index = _read_index(folder)
    with reading(place, _WHAT):
        return read_registration(place, index, follow_references)


def open_session(folder: str | os.PathLike[str], follow_references: bool = False) -> Session:
    """Open a session folder with all that was kept beside its registration.

    Parameters
    ----------
    folder : path
        The folder, or the ``session.json`` in it.
    follow_references : bool
        Allow a session that was saved with ``images="reference"`` to open files elsewhere.

    Raises
    ------
    FileFormatError
        No session, damaged, changed by hand, or made by a newer version.
    InputError
        It refers to files elsewhere and `follow_references` is off.
    """
    place, index = _read_index(folder)
    with reading(place, _WHAT):
        registration = read_registration(place, index, follow_references)
    companions, lost = session_parts.read_companions(
        place, index.get("companions"), registration.ndim
    )
    others, lost_too = session_parts.read_others(place, index.get("others"), registration)
    start = session_parts.read_start(index.get("start"), registration.ndim)
    session = Session(registration, companions, others, start, None, (*lost, *lost_too), place)
    if index.get("window") is None:
        return session
    try:
        return replace(session, window=window_from(index["window"], registration.ndim))
    except FileFormatError as error:
        sentence = (
            f"The view of the session “{place.name}” could not be restored: {error}. The result "
            "itself is as it was saved."
        )
        return replace(session, problems=(*session.problems, sentence))


def companions_in(folder: str | os.PathLike[str]) -> frozenset[str]:
    """Roles of the segmentations, masks and landmarks that a session keeps, without reading them.

    Empty as well where the session cannot be opened: who opens it is told why.
    """
    try:
        found = _read_index(folder)[1].get("companions")
    except VoxelMorphError:
        return frozenset()
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _read_index(place: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]]:
    folder = Path(place)
    folder = folder.parent if folder.name == INDEX else folder
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
        missing = ENTRIES - index.keys()
        if missing:
            raise damaged(path, _WHAT, f"it has no entry “{sorted(missing)[0]}”")
    return folder, index
