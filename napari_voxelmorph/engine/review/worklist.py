"""A worklist: cases in order, from a table, a BIDS tree, or a folder of saved sessions."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.label_tables import table_beside
from napari_voxelmorph.engine.files.reading import reading
from napari_voxelmorph.engine.files.session import INDEX, companions_in
from napari_voxelmorph.engine.review.bids_cases import cases_of_bids
from napari_voxelmorph.engine.review.case import Case

_WHAT = "a worklist"
_LARGEST = 64 * 2**20
_MOST_CASES = 100_000
#: What a column may be called -> what it is.
_COLUMNS = {
    **dict.fromkeys(("case", "name", "id", "subject"), "name"),
    **dict.fromkeys(("session", "result"), "session"),
    "fixed": "fixed", "moving": "moving", "moved": "moved",
    **dict.fromkeys(("fixed_labels", "fixed_seg", "reference"), "fixed_labels"),
    **dict.fromkeys(("moving_labels", "moving_seg"), "moving_labels"),
    **dict.fromkeys(("moved_labels", "moved_seg", "labels", "segmentation"), "moved_labels"),
    **dict.fromkeys(("names", "label_names", "table"), "names"),
}  # fmt: skip
_EXPECTED = (
    "case, session, or fixed with moved or moving; and fixed_labels, moving_labels, moved_labels, "
    "names"
)
#: Where a folder of sessions keeps segmentations, beside each session or in it.
_COMPANIONS = ("moved_labels", "moving_labels", "fixed_labels")
_SUFFIXES = (".nii.gz", ".nii", ".mgz", ".nrrd", ".mha")
_DEEPEST = 6


@dataclass(frozen=True)
class Worklist:
    """Cases in the order in which they are judged.

    Parameters
    ----------
    name : str
    cases : tuple of Case
    folder : Path
        Where verdicts on it are kept.
    """

    name: str
    cases: tuple[Case, ...]
    folder: Path


def load_worklist(path: Path | str) -> Worklist:
    """Read a worklist.

    Parameters
    ----------
    path : path
        A CSV or TSV file with a head line (columns: case, session, fixed, moving, moved,
        fixed_labels, moving_labels, moved_labels, names; files relative to the table); a BIDS
        data set; or a folder with saved sessions at any depth up to six, with the labels' names in
        ``label_names.csv`` there or beside a session.

    Raises
    ------
    FileFormatError
        No such file, or not readable as a table.
    InputError
        When it holds no case, or a case twice; with the line.
    """
    path = Path(path)
    with reading(path, _WHAT):
        if path.is_dir():
            if (path / "dataset_description.json").is_file():
                cases, folder = cases_of_bids(path), path / "derivatives" / "review"
            else:
                cases, folder = _sessions(path), path / "review"
        else:
            cases, folder = _table(path), path.with_name(f"{path.stem}.review")
    if not cases:
        raise InputError(
            f"“{path.name}” holds no case. A worklist is a CSV file, a BIDS data set with "
            "segmentations (dseg), or a folder with saved sessions."
        )
    return Worklist(path.stem if path.is_file() else path.name, tuple(cases), folder)


def _sessions(folder: Path) -> list[Case]:
    """One case per saved session below a folder."""
    cases = []
    for session in sorted(_session_folders(folder, 0)):
        inner = session.relative_to(folder)
        # `register --out NAME` writes NAME/session.
        name = inner.parent if inner.name == "session" and inner.parent.name else inner
        found: dict[str, Path] = {}
        for role in _COMPANIONS:
            for place in (session, session.parent):
                for suffix in _SUFFIXES:
                    path = place / f"{role}{suffix}"
                    if role not in found and path.is_file():
                        found[role] = path
        if "moving_labels" in companions_in(session):
            # `register` writes the moved segmentation beside; the session's own still follows λ.
            found.pop("moved_labels", None)
        names = _names_near(session, folder)
        title = name.as_posix() if name.name else folder.name
        cases.append(Case(title, session=session, names=names, **found))
    return cases


def _names_near(session: Path, folder: Path) -> Path | None:
    """A table of the labels' names in the session, beside it, or in the folder of all sessions."""
    for place in (session, session.parent, folder):
        path = table_beside(place / "moving_labels")
        if path is not None:
            return path
    return None


def _session_folders(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / INDEX).is_file():
        yield folder
        return
    if depth == _DEEPEST:
        return
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        # A link could lead in a circle, or out of the folder.
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _session_folders(Path(entry.path), depth + 1)


def _table(path: Path) -> list[Case]:
    if path.stat().st_size > _LARGEST:
        raise FileFormatError(f"“{path.name}” is too large to be a worklist.")
    text = path.read_text(encoding="utf-8-sig")
    if "\0" in text:
        raise FileFormatError(f"“{path.name}” is no table: it holds binary data.")
    lines = [line for line in text.splitlines() if line.strip()]
    head = lines[0] if lines else ""
    separator = max("\t;,", key=head.count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    columns = (
        [_COLUMNS.get(c.strip().lower().replace(" ", "_"), "") for c in rows[0]] if rows else []
    )
    _check_columns(columns, head, path)
    cases: list[Case] = []
    taken: dict[str, int] = {}
    for number, row in enumerate(rows[1 : _MOST_CASES + 1], 2):
        cells = {c: v.strip() for c, v in zip(columns, row, strict=False) if c and v.strip()}
        if not cells:
            continue
        case = _case(cells, path, number)
        if case.name in taken:
            raise InputError(
                f"“{path.name}”, line {number}: the case “{case.name}” is already in line "
                f"{taken[case.name]}. Give each case a name of its own in a column “case”."
            )
        taken[case.name] = number
        cases.append(case)
    return cases


def _check_columns(columns: list[str], head: str, path: Path) -> None:
    if "session" not in columns and "fixed" not in columns:
        raise InputError(
            f"“{path.name}” is no worklist: its first line is “{head.strip()[:80]}”. Expected a "
            f"head line with the columns {_EXPECTED}."
        )
    double = sorted({c for c in columns if c and columns.count(c) > 1})
    if double:
        raise InputError(f"“{path.name}” has more than one column for {double[0]}. Leave one.")


def _case(cells: dict[str, str], path: Path, number: int) -> Case:
    name = cells.pop("name", "")
    files = {role: path.parent / Path(text).expanduser() for role, text in cells.items()}
    if "session" not in files and "fixed" not in files:
        raise InputError(
            f"“{path.name}”, line {number}: this case has neither a session nor a fixed image."
        )
    main = files.get("session") or files["fixed"]
    return Case(name or main.name.split(".")[0], **files)
