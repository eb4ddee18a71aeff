"""Verdicts and numbers as a table: one line per case, and one per structure."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.review.kept import Found, kept_findings
from napari_voxelmorph.engine.review.rows import COLUMNS
from napari_voxelmorph.engine.review.verdicts import Verdict, Verdicts, readers_of
from napari_voxelmorph.engine.review.worklist import Worklist

_HEAD = ("case", "structure", "name")


def export_table(worklist: Worklist, path: Path | str) -> int:
    """Write everything judged and measured; separated by tabs for ``.tsv``, else by commas.

    Columns: case, structure (empty: the case as a whole), name, the numbers of
    `rows.COLUMNS`, flags, edited; then verdict, note and time of each reader.

    Returns
    -------
    int
        Lines below the head.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    readers = [Verdicts(worklist.folder, name) for name in readers_of(worklist.folder)]
    head = [*_HEAD, *(c.key for c in COLUMNS), "flags", "edited"]
    for reader in readers:
        head += [f"verdict_{reader.reader}", f"note_{reader.reader}", f"time_{reader.reader}"]
    lines = [
        line for case in worklist.cases for line in _lines(worklist.folder, case.name, readers)
    ]
    path = Path(path)
    separator = "\t" if path.suffix.lower() in (".tsv", ".txt") else ","
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(head)
        writer.writerows([[_safe(cell) for cell in line] for line in lines])
    return len(lines)


def _lines(folder: Path, case: str, readers: Sequence[Verdicts]) -> list[list[str]]:
    findings = kept_findings(folder, case)
    found = {s.id: s for s in findings.structures} if findings is not None else {}
    judged = {v.structure for r in readers for v in r.all() if v.case == case}
    lines = [[case, "", "", *[""] * len(COLUMNS), "", "", *_verdicts(readers, case, None)]]
    for label in [*found, *sorted(i for i in judged if i is not None and i not in found)]:
        lines.append(
            [case, str(label), *_numbers(found.get(label)), *_verdicts(readers, case, label)]
        )
    return lines


def _numbers(found: Found | None) -> list[str]:
    if found is None:
        return [""] * (len(COLUMNS) + 3)
    values = [found.values.get(c.key, math.nan) for c in COLUMNS]
    digits = [f"{v:.6g}" if math.isfinite(v) else "" for v in values]
    return [found.name, *digits, " ".join(found.flags), found.edited]


def _verdicts(readers: Sequence[Verdicts], case: str, structure: int | None) -> list[str]:
    cells: list[str] = []
    for reader in readers:
        verdict: Verdict | None = reader.get(case, structure)
        if verdict is None:
            cells += ["", "", ""]
        else:
            cells += [verdict.answer or "", verdict.note, verdict.time]
    return cells


def _safe(cell: str) -> str:
    """One line; and no formula, which a spreadsheet would run when the table is opened."""
    text = " ".join(cell.split())
    is_number = text.lstrip("-").replace(".", "").replace("e-", "").isdigit()
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") and not is_number else text
