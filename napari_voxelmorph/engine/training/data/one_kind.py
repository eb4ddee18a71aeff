"""One scan per subject: of several kinds (T1, T2 ...), that which most subjects have."""

from __future__ import annotations

from collections import Counter, defaultdict

from napari_voxelmorph.engine.training.data import names
from napari_voxelmorph.engine.training.data.folder_files import File


def one_of_each(scans: list[File]) -> tuple[list[File], bool, list[str]]:
    """Leave one kind of scan.

    Returns
    -------
    scans : list of File
    own_folders : bool
        Every subject has a folder of its own.
    notes : list of str
        What was chosen, for the user.
    """
    own_folders = _own_folders(scans)
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[File]] = defaultdict(list)
    for scan in scans:
        groups[scan.place, () if own_folders else names.owner(scan.stem)].append(scan)
    if all(len(group) == 1 for group in groups.values()):
        return scans, own_folders, []

    def kind(scan: File) -> str:
        return scan.rest if own_folders else "_".join(names.kind(scan.stem))

    count = Counter(kind(scan) for scan in scans)
    chosen = min(count, key=lambda k: (-count[k], k))
    kept = [s for s in scans if kind(s) == chosen]
    others = ", ".join(f"“{k or 'no name'}”" for k in sorted(set(count) - {chosen})[:4])
    if not others:  # several files of one kind and one owner: repeated scans
        return scans, own_folders, []
    note = (
        f"Subjects have several images; “{chosen or 'no name'}” is used, and {others} not. Choose "
        "another by a pattern such as *_t1.nii.gz."
    )
    return kept, own_folders, [note]


def _own_folders(scans: list[File]) -> bool:
    """Whether folders stand for subjects: then files of one name lie in several of them."""
    places: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for scan in scans:
        # Numbers count the subjects of a site; a kind of scan has a word.
        if any(not p.isdecimal() for p in names.parts(scan.rest)):
            places[scan.rest.lower()].add(scan.place)
    return any(len(p) > 1 and () not in p for p in places.values())
