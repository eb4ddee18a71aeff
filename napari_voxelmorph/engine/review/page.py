"""The review as one HTML file: verdicts, numbers, pictures of the worst slices, settings."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from itertools import combinations
from pathlib import Path
from typing import Any

from napari_voxelmorph.engine.files import session_json
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.provenance import installed
from napari_voxelmorph.engine.review.agreement import agreement, answers_of
from napari_voxelmorph.engine.review.curves import (
    SHARP,
    curves_from,
    picture_of_curves,
    told_of,
)
from napari_voxelmorph.engine.review.kept import Findings, Found, kept_findings
from napari_voxelmorph.engine.review.origin import origin_table
from napari_voxelmorph.engine.review.rows import COLUMNS, Column
from napari_voxelmorph.engine.review.slices import png_of
from napari_voxelmorph.engine.review.verdicts import ANSWERS, Verdict, Verdicts, readers_of
from napari_voxelmorph.engine.review.worklist import Worklist

_SIGNS = {"accept": "✓ accept", "review": "? review", "reject": "✗ reject", None: "–"}
_COLORS = {"accept": "#1b7f3b", "review": "#8a6100", "reject": "#b3261e", None: "#777"}
_STYLE = """
body { font-family: sans-serif; font-size: 14px; margin: 24px; color: #19191e; }
h1 { font-size: 24px; } h2 { font-size: 19px; margin-top: 28px; }
table { border-collapse: collapse; } th, td { padding: 3px 6px; text-align: left; }
th { font-size: 11px; border-bottom: 2px solid #888; }
td { border-bottom: 1px solid #ddd; vertical-align: top; }
td.n, th.n { text-align: right; } p.faint, td.faint, span.faint { color: #666; }
pre { background: #f3f3f5; padding: 8px; font-size: 12px; white-space: pre-wrap; }
img { display: block; margin: 4px 0; }
td.r { color: #555; font-size: 12px; border-bottom: 1px solid #aaa; }
"""
#: Not told where there is a fixed segmentation; and told beside the volume.
_BY_ITSELF, _DEVIATION = ("growth", "edge", "entropy"), "size_deviation"
#: Structures told in a case beside those with pictures.
_MOST_ROWS = 12


def report_page(worklist: Worklist, on_paper: bool = False) -> str:
    """Draw the page; everything is inside it, nothing is fetched when it is opened.

    Parameters
    ----------
    on_paper : bool
        Leave out what is folded away on the screen: all settings and origins, word for word.
    """
    readers = [Verdicts(worklist.folder, name) for name in readers_of(worklist.folder)]
    kept = {case.name: kept_findings(worklist.folder, case.name) for case in worklist.cases}
    title = escape(f"Review of {worklist.name}")
    parts = [
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>",
        f"<p class='faint'>{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, napari-voxelmorph "
        f"{escape(installed('napari-voxelmorph'))}. For research use, not for diagnosis.</p>",
        _summary(worklist, readers),
        _overview(worklist, readers, kept),
    ]
    for case in worklist.cases:
        findings = kept[case.name]
        judged = any(reader.of_case(case.name) for reader in readers)
        if findings is not None or judged:
            parts.append(_case(case.name, readers, findings, on_paper))
    return "\n".join([*parts, "</body></html>"])


def save_page(worklist: Worklist, path: Path | str) -> None:
    """Write `report_page`.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    page = report_page(worklist)
    with writing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _summary(worklist: Worklist, readers: list[Verdicts]) -> str:
    if not readers:
        return "<p>Nobody has given a verdict yet.</p>"
    head = "".join(f"<th class='n'>{_SIGNS[a]}</th>" for a in ANSWERS)
    lines = [f"<table><tr><th>Reader</th>{head}<th class='n'>open</th></tr>"]
    for reader in readers:
        found = (reader.get(case.name) for case in worklist.cases)
        counts = Counter(v.answer for v in found if v is not None and v.answer)
        cells = "".join(f"<td class='n'>{counts[a]}</td>" for a in ANSWERS)
        left = len(worklist.cases) - sum(counts.values())
        lines.append(f"<tr><td>{escape(reader.reader)}</td>{cells}<td class='n'>{left}</td></tr>")
    lines.append("</table>")
    for first, second in combinations(readers, 2):
        for structures, what in ((False, "cases"), (True, "structures")):
            both = agreement(answers_of(first, structures), answers_of(second, structures))
            if both.total:
                lines.append(
                    f"<p>{escape(first.reader)} and {escape(second.reader)} agree on "
                    f"{100 * both.observed:.0f} % of {both.total} {what}: Cohen's κ "
                    f"{_digits(both.kappa, 2)}, with linear weights {_digits(both.weighted, 2)}.</p>"
                )
    return "\n".join(lines)


def _overview(worklist: Worklist, readers: list[Verdicts], kept: dict[str, Findings | None]) -> str:
    names = "".join(f"<th>{escape(r.reader)}</th>" for r in readers)
    lines = [
        f"<h2>Cases</h2><table><tr><th>Case</th>{names}<th class='n'>mean Dice</th>"
        "<th class='n'>flagged</th><th>worst structure</th></tr>"
    ]
    for case in worklist.cases:
        cells = "".join(f"<td>{_answer(r.get(case.name))}</td>" for r in readers)
        findings = kept[case.name]
        rows = () if findings is None else findings.structures
        dice = [s.values["dice"] for s in rows if math.isfinite(s.values.get("dice", math.nan))]
        mean = _digits(sum(dice) / len(dice), 3) if dice else "–"
        flagged = str(sum(bool(s.flags) for s in rows)) if rows else "–"
        worst = escape(rows[0].name) if rows else "<span style='color:#666'>not measured</span>"
        lines.append(
            f"<tr><td>{escape(case.name)}</td>{cells}<td class='n'>{mean}</td>"
            f"<td class='n'>{flagged}</td><td>{worst}</td></tr>"
        )
    return "\n".join([*lines, "</table>"])


def _case(name: str, readers: list[Verdicts], findings: Findings | None, on_paper: bool) -> str:
    parts = [f"<h2>{escape(name)}</h2>"]
    for reader in readers:
        verdict = reader.get(name)
        if verdict is not None:
            note = f": {escape(verdict.note)}" if verdict.note else ""
            parts.append(f"<p>{escape(reader.reader)}: {_answer(verdict)}{note}</p>")
    if findings is not None:
        parts.append(_structures(name, readers, findings.structures))
        shown = [s for s in findings.structures if s.picture]
        if shown:
            parts.append(
                "<p class='faint'>Where the worst structures are worst: "
                "<b style='color:#00a000'>green</b> moved, <b style='color:#c000c0'>magenta</b> "
                "fixed segmentation, over the fixed image.</p>"
            )
        parts += [_picture(s) for s in shown]
        parts += [_curves(findings.about), _origin(findings.about, on_paper)]
    return "\n".join(parts)


def _curves(about: Mapping[str, Any]) -> str:
    """How the result would be with another λ, where that is known."""
    curves = curves_from(about.get("lambda_curves"))
    if curves is None:
        return ""
    picture = picture_of_curves(curves)
    words = escape(told_of(curves))
    name = escape(curves.name)
    return (
        f"<p><b>Over {name}</b> <span class='faint'>{words}</span></p>"
        f"{_image(png_of(picture), f'curves over {name}', picture.width // SHARP)}"
    )


def _origin(about: Mapping[str, Any], on_paper: bool) -> str:
    """Settings and provenance: what matters as a table, and every word of it folded away."""
    table = origin_table(about)
    told = f"<p><b>Settings and origin</b></p>{table}" if table else ""
    if on_paper:
        return told
    rest = {key: value for key, value in about.items() if key != "lambda_curves"}
    text = json.dumps(json.loads(session_json.dumps(rest)), indent=1, ensure_ascii=False)
    return f"{told}<details><summary>Word for word</summary><pre>{escape(text)}</pre></details>"


def _structures(name: str, readers: list[Verdicts], structures: tuple[Found, ...]) -> str:
    judged = {s for reader in readers for s in reader.of_case(name)}
    shown = [s for n, s in enumerate(structures) if n < _MOST_ROWS or s.id in judged or s.edited]
    columns = _columns(shown)
    head = "".join(f"<th class='n'>{_title(c)}</th>" for c in columns)
    names = "".join(f"<th>{escape(r.reader)}</th>" for r in readers)
    lines = [f"<table><tr><th width='21%'>Structure</th>{head}{names}</tr>"]
    for s in shown:
        cells = "".join(f"<td class='n'>{_cell(c, s.values)}</td>" for c in columns)
        answers = "".join(f"<td>{_structure_answer(r.get(name, s.id))}</td>" for r in readers)
        lines.append(f"<tr><td>{escape(s.name)}</td>{cells}{answers}</tr>")
        remarks = escape(" ".join([*s.flags, s.edited]).strip())
        if remarks:
            span = len(columns) + len(readers) + 1
            lines.append(f"<tr><td class='r' colspan='{span}'>{remarks}</td></tr>")
    left = len(structures) - len(shown)
    more = f"<p class='faint'>{left} more structures are in the exported table.</p>" if left else ""
    return "\n".join([*lines, "</table>", more])


def _columns(shown: list[Found]) -> list[Column]:
    """As many as a sheet has room for: what compares, else what a structure says of itself."""

    def known(key: str) -> bool:
        return any(math.isfinite(s.values.get(key, math.nan)) for s in shown)

    left_out = _BY_ITSELF if known("dice") else ()
    return [c for c in COLUMNS if known(c.key) and c.key not in (*left_out, _DEVIATION)]


def _cell(column: Column, values: Mapping[str, float]) -> str:
    text = column.text(values.get(column.key, math.nan))
    deviation = values.get(_DEVIATION, math.nan)
    if column.key == "moved_size" and math.isfinite(deviation):
        return f"{text} ± {deviation:.2g}"
    return text


def _title(column: Column) -> str:
    return escape(f"{column.title} {column.unit}".strip())


def _picture(found: Found) -> str:
    words = f"<p><b>{escape(found.name)}</b> {escape(' '.join(found.flags))}</p>"
    return words + _image(found.picture, escape(found.name, quote=True))


def _image(png: bytes, words: str, width: int = 0) -> str:
    """A picture inside the page; `width` in its units, where it has more pixels."""
    data = base64.b64encode(png).decode()
    wide = f" width='{width}'" if width else ""
    return f"<p><img alt='{words}'{wide} src='data:image/png;base64,{data}'></p>"


def _answer(verdict: Verdict | None) -> str:
    answer = None if verdict is None else verdict.answer
    return f"<span style='color:{_COLORS[answer]}'>{_SIGNS[answer]}</span>"


def _structure_answer(verdict: Verdict | None) -> str:
    note = f" {escape(verdict.note)}" if verdict is not None and verdict.note else ""
    return _answer(verdict) + note


def _digits(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
