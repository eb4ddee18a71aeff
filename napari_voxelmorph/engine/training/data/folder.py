"""A cohort from a folder: files side by side, images beside labels, or a folder per subject."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data import names
from napari_voxelmorph.engine.training.data.folder_files import File, Role, find_files
from napari_voxelmorph.engine.training.data.one_kind import one_of_each
from napari_voxelmorph.engine.training.data.subject import Cohort, Split, Subject

#: Of a place and a part of a name.
Part = tuple[tuple[str, ...], str]
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def cohort_from_folder(folder: Path | str, images: str = "", labels: str = "") -> Cohort:
    """Find the scans of a folder, and the segmentation of each by its name.

    Parameters
    ----------
    folder : path
        ``NAME.nii.gz`` beside ``NAME_seg.nii.gz`` (or labels, dseg, aseg, mask ...); ``images``
        beside ``labels`` (or the Decathlon's ``imagesTr`` and ``labelsTr``); a folder per
        subject; any of these below ``train``, ``validation`` and ``test``.
    images, labels : str
        Patterns such as ``*_t1.nii.gz`` by which to tell them apart instead.

    Raises
    ------
    InputError
        When there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder “{folder}”.")
    found = find_files(folder, images, labels)
    scans = [f for f in found if f.role is Role.IMAGE]
    segmentations = [f for f in found if f.role is Role.LABELS]
    if not scans:
        raise _nothing(folder, len(segmentations), images, labels)
    scans, own_folders, notes = one_of_each(scans)
    pools: dict[tuple[str, ...], list[File]] = defaultdict(list)
    for file in segmentations:
        pools[file.place].append(file)
    by_part = _by_part(segmentations)
    subjects, used = [], set()
    for scan in scans:
        chosen = _in_own_folder(scan, pools[scan.place]) if own_folders else _by_name(scan, by_part)
        if chosen is not None:
            used.add(chosen.path)
        subjects.append(_subject(scan, chosen, own_folders))
    # Where each subject has several segmentations, those not taken are no mistake.
    places = {s.place for s in scans}
    orphans = [f for f in segmentations if f.path not in used]
    if own_folders:
        orphans = [f for f in orphans if f.place not in places]
    elif len(orphans) >= len(used) > 0:
        orphans = []
    notes += _orphan_note(orphans)
    return Cohort(folder.resolve().name, tuple(subjects), tuple(notes), str(folder.resolve()))


def _in_own_folder(scan: File, pool: list[File]) -> File | None:
    chosen = names.match(scan.rest, [f.rest for f in pool])
    if chosen is not None:
        return pool[chosen]
    # Whatever it is called, it lies in this subject's folder.
    return min(pool, key=lambda f: (names.is_mask(f.stem), f.stem), default=None)


def _by_name(scan: File, by_part: dict[Part, list[File]]) -> File | None:
    """Only the segmentations that share the rarest part of the name are compared."""
    pools = [by_part.get((scan.place, part), []) for part in names.owner(scan.stem)]
    pool = min(pools, key=len)
    chosen = names.match(scan.stem, [f.stem for f in pool])
    return None if chosen is None else pool[chosen]


def _by_part(files: list[File]) -> dict[Part, list[File]]:
    found: dict[Part, list[File]] = defaultdict(list)
    for file in files:
        for part in set(names.parts(file.stem)):
            found[file.place, part].append(file)
    return found


def _subject(scan: File, labels: File | None, own_folders: bool) -> Subject:
    split = next((_SPLITS[p.lower()] for p in scan.place if p.lower() in _SPLITS), "")
    own = "_".join(p for p in scan.place if p.lower() not in _SPLITS)
    name = own if own_folders and own else scan.stem
    return Subject(
        name,
        scan.path,
        None if labels is None else labels.path,
        split=split,  # type: ignore[arg-type]
        group=names.person("/".join((*scan.place, scan.stem))),
    )


def _orphan_note(orphans: list[File]) -> list[str]:
    if not orphans:
        return []
    some = ", ".join(f"“{f.path.name}”" for f in orphans[:3])
    more = f" and {len(orphans) - 3} more" if len(orphans) > 3 else ""
    return [f"No image belongs to the segmentations {some}{more}: they are not used."]


def _nothing(folder: Path, labels: int, images: str, pattern: str) -> InputError:
    if images or pattern:
        which = " and ".join(f"“{p}”" for p in (images, pattern) if p)
        return InputError(f"No image in “{folder}” fits the patterns {which}.")
    if labels:
        return InputError(
            f"“{folder}” holds {labels} segmentations and no image they belong to. Put the images "
            "beside them (NAME.nii.gz and NAME_seg.nii.gz), or say by patterns which are which."
        )
    return InputError(
        f"“{folder}” holds no image. A folder with NIfTI, MGZ, NRRD, MHA or DICOM scans is expected."
    )
