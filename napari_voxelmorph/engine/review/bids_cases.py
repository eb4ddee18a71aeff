"""Cases of a BIDS data set: every segmentation (`dseg`) over the scan in whose space it lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from napari_voxelmorph.engine.files.bids import BidsFile
from napari_voxelmorph.engine.review.case import Case

_SCANS = ("T1w", "T2w", "FLAIR", "PDw", "T2starw", "UNIT1", "bold", "ct")
_SUFFIXES = (".nii.gz", ".nii")
_MANUAL = ("manual", "reference", "gold")
_DEEPEST = 8


def cases_of_bids(folder: Path) -> list[Case]:
    """One case per segmentation that is not manual; a manual one of the same scan is its reference.

    Where there are manual segmentations only, they are the cases.
    """
    files = list(_files(folder, 0))
    scans = [f for f in files if f.suffix in _SCANS]
    segmentations = [f for f in files if f.suffix == "dseg"]
    judged = [f for f in segmentations if not _is_manual(f)] or segmentations
    cases: dict[str, Case] = {}
    for file in judged:
        scan = _scan_of(file, scans)
        if scan is None:
            continue
        manual = next((f for f in segmentations if _is_manual(f) and _same_place(f, file)), None)
        name = file.path.name.split(".")[0].removesuffix("_dseg")
        if name in cases:
            name = f"{name} ({file.path.relative_to(folder).parent.as_posix()})"
        cases[name] = Case(
            name,
            fixed=scan.path,
            moved_labels=file.path,
            fixed_labels=None if manual is None or manual is file else manual.path,
            names=_names(file.path, folder),
        )
    return [cases[name] for name in sorted(cases)]


def _scan_of(file: BidsFile, scans: list[BidsFile]) -> BidsFile | None:
    fitting = [s for s in scans if _same_place(s, file)]
    # The usual scan first; a preprocessed one before the raw one, from the same folder at best.
    return min(
        fitting,
        key=lambda s: (
            s.path.parent != file.path.parent,
            _SCANS.index(s.suffix),
            s.entities.get("desc", "") != "preproc",
            str(s.path),
        ),
        default=None,
    )


def _is_manual(file: BidsFile) -> bool:
    return file.entities.get("desc", "").lower() in _MANUAL


def _same_place(first: BidsFile, second: BidsFile) -> bool:
    return first.visit == second.visit and first.space == second.space


def _names(segmentation: Path, folder: Path) -> Path | None:
    """BIDS keeps the table beside the file, or above it for all files below."""
    own = segmentation.name.split(".")[0]
    places = [segmentation.parent / f"{own}.tsv"]
    for place in (segmentation.parent, *segmentation.parents):
        places += [place / "dseg.tsv", place / "desc-aseg_dseg.tsv"]
        if place == folder:
            break
    return next((p for p in places if p.is_file()), None)


def _files(folder: Path, depth: int) -> Iterator[BidsFile]:
    if depth > _DEEPEST:
        return
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _files(Path(entry.path), depth + 1)
        elif entry.name.startswith("sub-") and entry.name.endswith(_SUFFIXES):
            *pairs, suffix = entry.name.split(".")[0].split("_")
            entities = dict(p.split("-", 1) for p in pairs if "-" in p)
            yield BidsFile(Path(entry.path), suffix, entities)
