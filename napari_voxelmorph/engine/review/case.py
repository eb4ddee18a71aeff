"""One case of a worklist: which files belong to it, and the pair that they make."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError, VoxelMorphError
from napari_voxelmorph.engine.evaluation.structures import Measured
from napari_voxelmorph.engine.files import Session, load, open_session
from napari_voxelmorph.engine.files.label_tables import (
    LabelName,
    load_label_table,
    table_beside,
)
from napari_voxelmorph.engine.geometry.volume import Kind, Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.review.corrected import load_corrected


@dataclass(frozen=True)
class Case:
    """The files of one case; either `session`, or `fixed` with something that was moved to it.

    Parameters
    ----------
    name : str
        Unique in its worklist.
    session : Path, optional
        A saved registration; its own segmentations count where no files are given.
    fixed, moving, moved : Path, optional
        Images; `moved` and `moving` lie in the fixed world as their headers say.
    fixed_labels : Path, optional
        The segmentation to compare with.
    moving_labels, moved_labels : Path, optional
        The segmentation on the moving image; or what became of it, on the fixed one.
    names : Path, optional
        Table of the labels' names; default: one that lies beside the segmentation.
    """

    name: str
    session: Path | None = None
    fixed: Path | None = None
    moving: Path | None = None
    moved: Path | None = None
    fixed_labels: Path | None = None
    moving_labels: Path | None = None
    moved_labels: Path | None = None
    names: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Role -> file, of those that are given."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return {role: path for role, path in found.items() if path is not None}


@dataclass(frozen=True, eq=False)
class OpenCase:
    """A case with its images read.

    Parameters
    ----------
    moving_labels : Volume or None
        On the moving image, or (`moved` True) already on the fixed one.
    corrected : ndarray (*S) or None
        The moved segmentation as it was corrected by hand, on the fixed grid.
    note : str
        What of the session, or of a correction that was kept, could not be read.
    session : Session or None
        From which the registration came, as it is.
    """

    case: Case
    registration: Registration
    moving_labels: Volume | None
    fixed_labels: Volume | None
    names: dict[int, LabelName]
    corrected: NDArray[Any] | None = None
    note: str = ""
    session: Session | None = None


def opening(case: Case, folder: Path | None = None) -> Generator[Measured, None, OpenCase]:
    """Read the files of a case, yielding between them.

    Parameters
    ----------
    folder : Path, optional
        Of the worklist, where corrections are kept.

    Raises
    ------
    InputError
        When files are missing or do not fit together.
    FileFormatError
        When one of them cannot be read.
    """
    labels: dict[str, Volume] = {}
    yield Measured(0.0)
    session = None if case.session is None else open_session(case.session, follow_references=True)
    registration = _registration(case) if session is None else session.registration
    kept = {} if session is None else session.companions
    for role in ("fixed_labels", "moving_labels", "moved_labels"):
        path = getattr(case, role)
        # A file of the session itself has been read with it.
        if path is not None and not (path.parent == case.session and role in kept):
            yield Measured(0.5)
            labels[role] = _load(path, "labels")
    note = "" if session is None else " ".join(session.problems)
    for role in ("fixed_labels", "moving_labels"):
        # What the worklist names goes first; a session may bring its own.
        part = kept.get(role)
        if role not in labels and "moved_labels" not in labels and isinstance(part, Volume):
            labels[role] = part
    moving_labels = labels.get("moving_labels")
    if moving_labels is None and "moved_labels" in labels:
        # What was moved elsewhere is shown as it is: nothing is left to deform.
        moving_labels = labels["moved_labels"]
        eye = np.eye(registration.ndim + 1)
        if registration.field is not None or not np.array_equal(registration.affine, eye):
            yield Measured(0.8)
            registration = replace(registration, moving=registration.moved, affine=eye, field=None)
            session = None
    found = OpenCase(
        case, registration, moving_labels, labels.get("fixed_labels"), _names(case), None, note,
        session,
    )  # fmt: skip
    if folder is None or moving_labels is None:
        return found
    yield Measured(0.9)
    try:
        return replace(found, corrected=load_corrected(folder, case.name, registration.fixed))
    except VoxelMorphError as error:  # the case can be judged without it
        return replace(found, note=f"{note} {error}".strip())


def _registration(case: Case) -> Registration:
    if case.fixed is None:
        raise InputError(f"The case “{case.name}” names neither a session nor a fixed image.")
    fixed = _load(case.fixed, "image")
    other = case.moved or case.moving
    moving = fixed if other is None else _load(other, "image")
    return Registration(fixed, moving, np.eye(fixed.ndim + 1))


def _load(path: Path, kind: Kind) -> Volume:
    if not path.exists():
        raise InputError(f"There is no file “{path}”; the worklist names it.")
    return load(path, kind)


def _names(case: Case) -> dict[int, LabelName]:
    path = case.names
    for labels in (case.fixed_labels, case.moving_labels, case.moved_labels):
        if path is None and labels is not None:
            path = table_beside(labels)
    return {} if path is None else load_label_table(path)
