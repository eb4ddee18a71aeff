"""What was found in a case, kept beside the verdicts, so that a report needs no image again."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_voxelmorph.engine.files import session_json
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import output_error, writing
from napari_voxelmorph.engine.review.rows import COLUMNS, Row

_FOLDER, _WHAT = "cases", "the findings of a case"
_LARGEST = 64 * 2**20


@dataclass(frozen=True)
class Found:
    """One structure of a case: numbers by column, reasons in words, a PNG or nothing."""

    id: int
    name: str
    values: dict[str, float]
    flags: tuple[str, ...] = ()
    edited: str = ""
    picture: bytes = b""


@dataclass(frozen=True)
class Findings:
    """All that was measured of a case.

    Parameters
    ----------
    structures : tuple of Found
        The worst first.
    about : mapping
        Provenance of the result: versions, settings, inputs, λ.
    """

    case: str
    structures: tuple[Found, ...]
    about: dict[str, Any] = field(default_factory=dict)


def found_in(row: Row, edited: str = "", picture: bytes = b"") -> Found:
    """A row of the table as it is kept."""
    values = {column.key: row.value(column.key) for column in COLUMNS}
    return Found(row.id, row.name, values, row.flags, edited, picture)


def keep_findings(folder: Path, findings: Findings) -> None:
    """Write the findings of a case; those of before stay until the new ones are on the disk.

    Raises
    ------
    OutputError
        When they cannot be written.
    """
    place = Path(folder) / _FOLDER
    name = file_name(findings.case)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(place, error) from error
    structures = []
    for number, found in enumerate(findings.structures):
        entry = dataclasses.asdict(found)
        entry["picture"] = ""
        if found.picture:
            entry["picture"] = f"{name}_{number + 1}.png"
            with writing(place / entry["picture"]) as temporary:
                temporary.write_bytes(found.picture)
        structures.append(entry)
    index = {"case": findings.case, "structures": structures, "about": findings.about}
    with writing(place / f"{name}.json") as temporary:
        temporary.write_text(session_json.dumps(index), encoding="utf-8")


def kept_findings(folder: Path, case: str) -> Findings | None:
    """Read them again; None when the case has not been measured.

    Raises
    ------
    FileFormatError
        When the file is damaged.
    """
    path = Path(folder) / _FOLDER / f"{file_name(case)}.json"
    if not path.is_file():
        return None
    with reading(path, _WHAT):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, _WHAT, "it is far too large")
        index = session_json.loads(path.read_text(encoding="utf-8"))
        structures = tuple(_found(entry, path.parent) for entry in index["structures"])
        return Findings(str(index["case"]), structures, dict(index["about"]))


def _found(entry: Mapping[str, Any], folder: Path) -> Found:
    picture = b""
    name = str(entry["picture"])
    # Only files of our own naming: a damaged index must not lead out of the folder.
    if re.fullmatch(r"[\w.-]+_\d+\.png", name) and (folder / name).is_file():
        picture = (folder / name).read_bytes()
    return Found(
        int(entry["id"]),
        str(entry["name"]),
        {str(k): float(v) for k, v in dict(entry["values"]).items()},
        tuple(str(flag) for flag in entry["flags"]),
        str(entry["edited"]),
        picture,
    )


def file_name(case: str) -> str:
    """A safe file name; different cases get different ones."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", case).strip("-")[:60] or "case"
    return f"{plain}_{hashlib.sha256(case.encode()).hexdigest()[:8]}"
