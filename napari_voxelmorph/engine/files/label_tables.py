"""Names and colours of labels: FreeSurfer, ITK-SNAP, Slicer, BIDS ``dseg.tsv``, CSV.

Which of them a file is, is seen from what is in it; names of files do not count.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.reading import damaged, reading

_WHAT = "a table of labels"
_LARGEST = 16 * 2**20
_MOST = 200_000
_LONGEST_NAME, _LONGEST_LINE = 200, 2000
_EXPECTED = (
    "Expected a FreeSurfer or Slicer colour table (id name R G B A), an ITK-SNAP label description, "
    "a BIDS dseg.tsv (index, name), or a CSV with the columns id and name"
)
#: What a column may be called, without spaces and signs -> what it is.
_COLUMNS = {
    **dict.fromkeys(
        ("index", "id", "label", "labelnumber", "labelid", "number", "no", "value", "key"), "id"
    ),
    **dict.fromkeys(("name", "labelname", "structure", "structurename", "region", "title"), "name"),
    **dict.fromkeys(("color", "colour", "hex"), "color"),
    **dict.fromkeys(("r", "red"), "r"),
    **dict.fromkeys(("g", "green"), "g"),
    **dict.fromkeys(("b", "blue"), "b"),
}
_SNAP = re.compile(r"^\s*(-?\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+\s+[01]\s+[01]\s+\"(.*)\"\s*$")
#: Of a line whose runs of blanks are one blank each: time would grow with their square.
_LUT = re.compile(r"(-?\d+) (\S.*?) (\d+) (\d+) (\d+)(?: (\d+))?")
_HEX = re.compile(r"^#?([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?$")
Color = tuple[int, int, int]


@dataclass(frozen=True)
class LabelName:
    """What a label is called, and its colour (red, green, blue, 0 to 255) if the table has one."""

    name: str
    color: Color | None = None


def load_label_table(path: Path | str) -> dict[int, LabelName]:
    """Read the names of labels.

    Returns
    -------
    dict
        Id -> `LabelName`; a label that is named twice keeps its first name.

    Raises
    ------
    FileFormatError
        When the file is no such table, with the line at fault.
    """
    path = Path(path)
    with reading(path, _WHAT):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, _WHAT, "it is far too large")
        raw = path.read_bytes()
        text = _text(raw, path)
        lines = [
            (number, line)
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        if len(lines) > _MOST:
            raise damaged(path, _WHAT, f"it has {len(lines)} lines")
        if any(len(line) > _LONGEST_LINE for _, line in lines):
            raise damaged(path, _WHAT, f"it has a line of more than {_LONGEST_LINE} letters")
        if not lines:
            raise damaged(path, _WHAT, "it is empty")
        found = _snap(lines) or _lut(lines, path) or _columns(lines, path)
    return found


def name_of(label: int, table: dict[int, LabelName]) -> str:
    """The name of a label, or “label 17” where the table has none."""
    return table[label].name if label in table else f"label {label}"


def table_beside(segmentation: Path) -> Path | None:
    """The table that lies with a segmentation file, if it is clear which one it is.

    Looked for are, in the file's folder: a text file of the same name (``NAME.tsv``, ``.csv``,
    ``.txt``, ``.ctbl``, ``.label``), and ``dseg.tsv``, ``label_names.csv``, ``labels.csv``.
    """
    from napari_voxelmorph.engine.files.loaded import stem

    own = stem(segmentation)
    names = [f"{own}{suffix}" for suffix in (".tsv", ".csv", ".txt", ".ctbl", ".label")]
    for name in [*names, "dseg.tsv", "label_names.csv", "labels.csv"]:
        path = segmentation.parent / name
        if path.is_file():
            return path
    return None


def _text(raw: bytes, path: Path) -> str:
    if b"\0" in raw[:4096] and raw[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise damaged(path, _WHAT, "it holds binary data")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


Lines = list[tuple[int, str]]


def _snap(lines: Lines) -> dict[int, LabelName]:
    """ITK-SNAP: ``id R G B alpha visible mesh "name"``; nothing when a line is not."""
    found: dict[int, LabelName] = {}
    for _, line in lines:
        match = _SNAP.match(line)
        if match is None:
            return {}
        label, *color, name = match.groups()
        found.setdefault(_id(label), LabelName(_clean(name), _rgb(color)))
    return found


def _lut(lines: Lines, path: Path) -> dict[int, LabelName]:
    """FreeSurfer and Slicer: ``id name R G B A``; nothing when the first line is not."""
    if _lut_line(lines[0][1]) is None or "," in lines[0][1] or "\t" in lines[0][1].strip():
        return {}
    found: dict[int, LabelName] = {}
    for number, line in lines:
        match = _lut_line(line)
        if match is None:
            raise _fault(path, number, line)
        label, name, *color = match.groups()
        found.setdefault(_id(label), LabelName(_clean(name), _rgb(color[:3])))
    return found


def _lut_line(line: str) -> re.Match[str] | None:
    return _LUT.fullmatch(" ".join(line.split()))


def _columns(lines: Lines, path: Path) -> dict[int, LabelName]:
    """A table with a head line; the columns are found by their names."""
    head = lines[0][1]
    separator = max("\t;,", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO("\n".join(line for _, line in lines)),
                               delimiter=separator))  # fmt: skip
    except csv.Error as error:
        raise FileFormatError(f"“{path.name}” could not be read as a table: {error}.") from error
    places = _places(rows[0])
    if "id" not in places or "name" not in places:
        raise FileFormatError(
            f"“{path.name}” is no table of labels that can be read: its first line is "
            f"“{head.strip()[:60]}”. {_EXPECTED}."
        )
    found: dict[int, LabelName] = {}
    for n, row in enumerate(rows[1:], 1):
        cells = {what: row[at].strip() for what, at in places.items() if at < len(row)}
        number = lines[n][0] if n < len(lines) else n
        if not cells.get("id"):
            continue
        if not re.fullmatch(r"-?\d{1,18}(\.0+)?", cells["id"]):
            raise _fault(path, number, separator.join(row))
        label = int(cells["id"].split(".")[0])
        name = _clean(cells.get("name", "")) or f"label {label}"
        found.setdefault(label, LabelName(name, _color(cells)))
    if not found:
        raise damaged(path, _WHAT, "it has a head line and no labels")
    return found


def _places(head: list[str]) -> dict[str, int]:
    """What each column of a head line is."""
    plain = [re.sub(r"[^a-z]", "", cell.lower()) for cell in head]
    places: dict[str, int] = {}
    for at, word in enumerate(plain):
        if word in _COLUMNS:
            places.setdefault(_COLUMNS[word], at)
    # “label” is a number beside “name”, and a name beside “index” or “id”.
    if "name" not in places and "label" in plain and places.get("id") != plain.index("label"):
        places["name"] = plain.index("label")
    return places


def _color(cells: dict[str, str]) -> Color | None:
    match = _HEX.match(cells.get("color", ""))
    if match:
        red, green, blue = bytes.fromhex(match[1])
        return red, green, blue
    return _rgb([cells.get(part, "") for part in "rgb"])


def _rgb(parts: list[str]) -> Color | None:
    if not all(re.fullmatch(r"\d{1,3}", part or "") for part in parts):
        return None
    red, green, blue = (min(int(part), 255) for part in parts)
    return red, green, blue


def _id(text: str) -> int:
    if len(text) > 19:
        raise ValueError(f"the label {text[:30]}… is too large")
    return int(text)


def _clean(name: str) -> str:
    return " ".join(name.split()).strip("\"'")[:_LONGEST_NAME]


def _fault(path: Path, number: int, line: str) -> FileFormatError:
    return FileFormatError(
        f"“{path.name}”, line {number}: “{line.strip()[:60]}” is no label. {_EXPECTED}."
    )
