"""Scans for a training: one subject, and a cohort of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume

Split = Literal["", "train", "validation", "test"]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Subject:
    """One scan and what belongs to it; files are opened only when they are needed.

    Parameters
    ----------
    name : str
        Shown to the user; one of a kind within a cohort.
    image : Path or Volume
    labels : Path or Volume, optional
        Segmentation on the grid of the image.
    landmarks : Path or ndarray (P, D), optional
        World mm; matched between scans by their names, an array by its order.
    split : "train", "validation", "test" or "" (not said)
    group : str
        Whose scan it is: scans of one group are never divided among splits.  Default: `name`.
    transform : Path, optional
        Known from elsewhere: from the atlas to this scan; a file of any known format, or a folder
        that `register` wrote.
    attributes : mapping
        Whatever else is known, such as the age.
    """

    name: str
    image: Path | Volume
    labels: Path | Volume | None = None
    landmarks: Path | Points | None = None
    split: Split = ""
    group: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    transform: Path | None = None

    def __post_init__(self) -> None:
        if self.split not in get_args(Split):
            names = ", ".join(name for name in get_args(Split) if name)
            raise InputError(
                f"Subject {self.name}: split must be one of {names}, got {self.split!r}."
            )
        if not self.group:
            object.__setattr__(self, "group", self.name)


@dataclass(frozen=True, eq=False)
class Cohort:
    """The subjects of a training.

    Parameters
    ----------
    name : str
    subjects : tuple of Subject
    notes : tuple of str
        Sentences for the user: what was left out, and why.
    source : str
        Where it was read from.
    """

    name: str
    subjects: tuple[Subject, ...]
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subjects", _told_apart(tuple(self.subjects)))

    def of(self, split: Split) -> tuple[Subject, ...]:
        """The subjects of one split."""
        return tuple(s for s in self.subjects if s.split == split)

    @property
    def labelled(self) -> int:
        """How many subjects have a segmentation."""
        return sum(s.labels is not None for s in self.subjects)

    def summary(self) -> dict[str, Any]:
        """Numbers for the window and the command line: subjects, what they have, splits."""
        splits = Counter(s.split or "not said" for s in self.subjects)
        return {
            "subjects": len(self.subjects),
            "labelled": self.labelled,
            "with landmarks": sum(s.landmarks is not None for s in self.subjects),
            "with transforms": sum(s.transform is not None for s in self.subjects),
            "splits": dict(splits),
        }


def need_subjects(cohort: Cohort, least: int = 2) -> Cohort:
    """The cohort itself.

    Raises
    ------
    InputError
        When it has fewer than `least` subjects, with what was left out and why.
    """
    count = len(cohort.subjects)
    if count >= least:
        return cohort
    found = "no scan that can be used" if count == 0 else f"only {count} scan that can be used"
    why = " ".join(cohort.notes[:3])
    if len(cohort.notes) > 3:
        why += f" (and {len(cohort.notes) - 3} more)"
    raise InputError(f"“{cohort.name}” holds {found}; at least {least} are needed. {why}".rstrip())


def _told_apart(subjects: tuple[Subject, ...]) -> tuple[Subject, ...]:
    """Number the names that occur more than once: two scans of one person."""
    count = Counter(s.name for s in subjects)
    taken, seen = {s.name for s in subjects if count[s.name] == 1}, Counter[str]()
    named = []
    for subject in subjects:
        name = subject.name
        if count[name] > 1:
            while name in taken or name == subject.name:
                seen[subject.name] += 1
                name = f"{subject.name} ({seen[subject.name]})"
            taken.add(name)
        named.append(replace(subject, name=name))
    return tuple(named)
