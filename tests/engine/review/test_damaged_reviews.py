"""Damaged worklists, verdicts and findings: read as far as they are whole, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_voxelmorph.engine.review.case import Case
from napari_voxelmorph.engine.review.export import export_table
from napari_voxelmorph.engine.review.kept import (
    Findings,
    Found,
    file_name,
    keep_findings,
    kept_findings,
)
from napari_voxelmorph.engine.review.page import report_page
from napari_voxelmorph.engine.review.verdicts import Verdicts
from napari_voxelmorph.engine.review.worklist import Worklist, load_worklist

from ...fuzzing import fuzz_bytes, fuzz_json
from .test_worklist import TABLE


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_changed_worklists(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(TABLE.replace("B;C", "B").replace(",", separator))
    fuzz_bytes(path, lambda: load_worklist(path))


@pytest.fixture
def reviewed(tmp_path: Path) -> Worklist:
    """Two readers, a case with one structure measured."""
    worklist = Worklist("list", (Case("A"), Case("B")), tmp_path / "list.review")
    for name, answer in (("Ann", "accept"), ("Bo", "reject")):
        verdicts = Verdicts(worklist.folder, name)
        verdicts.give("A", answer, "fine", about={"λ": 0.5})  # type: ignore[arg-type]
        verdicts.give("A", "review", structure=17)
    found = Found(17, "Hippocampus", {"dice": 0.5}, ("small",), "", b"\x89PNG")
    keep_findings(worklist.folder, Findings("A", (found,), {"version": "1"}))
    return worklist


def report(worklist: Worklist) -> None:
    report_page(worklist)
    export_table(worklist, worklist.folder / "table.csv")


def test_changed_verdicts(reviewed: Worklist) -> None:
    path = reviewed.folder / "verdicts_Ann.jsonl"

    fuzz_bytes(path, lambda: report(reviewed))
    first = path.read_text(encoding="utf-8").splitlines()[0]
    path.write_text(first + "\n", encoding="utf-8")
    fuzz_json(path, lambda: report(reviewed))


def test_changed_findings(reviewed: Worklist) -> None:
    path = reviewed.folder / "cases" / f"{file_name('A')}.json"
    for fuzz in (fuzz_bytes, fuzz_json):
        fuzz(path, lambda: (kept_findings(reviewed.folder, "A"), report(reviewed)))


@pytest.mark.parametrize(
    "case", ["../../evil", "/etc/passwd", "a/b\\c", "..", "a\0b", "CON", "é" * 300]
)
def test_cases_cannot_lead_out_of_the_folder(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "in" / "list.review"
    keep_findings(folder, Findings(case, (Found(1, "a", {}, picture=b"\x89PNG"),)))
    Verdicts(folder, "Ann").give(case, "accept")
    assert {p.name for p in tmp_path.iterdir()} == {"in"}
    assert {p.name for p in (tmp_path / "in").iterdir()} == {"list.review"}
    assert sorted(p.name for p in folder.iterdir()) == ["cases", "verdicts_Ann.jsonl"]
    found = kept_findings(folder, case)
    assert found is not None and found.case == case
