"""Curves over λ, settings and provenance in the report."""

from __future__ import annotations

import dataclasses
import html.parser
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.evaluation.flags import Limits
from napari_voxelmorph.engine.files import session_json
from napari_voxelmorph.engine.lambda_sweep.curves import LambdaCurves, curves_of_knots
from napari_voxelmorph.engine.lambda_sweep.knots import Knot, Scores
from napari_voxelmorph.engine.review.case import Case
from napari_voxelmorph.engine.review.curves import (
    SHARP,
    curves_from,
    picture_of_curves,
    told_of,
)
from napari_voxelmorph.engine.review.kept import Findings, Found, keep_findings, kept_findings
from napari_voxelmorph.engine.review.origin import origin_rows
from napari_voxelmorph.engine.review.page import report_page
from napari_voxelmorph.engine.review.worklist import Worklist

CURVES = LambdaCurves(
    "λ", (0.1, 1.0, 10.0), (0.0, 0.5, 1.0), (0.62, 0.6, 0.4), (1.5, 0.05, 0.0),
    (0.71, 0.72, 0.6), 1.0, {"A": 0.1, "B": 10.0},
)  # fmt: skip
BLUE, RED, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)


def knot(value: float, position: float, scores: Scores | None) -> Knot:
    return Knot(value, position, np.zeros((3, 1, 1, 1), np.float16), scores)


def test_curves_are_those_of_the_knots_that_are_measured() -> None:
    knots = [knot(0.1, 0.0, Scores(0.62, 1.5, {1: 0.6, 2: 0.82})), knot(0.5, 0.3, None),
             knot(1.0, 0.5, Scores(0.6, 0.05, {1: 0.5, 2: 0.94}))]  # fmt: skip
    found = curves_of_knots("λ", knots, 0.2, {"A": 0.1})
    assert found is not None and found.values == (0.1, 1.0) and found.positions == (0.0, 0.5)
    assert found.mean_dice == pytest.approx((0.71, 0.72)) and found.similarity == (0.62, 0.6)
    assert found.folding_percent == (1.5, 0.05) and (found.chosen, found.pins) == (0.2, {"A": 0.1})
    assert curves_of_knots("λ", knots[:2], None, {}) is None
    bare = [replace(k, scores=replace(k.scores, dice={})) for k in knots if k.scores]
    assert curves_of_knots("λ", bare, None, {}).mean_dice == ()  # type: ignore[union-attr]


def test_kept_curves_come_back_and_damaged_ones_do_not() -> None:
    told = session_json.loads(session_json.dumps({"c": dataclasses.asdict(CURVES)}))["c"]
    assert curves_from(told) == CURVES
    for damage in (
        {"values": [1.0]}, {"similarity": "abc"}, {"mean_dice": [0.5]}, {"pins": [1, 2]},
        {"folding_percent": [float("nan")] * 3}, {"chosen": "x"},
    ):  # fmt: skip
        assert curves_from(told | damage) is None, damage
    for nothing in (None, {}, [], "curves", 3):
        assert curves_from(nothing) is None


def test_the_picture_has_every_curve_where_it_belongs() -> None:
    picture = picture_of_curves(CURVES)
    pixels = np.asarray(picture)
    assert pixels.shape[1] < 1000 * SHARP  # a sheet of paper is so wide
    lefts = []
    for color in (BLUE, RED, GREEN):
        # The axis' title has the colour too, so look below it.
        found = np.argwhere((pixels[46 * SHARP :] == color).all(axis=-1))
        assert len(found) > 200
        lefts.append(found[:, 1].min())
        down = [found[np.abs(found[:, 1] - x) <= SHARP, 0].mean()
                for x in (found[:, 1].min(), found[:, 1].max())]  # fmt: skip
        assert down[0] < down[1]  # all three curves end lower than they begin
    assert lefts == sorted(lefts) and lefts[1] - lefts[0] > 250 * SHARP
    alone = picture_of_curves(replace(CURVES, mean_dice=(), chosen=None, pins={}))
    assert alone.width < picture.width
    assert not (np.asarray(alone) == GREEN).all(axis=-1).any()
    flat = replace(CURVES, similarity=(0.5,) * 3, folding_percent=(0.0,) * 3)
    assert (np.asarray(picture_of_curves(flat)) == BLUE).all(axis=-1).any()


def test_the_picture_has_no_letter_that_its_font_lacks() -> None:
    greek, latin = (picture_of_curves(replace(CURVES, name=n)) for n in ("λ", "lambda"))
    np.testing.assert_array_equal(np.asarray(greek), np.asarray(latin))
    assert (np.asarray(latin) != np.asarray(picture_of_curves(replace(CURVES, name="")))).any()


def test_the_sentence_says_what_each_mark_reaches() -> None:
    words = told_of(CURVES)
    assert "chosen: λ 1 (at 1: similarity 0.600, folding 0.05 %, mean Dice 0.720)" in words
    assert "A: λ 0.1" in words and "B: λ 10" in words and told_of(replace(
        CURVES, chosen=None, pins={}
    )) == ""  # fmt: skip


ABOUT: dict[str, Any] = {
    "config": dataclasses.asdict(replace(DEFAULT, smoothness=2.5)),
    "metrics": {"similarity_after": 0.61234, "folding_percent": 0.0},
    "provenance": {
        "created": "2026-01-02T03:04:05", "device": "cpu",
        "versions": {"napari-voxelmorph": "1.2", "torch": "2.9", "gone": ""},
        "fixed": {"name": "f", "path": "", "shape": [9, 8], "spacing_mm": [1.0, 0.5],
                  "sha256": "abcdef0123456789"},
        "lambda": {"value": 0.25, "called": "λ", "name": "hyper", "chosen": "by <hand>"},
    },
    "limits": dataclasses.asdict(Limits(dice=0.35)),
}  # fmt: skip


def test_settings_and_provenance_are_told() -> None:
    rows = dict(origin_rows(ABOUT))
    assert rows["Registered"] == "2026-01-02T03:04:05 on cpu"
    assert rows["Fixed image"] == "f, 9 x 8 voxels, 1 x 0.5 mm, SHA-256 abcdef012345…"
    assert rows["λ"] == "λ 0.25, hyper, by <hand>" and "Moving image" not in rows
    assert "2.5" in rows["Settings"] and rows["Settings"].count(";") == 0
    assert rows["Versions"] == "napari-voxelmorph 1.2, torch 2.9"
    assert "Dice below 0.35" in rows["Flagged beyond"] and "0.6123" in rows["Result"]
    assert origin_rows({}) == []
    assert origin_rows({"provenance": 3, "config": None, "limits": {"dice": "x"}}) == []


class Fetches(html.parser.HTMLParser):
    """All that a browser would load, and the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for n, v in attrs if n in ("src", "href", "action", "data")]


def test_the_page_has_curves_and_origin_inside_itself(tmp_path: Path) -> None:
    worklist = Worklist("list", (Case("A"), Case("B")), tmp_path / "r")
    kept = ABOUT | {"lambda_curves": dataclasses.asdict(CURVES)}
    keep_findings(worklist.folder, Findings("A", (), kept))
    keep_findings(worklist.folder, Findings("B", (), ABOUT | {"lambda_curves": {"values": 3}}))
    assert curves_from(kept_findings(worklist.folder, "A").about["lambda_curves"]) == CURVES  # type: ignore[union-attr]
    page = report_page(worklist)
    seen = Fetches()
    seen.feed(page)
    assert len(seen.links) == 1 and seen.links[0].startswith("data:image/png;base64,")
    assert not {"script", "link", "iframe", "object"} & set(seen.tags)
    assert "Over λ" in page and "by &lt;hand&gt;" in page and "Dice below 0.35" in page
    assert page.count("Word for word") == 2
    paper = report_page(worklist, on_paper=True)
    assert "Word for word" not in paper and "Dice below 0.35" in paper and "Over λ" in paper


def test_the_table_of_the_page_has_the_columns_that_there_is_room_for(tmp_path: Path) -> None:
    values = {
        "dice": 0.51, "growth": 1.21, "entropy": 0.33, "moved_size": 4.5, "size_deviation": 0.126,
        "uncertainty": 0.46, "confidence": 0.874,
    }  # fmt: skip
    worklist = Worklist("list", (Case("A"), Case("B")), tmp_path / "r")
    keep_findings(worklist.folder, Findings("A", (Found(5, "five", values),)))
    page = report_page(worklist)
    assert "4.50 ± 0.13</td>" in page and "0.87 fair</td>" in page and "0.46</td>" in page
    assert "Growth" not in page and "Vol SD" not in page  # they are in the exported table
    alone = {key: value for key, value in values.items() if key != "dice"}
    keep_findings(worklist.folder, Findings("A", (Found(5, "five", alone),)))
    assert "Growth ×" in report_page(worklist) and "1.21</td>" in report_page(worklist)
