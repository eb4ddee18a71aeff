"""The files of a cohort's folder, each with its role: image or segmentation."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.images import READERS, suffix_of
from napari_voxelmorph.engine.files.loaded import stem
from napari_voxelmorph.engine.training.data import names

_IMAGES = {"images", "image", "imagestr", "scans", "volumes", "imgs"}
_LABELS = {"labels", "label", "labelstr", "segmentations", "segs", "masks"}
#: The Decathlon's scans without labels; what other programs and earlier runs left.
_UNUSED = {"imagests", "cache", "derivatives", "__macosx"}
_DICOM = (".dcm", ".dicom", ".ima")
_DEEPEST, _MOST = 5, 100_000


class Role(Enum):
    """What a file is taken for."""

    IMAGE = "image"
    LABELS = "labels"
    NEITHER = "neither"


@dataclass(frozen=True)
class File:
    """A file that can be read as an image.

    Parameters
    ----------
    path : Path
    place : tuple of str
        The folders between the cohort's and the file; `images` and `labels` do not count.
    stem : str
        The name without its suffix.
    rest : str
        The stem without the parts that the folders say already; the stem where none is left.
    in_images : bool
        Below a folder that says "images".
    """

    path: Path
    role: Role
    place: tuple[str, ...]
    stem: str
    rest: str
    in_images: bool


def find_files(folder: Path, images: str = "", labels: str = "") -> list[File]:
    """All files below `folder` that may be scans or segmentations, by path.

    Raises
    ------
    InputError
        When there are too many to be one cohort.
    """
    files = []
    for path in _walk(folder, 0, set()):
        files.append(_describe(path, folder, images, labels))
        if len(files) > _MOST:
            raise InputError(
                f"“{folder}” holds more than {_MOST} images. Choose the folder of the cohort itself."
            )
    if not images and any(f.in_images for f in files):
        # Previews and templates may lie beside "images"; the cohort is inside.
        files = [f for f in files if f.in_images or f.role is Role.LABELS]
    volumes = [f for f in files if READERS.get(_suffix(f.path)) != "pictures"]
    return volumes if any(f.role is Role.IMAGE for f in volumes) else files


def _walk(folder: Path, depth: int, seen: set[str]) -> Iterator[Path]:
    # A link may lead back up.
    place = os.path.realpath(folder)
    if place in seen:
        return
    seen.add(place)
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        return
    if depth and any(e.name.lower().endswith(_DICOM) for e in entries):
        yield folder  # one DICOM series
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name.lower() in _UNUSED:
            continue
        if entry.is_dir():
            if depth < _DEEPEST:
                yield from _walk(path, depth + 1, seen)
        elif suffix_of(path, READERS) and not _second_of_pair(path):
            yield path


def _second_of_pair(path: Path) -> bool:
    """Whether this is the .img to a .hdr."""
    return path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()


def _describe(path: Path, folder: Path, images: str, labels: str) -> File:
    inside = path.relative_to(folder)
    above = [p.lower() for p in inside.parts[:-1]]
    place = tuple(p for p in inside.parts[:-1] if p.lower() not in _IMAGES | _LABELS)
    name = stem(path)
    said = {part for p in place for part in names.parts(p)}
    rest = "_".join(p for p in names.parts(name) if p not in said)
    in_images = bool(_IMAGES & set(above))
    role = _role(inside, name, above, images, labels)
    return File(path, role, place, name, rest or name, in_images)


def _role(inside: Path, name: str, above: list[str], images: str, labels: str) -> Role:
    if labels and _fits(inside, labels):
        return Role.LABELS
    if images:
        return Role.IMAGE if _fits(inside, images) else Role.NEITHER
    if _LABELS & set(above):
        return Role.NEITHER if labels else Role.LABELS
    if not _IMAGES & set(above) and (names.is_labels(name) or names.is_mask(name)):
        return Role.NEITHER if labels else Role.LABELS
    return Role.IMAGE


def _fits(inside: Path, pattern: str) -> bool:
    return fnmatch.fnmatch(inside.name, pattern) or fnmatch.fnmatch(inside.as_posix(), pattern)


def _suffix(path: Path) -> str:
    return suffix_of(path, READERS) or ""
