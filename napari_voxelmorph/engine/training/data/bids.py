"""A cohort from a BIDS tree, through ancpbids: scans, sessions, segmentations, participants."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.bids import VISIT, BidsFile
from napari_voxelmorph.engine.files.reading import reading
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject

#: Kinds of anatomical scans in the order in which they are preferred.
_SCANS = ("T1w", "T2w", "FLAIR", "PDw", "T2starw", "angio", "inplaneT1", "inplaneT2", "UNIT1")
_IMAGES = (".nii", ".nii.gz")


def cohort_from_bids(folder: Path | str, suffix: str = "") -> Cohort:
    """Read a BIDS data set.

    Every session of a participant is a scan of its own; all of one participant stay in one
    split.  Segmentations (`dseg`) are found in the tree and in its derivatives, where they lie
    in the scan's own space.  Columns of `participants.tsv` become attributes.

    Parameters
    ----------
    suffix : str
        Kind of scan, such as "T2w"; default: that which most participants have, T1w first.

    Raises
    ------
    InputError
        Without the library, or without a scan of that kind.
    FileFormatError
        When the tree cannot be read.
    """
    folder = Path(folder)
    files = _files(folder)
    scans = [f for f in files if f.suffix in _SCANS]
    people = Counter(kind for kind, _ in {(f.suffix, f.entities["sub"]) for f in scans})
    if not scans or (suffix and suffix not in people):
        found = ", ".join(sorted(people)) or "no anatomical scan"
        raise InputError(
            f"The BIDS data set “{folder.resolve().name}” holds {found}"
            + (
                f", and no {suffix}."
                if suffix
                else ". Scans such as sub-01_T1w.nii.gz are expected."
            )
        )
    chosen = suffix or max(people, key=lambda kind: (people[kind], -_SCANS.index(kind)))
    labels: dict[tuple[str, ...], list[BidsFile]] = defaultdict(list)
    for file in files:
        if file.suffix == "dseg" and not file.space:
            labels[file.visit[:2]].append(file)
    attributes = _participants(folder / "participants.tsv")
    subjects = [
        _subject(scan, labels[scan.visit[:2]], attributes)
        for scan in _one_per_visit([f for f in scans if f.suffix == chosen])
    ]
    others = [f"{kind} ({people[kind]})" for kind in sorted(people) if kind != chosen]
    notes = [f"{chosen} scans are used; there are also {', '.join(others)}."] if others else []
    return Cohort(folder.resolve().name, tuple(subjects), tuple(notes), str(folder.resolve()))


def _files(folder: Path) -> list[BidsFile]:
    """All images of the tree, the raw ones first."""
    try:
        library: Any = import_module("ancpbids")
    except ImportError as error:
        raise InputError(
            "Reading a BIDS data set needs the package ancpbids. Install it with "
            "“pip install napari-voxelmorph[bids]”, or choose the scans by a table."
        ) from error
    if not folder.is_dir():
        raise InputError(f"There is no folder “{folder}”.")
    _check_description(folder / "dataset_description.json")
    with reading(folder, "a BIDS data set"):
        layout = library.BIDSLayout(str(folder))
        found = [
            BidsFile(Path(a.get_absolute_path()), a.suffix, _entities(a))
            for kind in (*_SCANS, "dseg")
            for a in layout.get(suffix=kind, return_type="object")
            if a.name.endswith(_IMAGES)
        ]
    found = [f for f in found if f.entities.get("sub")]
    return sorted(found, key=lambda f: ("derivatives" in f.path.parts, str(f.path)))


def _check_description(path: Path) -> None:
    """The library's own words on a damaged description help nobody."""
    if not path.is_file():
        return
    with reading(path, "the description of a BIDS data set"):
        values = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")


def _entities(artifact: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in artifact.get_entities().items()}


def _one_per_visit(scans: list[BidsFile]) -> list[BidsFile]:
    """The plainest name of each visit; raw data before derivatives."""
    visits: dict[tuple[str, ...], list[BidsFile]] = defaultdict(list)
    for scan in scans:
        visits[scan.visit].append(scan)
    return [
        min(group, key=lambda f: ("derivatives" in f.path.parts, len(f.entities), str(f.path)))
        for _, group in sorted(visits.items())
    ]


def _subject(
    scan: BidsFile, labels: list[BidsFile], attributes: dict[str, dict[str, str]]
) -> Subject:
    """A scan with the segmentation that contradicts it in nothing and adds the least."""
    fits = [
        f
        for f in labels
        if all(f.entities.get(k, v) == v for k, v in scan.entities.items() if k != "space")
    ]
    best = min(fits, key=lambda f: (len(f.entities), str(f.path)), default=None)
    person = f"sub-{scan.entities['sub']}"
    name = "_".join(f"{e}-{scan.entities[e]}" for e in VISIT if e in scan.entities)
    return Subject(
        name,
        scan.path,
        None if best is None else best.path,
        group=person,
        attributes=attributes.get(person, {}),
    )


def _participants(path: Path) -> dict[str, dict[str, str]]:
    """Columns of the participants, without what is not known ("n/a")."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"“{path}” could not be read as a table: {error}.") from error
    found = {}
    for row in rows:
        who = row.pop("participant_id", None)
        if who:
            name = who if who.startswith("sub-") else f"sub-{who}"
            found[name] = {k: v for k, v in row.items() if isinstance(k, str) and v and v != "n/a"}
    return found
