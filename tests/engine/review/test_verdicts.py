"""Verdicts survive crashes; readers are compared; tables and pages hold what was judged."""

from __future__ import annotations

import csv
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_voxelmorph.engine.errors import FileFormatError, InputError, OutputError
from napari_voxelmorph.engine.evaluation.structures import Structure
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.review.agreement import agreement, answers_of
from napari_voxelmorph.engine.review.case import Case
from napari_voxelmorph.engine.review.export import export_table
from napari_voxelmorph.engine.review.kept import (
    Findings,
    found_in,
    keep_findings,
    kept_findings,
)
from napari_voxelmorph.engine.review.page import report_page, save_page
from napari_voxelmorph.engine.review.rows import mean_of, rows_of
from napari_voxelmorph.engine.review.slices import picture_of, png_of
from napari_voxelmorph.engine.review.verdicts import Verdicts, readers_of
from napari_voxelmorph.engine.review.worklist import Worklist

from ...fuzzing import examples

NAN = float("nan")


def test_a_verdict_is_there_for_the_next_window(tmp_path: Path) -> None:
    folder = tmp_path / "list.review"
    verdicts = Verdicts(folder, "Ann")
    assert not folder.exists() and verdicts.get("A") is None
    verdicts.give("A", "reject", "left\nside 'off'", about={"λ": 0.4})
    verdicts.give("A", "review", structure=17)
    verdicts.give("B", None, "only a note")
    again = Verdicts(folder, "Ann")
    assert again.all() == verdicts.all()
    found = again.get("A")
    assert found is not None and (found.answer, found.note) == ("reject", "left\nside 'off'")
    assert found.about == {"λ": 0.4} and found.time.startswith("20")
    assert again.answered(["A", "B", "C"]) == 1
    assert set(again.of_case("A")) == {None, 17}
    verdicts.give("A", "accept")
    assert Verdicts(folder, "Ann").get("A").answer == "accept"  # type: ignore[union-attr]
    assert readers_of(folder) == ["Ann"]


@examples(60)
@given(keep=st.integers(0, 10**6), junk=st.binary(max_size=20))
def test_a_torn_line_costs_itself_alone(
    tmp_path_factory: pytest.TempPathFactory, keep: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    verdicts = Verdicts(folder, "Ann")
    for case in "ABC":
        verdicts.give(case, "accept")
    raw = verdicts.path.read_bytes()
    second = raw.index(b"\n", raw.index(b"\n") + 1) + 1
    end = second + keep % (len(raw) - second)
    verdicts.path.write_bytes(raw[:end] + junk.replace(b"\n", b""))
    after = Verdicts(folder, "Ann")
    assert {v.case for v in after.all()} >= {"A", "B"}
    after.give("D", "reject")
    last = Verdicts(folder, "Ann")
    assert {v.case for v in last.all()} >= {"A", "B", "D"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_leaves_every_verdict(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if not child:
        verdicts = Verdicts(tmp_path, "Ann")
        for n in range(5):
            verdicts.give(str(n), "accept")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert Verdicts(tmp_path, "Ann").answered("01234") == 5


def test_what_cannot_be_kept_is_told_and_changes_nothing(tmp_path: Path) -> None:
    for name in ("", "../up", "a/b", "x" * 60, ".hidden", "a\n"):
        with pytest.raises(InputError, match="reader"):
            Verdicts(tmp_path, name)
    (tmp_path / "file").write_text("")
    verdicts = Verdicts(tmp_path / "file", "Ann")
    with pytest.raises(OutputError):
        verdicts.give("A", "accept")
    assert verdicts.get("A") is None
    (tmp_path / "verdicts_Bo.jsonl").write_text("no\nverdicts\nat all\n")
    with pytest.raises(FileFormatError, match="none of its lines"):
        Verdicts(tmp_path, "Bo")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="write-protected"):
        Verdicts(tmp_path / "x", "Ann").give("A", "accept")
    tmp_path.chmod(0o700)


def test_kappa_against_worked_examples() -> None:
    def answers(table: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
        names = ("accept", "review", "reject")
        first, second = {}, {}
        for i, row in enumerate(table):
            for j, count in enumerate(row):
                for n in range(count):
                    first[f"{i}{j}{n}", None] = names[i]
                    second[f"{i}{j}{n}", None] = names[j]
        return first, second

    # The grant proposals of the textbook example: 0.7 observed, 0.5 by chance.
    assert agreement(*answers([[20, 5, 0], [10, 15, 0], [0, 0, 0]])).kappa == pytest.approx(0.4)
    # Cohen 1960, table 1, in numbers out of 200: observed .70, chance .41.
    both = agreement(*answers([[88, 14, 18], [10, 40, 10], [2, 6, 12]]))
    assert both.kappa == pytest.approx((0.70 - 0.41) / (1 - 0.41))
    assert both.total == 200 and both.observed == 0.7
    same = agreement(*answers([[4, 0, 0], [0, 3, 0], [0, 0, 2]]))
    assert same.kappa == same.weighted == 1
    far, near = (agreement(*answers(t)) for t in ([[5, 0, 2], [0, 5, 0], [0, 0, 5]],
                                                  [[5, 2, 0], [0, 5, 0], [0, 0, 5]]))  # fmt: skip
    assert far.weighted < near.weighted
    assert np.isnan(agreement({("a", None): "accept"}, {("a", None): "accept"}).kappa)
    assert agreement({}, {}).total == 0 and np.isnan(agreement({}, {}).observed)


@pytest.fixture
def reviewed(tmp_path: Path) -> Worklist:
    """Three cases, two readers, one case measured."""
    worklist = Worklist("list <1>", tuple(Case(n) for n in ("A", "B & b", "C")), tmp_path / "r")
    structures = {
        17: Structure(17, 0.5, 7.25, 2.0, 4.0, 6.0, (3, 4, 5), (3, 4, 8)),
        18: Structure(18, 0.9, 1.0, 0.3, 2.0, 2.1, (8, 4, 5), (8, 4, 5)),
        19: Structure(19, NAN, NAN, NAN, 1.0, 0.0, (2, 2, 2)),
    }
    rows = rows_of(structures, {}, {})
    assert [row.id for row in rows] == [19, 17, 18] and mean_of(rows, "dice") == 0.7
    labels = np.zeros((20, 22, 24), np.uint8)
    labels[5:12, 6:13, 7:14] = 17
    fixed = Volume(np.random.default_rng(0).random(labels.shape))
    picture = png_of(picture_of(fixed, labels, np.roll(labels, 2, 0), 17, (8, 9, 10)))
    found = tuple(found_in(r, picture=picture if r.id == 17 else b"") for r in rows)
    keep_findings(worklist.folder, Findings("A", found, {"config": {"smoothness": 1.5}}))
    for name, answers in (("Ann", ("accept", "reject")), ("Bo", ("accept", "review"))):
        reader = Verdicts(worklist.folder, name)
        for case, answer in zip(worklist.cases, answers, strict=False):
            reader.give(case.name, answer, "=1+1 <b>note</b>")  # type: ignore[arg-type]
        reader.give("A", "review", structure=17)
    return worklist


def test_findings_come_back(reviewed: Worklist) -> None:
    found = kept_findings(reviewed.folder, "A")
    assert found is not None and found.about == {"config": {"smoothness": 1.5}}
    assert [s.id for s in found.structures] == [19, 17, 18]
    assert found.structures[1].values["hd95"] == 7.25
    assert np.isnan(found.structures[0].values["dice"])
    assert found.structures[1].picture[:4] == b"\x89PNG"
    assert kept_findings(reviewed.folder, "B & b") is None
    path = next((reviewed.folder / "cases").glob("A_*.json"))
    path.write_text(path.read_text()[:-40])
    with pytest.raises(FileFormatError):
        kept_findings(reviewed.folder, "A")


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_exported_table(reviewed: Worklist, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    assert export_table(reviewed, path) == 6
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter="," if suffix == "csv" else "\t"))
    assert [line["case"] for line in lines] == ["A", "A", "A", "A", "B & b", "C"]
    whole, missing, bad = lines[0], lines[1], lines[2]
    assert (whole["structure"], whole["verdict_Ann"]) == ("", "accept")
    assert whole["note_Bo"].startswith("'=")  # no formula for a spreadsheet
    assert missing["dice"] == "" and "Missing" in missing["flags"]
    assert (bad["structure"], bad["dice"], bad["difference"]) == ("17", "0.5", "50")
    assert bad["verdict_Bo"] == "review" and lines[5]["verdict_Ann"] == ""


def test_the_page_holds_everything_and_fetches_nothing(reviewed: Worklist, tmp_path: Path) -> None:
    page = report_page(reviewed)
    assert "list &lt;1&gt;" in page and "B &amp; b" in page and "<b>note</b>" not in page
    assert "50 % of 2 cases" in page and "κ" in page
    assert "data:image/png;base64," in page and "smoothness" in page
    assert "http" not in page and "<script" not in page and "src='/" not in page
    save_page(reviewed, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8")[:9] == "<!DOCTYPE"
    empty = Worklist("none", (Case("A"),), tmp_path / "nothing")
    assert "Nobody has given a verdict" in report_page(empty)


def test_a_picture_shows_both_outlines() -> None:
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[8:20, 8:20, 8:20] = 5
    fixed = Volume(np.zeros(labels.shape, np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))
    pixels = np.asarray(picture_of(fixed, labels, np.roll(labels, 3, 1), 5, (14, 14, 14)))
    assert pixels.shape[0] * 2.5 < pixels.shape[1]
    for color in ([0, 255, 0], [255, 0, 255]):
        assert (pixels == color).all(axis=-1).sum() > 100
    alone = np.asarray(picture_of(fixed, labels, None, 5, (0, 0, 29)))
    assert not (alone == [255, 0, 255]).all(axis=-1).any()
    flat = Volume(np.zeros((30, 30), np.float32))
    assert picture_of(flat, labels[14], None, 5, (14, 14)).size[0] < 400


def test_answers_on_cases_and_structures_are_kept_apart(reviewed: Worklist) -> None:
    reader = Verdicts(reviewed.folder, "Ann")
    assert answers_of(reader, False) == {("A", None): "accept", ("B & b", None): "reject"}
    assert answers_of(reader, True) == {("A", 17): "review"}
