"""When a structure is flagged: changed in the dock, remembered, taken back."""

from __future__ import annotations

import json

import pytest

from napari_voxelmorph.engine.evaluation.flags import Limits
from napari_voxelmorph.engine.review.kept import kept_findings
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.qa.limits_form import LimitsForm, recall_limits


def flagged(qa):
    return {row.id for row in qa.judging.rows if row.flags}


def test_limits_change_the_flags_at_once(shown):
    qa = shown.qa
    assert qa.limits.isHidden() and flagged(qa) == {3}  # not in the fixed segmentation
    qa.tools.limits_asked.emit()
    assert not qa.limits.isHidden() and qa.panel.isHidden()  # a small screen has no room for both
    box = qa.limits.form.fields["dice"].widget
    box.setValue(0.87)  # between .857 of 17 and .875 of 53
    assert flagged(qa) == {3, 17} and "⚑ 2" in qa.summary.text()
    row = next(row for row in qa.judging.rows if row.id == 17)
    assert "Dice 0.86" in row.flags[0]
    assert any(text.startswith("⚑") and "17" in text for text in shown.texts(0))
    qa.limits.reset.click()
    assert flagged(qa) == {3} and box.value() == pytest.approx(0.4)
    qa.limits.close_button.click()
    assert qa.limits.isHidden() and not qa.panel.isHidden()


def test_limits_without_a_fixed_segmentation(docks):
    docks.register.runner.take_up(docks.outcome_of(docks.scene(), fixed_labels=False))
    qa = docks.qa
    assert flagged(qa) == set()
    edges = {row.id: row.value("edge") for row in qa.judging.rows}
    qa.limits.form.fields["edge"].widget.setValue(1.0)
    below = {i for i, v in edges.items() if v < 1.0}
    assert flagged(qa) <= below  # in noise hardly a surface is marked


def test_the_next_window_has_the_same_limits(qtbot):
    first = LimitsForm(recall_limits())
    qtbot.addWidget(first)
    first.form.fields["hd95"].widget.setValue(3.5)
    assert recall_limits() == Limits(hd95=3.5)
    again = LimitsForm(recall_limits())
    qtbot.addWidget(again)
    assert again.form.fields["hd95"].widget.value() == 3.5
    again.reset.click()
    assert recall_limits() == Limits()


@pytest.mark.parametrize(
    "text", ["", "no json", "[1, 2]", '{"dice": "x", "hd95": true}', '{"dice": 7}', '{"dice": NaN}']
)
def test_what_cannot_be_read_is_as_at_first(qapp, text):
    memory.remember("qa/limits", text)
    assert recall_limits() == Limits()
    memory.remember("qa/limits", json.dumps({"growth": 3, "of another version": 1}))
    assert recall_limits() == Limits(growth=3.0)


def test_the_report_knows_the_limits(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    qa.limits.form.fields["difference"].widget.setValue(20)
    qa.panel.go_on.setChecked(False)
    qa.verdicts.give("accept", False)
    kept = kept_findings(worklist.with_name("list.review"), "A")
    assert kept.about["limits"]["difference"] == 20
    page = worklist.with_name("r.html")
    qa.bar.write(str(page))
    assert "Volume differs by (%) 20" in page.read_text(encoding="utf-8")
