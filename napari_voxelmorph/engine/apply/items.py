"""What is carried over, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.files.images import WRITERS, suffix_of
from napari_voxelmorph.engine.files.surfaces import SUFFIXES as SURFACES
from napari_voxelmorph.engine.geometry.volume import Volume

Kind = Literal["image", "labels", "points", "surface"]

POINTS = (".csv", ".tsv", ".txt", ".fcsv", ".pts", ".mrk.json")


@dataclass(frozen=True, eq=False)
class PointList:
    """Points (N, D) that are open already, world mm."""

    points: NDArray[np.float64]
    name: str


@dataclass(frozen=True, eq=False)
class Item:
    """One thing to be carried over.

    Parameters
    ----------
    source : Path, Volume or PointList
        A file (or a DICOM folder), or what is open already.
    out : Path
        The file to be written.
    kind : "image", "labels", "points", "surface" or None
        None: points and surfaces by their suffix, labels when the file says so.
    volume_index : int, optional
        One volume of a file with several; default: all of them (4-D NIfTI).
    dicom : bool
        Write an image as a DICOM series (`out` is a folder), a segmentation as DICOM SEG.
    """

    source: Path | Volume | PointList
    out: Path
    kind: Kind | None = None
    volume_index: int | None = None
    dicom: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return self.source.name


def kind_of(path: Path) -> Literal["points", "surface"] | None:
    """Points and surfaces, known by the suffix; None for images."""
    if suffix_of(path, SURFACES):
        return "surface"
    return "points" if suffix_of(path, POINTS) else None


def renamed(source: Path, word: str, kind: Kind | None = None) -> str:
    """``scan.nii.gz`` -> ``scan_moved.nii.gz``; what cannot be written as it came becomes NIfTI or CSV."""
    kind = kind or kind_of(source)
    known = {"points": POINTS, "surface": SURFACES}.get(kind or "image", tuple(WRITERS))
    ending = suffix_of(source, known)
    stem = source.name[: len(source.name) - len(ending)] if ending else source.stem or source.name
    if kind == "points":
        ending = ".mrk.json" if ending == ".mrk.json" else ".csv"
    return f"{stem}_{word}{ending or '.nii.gz'}"
