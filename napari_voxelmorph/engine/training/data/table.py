"""A cohort from a CSV or TSV file: one line per scan."""

from __future__ import annotations

import csv
import difflib
import io
from pathlib import Path
from typing import get_args

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.training.data.subject import Cohort, Split, Subject

#: What a column may be called -> what it is.
_COLUMNS = {
    **dict.fromkeys(("image", "images", "scan", "file", "path"), "image"),
    **dict.fromkeys(("labels", "label", "seg", "segmentation"), "labels"),
    **dict.fromkeys(("landmarks", "points"), "landmarks"),
    **dict.fromkeys(("transform", "transforms", "warp"), "transform"),
    "split": "split",
    **dict.fromkeys(("subject", "subject_id", "participant_id"), "subject"),
    "group": "group",
}
_SPLITS: dict[str, Split] = {
    **{name: name for name in get_args(Split)},
    **dict.fromkeys(("training", "tr"), "train"),
    **dict.fromkeys(("valid", "val"), "validation"),
    **dict.fromkeys(("testing", "ts"), "test"),
}
_FILES = ("image", "labels", "landmarks", "transform")
_EXPECTED = "image (needed), labels, landmarks, transform, split, subject, group"
_LARGEST = 256 * 2**20
Row = dict[str, str]


def cohort_from_table(path: Path | str) -> Cohort:
    """Read a table with a head line; every other column becomes an attribute.

    Parameters
    ----------
    path : path
        Separated by commas, semicolons or tabs.  Columns: ``image`` (needed), ``labels``,
        ``landmarks``, ``transform`` (known, from the atlas to the scan): files, relative to the
        table; ``split``: train, validation or test; ``subject``: whose scan it is; ``group``:
        scans that stay together in one split (default: those of one subject).

    Raises
    ------
    FileFormatError
        No such file, or no text.
    InputError
        On missing, doubled or misspelt columns, and on an unknown split.
    """
    path = Path(path)
    rows, attributes = _rows(path)
    subjects, notes = [], []
    for line, row in rows:
        if not any(row.values()):
            continue
        subject, problem = _subject(row, path, line, attributes)
        if subject is not None:
            subjects.append(subject)
        if problem:
            notes.append(problem)
    return Cohort(path.stem, tuple(subjects), tuple(notes), str(path.resolve()))


def _rows(path: Path) -> tuple[list[tuple[int, Row]], list[str]]:
    """Numbered lines as dictionaries, and the names of the attributes."""
    text = _text(path)
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = max("\t;,", key=head.count)
    try:
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        lines = [(reader.line_num, [c.strip() for c in cells]) for cells in reader]
    except csv.Error as error:
        raise FileFormatError(f"“{path.name}” could not be read as a table: {error}.") from error
    lines = [(n, cells) for n, cells in lines if any(cells)]
    if len(lines) < 2:
        raise InputError(
            f"“{path.name}” holds no scan. Expected a head line with the columns {_EXPECTED}, and a "
            "line per scan."
        )
    columns = _columns(lines[0][1], path)
    attributes = [c for c in columns if c not in _COLUMNS.values()]
    rows = []
    for number, cells in lines[1:]:
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise InputError(
                f"“{path.name}”, line {number}: {len(cells)} cells, but the head line has "
                f"{len(columns)} columns. Give both the same number of cells."
            )
        cells += [""] * (len(columns) - len(cells))
        rows.append((number, dict(zip(columns, cells, strict=False))))
    return rows, attributes


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise FileFormatError(f"“{path.name}” is too large to be a table of scans.")
        raw = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"“{path}” cannot be opened: {error.strerror or error}.") from error
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\0" in text:
        raise FileFormatError(f"“{path.name}” is no table: it holds binary data.")
    return text


def _columns(head: list[str], path: Path) -> list[str]:
    """The head line in our own words; what is wrong with it is named."""
    columns = []
    for n, word in enumerate(head):
        plain = word.lower().replace(" ", "_")
        columns.append(_COLUMNS.get(plain, word or f"column {n + 1}"))
    double = sorted({c for c in columns if columns.count(c) > 1})
    if double:
        raise InputError(
            f"“{path.name}” has more than one column “{double[0]}”. Leave one of them."
        )
    missing = set(_COLUMNS.values()) - set(columns)
    for column in columns:
        if column in _COLUMNS.values():
            continue
        near = difflib.get_close_matches(column.lower(), sorted(missing), 1, 0.8)
        if near:
            raise InputError(
                f"“{path.name}”: is the column “{column}” meant to be “{near[0]}”? Known columns: "
                f"{_EXPECTED}; give others another name."
            )
    if "image" not in columns:
        raise InputError(
            f"“{path.name}” has no column “image”; its columns are {', '.join(head)}. Expected: "
            f"{_EXPECTED}."
        )
    return columns


def _subject(
    row: Row, path: Path, line: int, attributes: list[str]
) -> tuple[Subject | None, str | None]:
    """The subject of a line, and what is wrong with it."""
    where = f"“{path.name}”, line {line}"
    split = row.get("split", "").lower()
    if split not in _SPLITS:
        raise InputError(
            f"{where}: split must be train, validation, test or empty, got “{row['split']}”."
        )
    files: dict[str, Path | None] = {}
    problem = None
    for what in _FILES:
        text = row.get(what, "")
        file = path.parent / Path(text).expanduser() if text else None
        if file is not None and not _exists(file):
            problem = f"{where}: there is no {what} file “{text}”."
            file = None
        elif what == "image" and file is None:
            problem = f"{where} names no image."
        files[what] = file
        if what == "image" and file is None:
            return None, f"{problem} It is left out."
    image = files["image"]
    assert image is not None
    subject = Subject(
        row.get("subject") or _stem(image),
        image,
        files["labels"],
        files["landmarks"],
        _SPLITS[split],
        row.get("group") or row.get("subject", ""),
        {a: row[a] for a in attributes if row[a]},
        files["transform"],
    )
    return subject, problem


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _stem(path: Path) -> str:
    from napari_voxelmorph.engine.files.loaded import stem

    return stem(path)
