"""The table of structures: what is measured, how it is sorted, named and compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.files import load
from napari_voxelmorph.engine.files.label_tables import LabelName
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.register.jobs import Outcome, Pair


def test_an_empty_window_says_what_to_do(docks):
    qa = docks.qa
    assert "Register dock" in qa.empty.text() and "worklist" in qa.empty.text()
    assert qa.table.isHidden() and qa.tools.isHidden() and not qa.bar.isHidden()
    assert not qa.panel.note.isEnabled()
    assert not any(button.isEnabled() for button in qa.panel.buttons.values())


def test_a_result_without_segmentation_says_what_is_missing(docks):
    made = docks.scene()
    pair = Pair(made.result.moving, made.fixed)
    docks.register.runner.take_up(Outcome(made.result, pair, np.eye(4)))
    assert "no segmentation" in docks.qa.empty.text() and docks.qa.table.isHidden()


def test_structures_are_measured_worst_first(shown):
    qa = shown.qa
    assert [row.id for row in qa.judging.rows] == [17, 53, 3]
    assert shown.texts(0)[0].endswith("label 17")
    dice = [float(t) for t in shown.texts(shown.at("dice"))[:2]]
    assert dice[0] == pytest.approx(6 / 7, abs=1e-3) and dice[1] == pytest.approx(7 / 8, abs=1e-3)
    assert shown.texts(shown.at("hd95"))[0] == "1.0" and shown.texts(shown.at("dice"))[2] == "–"
    assert "3 structures" in qa.summary.text() and "Dice 0.866" in qa.summary.text()
    # What it says about itself came as well.
    assert all(row.own is not None for row in qa.judging.rows)


def test_headers_sort_and_what_has_no_number_stays_last(shown):
    table = shown.qa.table
    for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
        table.sortByColumn(shown.at("dice"), order)
        assert shown.texts(shown.at("dice"))[-1] == "–"
    assert shown.texts(shown.at("dice"))[0] == "0.875"
    table.worst_first()
    assert shown.texts(shown.at("dice"))[0] == "0.857"
    shown.qa.tools.search.setText("53")
    assert len(shown.texts(0)) == 1


def test_names_from_a_table_and_from_a_file_beside(shown, tmp_path):
    qa = shown.qa
    (tmp_path / "names.csv").write_text("id,name,color\n17,Hippocampus,#dcd814\n", encoding="utf-8")
    qa.cases.open_names(str(tmp_path / "names.csv"))
    assert "Hippocampus" in shown.texts(0)[0]
    qa.cases.open_names(str(tmp_path / "none.csv"))
    assert qa.message.kind == "error" and "Hippocampus" in shown.texts(0)[0]


def test_without_a_fixed_segmentation_there_are_other_numbers(docks):
    made = docks.scene()
    docks.register.runner.take_up(docks.outcome_of(made, fixed_labels=False))
    qa = docks.qa
    assert qa.table.isColumnHidden(docks.at("dice")) and not qa.table.isColumnHidden(
        docks.at("entropy")
    )
    assert "none of these numbers is an accuracy" in qa.advice.text()
    assert "Dice" not in qa.summary.text() and len(qa.judging.rows) == 3
    assert qa.tools.color.findData("dice") == -1


def test_only_what_changed_is_measured_again(shown, monkeypatch):
    from napari_voxelmorph.engine.evaluation import structures

    asked = []
    real = structures.compare

    def spy(fixed: Any, moved: Any, ids: Any = None) -> Any:
        asked.append(ids)
        return real(fixed, moved, ids)

    monkeypatch.setattr(structures, "compare", spy)
    shown.register.runner.take_up(shown.outcome_of(shown.made))
    assert asked == [[]] and len(shown.qa.judging.rows) == 3


def test_nearest_neighbour_is_a_choice(shown):
    half = np.eye(4)
    half[0, 3] = 0.4
    result = Registration(shown.made.fixed, shown.made.result.moving, half)
    shown.register.runner.take_up(shown.outcome_of(shown.made, result=result))
    qa = shown.qa
    by_shares = qa.judging.judged.moved.labels.copy()
    np.testing.assert_array_equal(by_shares, result.warp_labels(shown.made.moving_labels))
    qa.tools.nearest.setChecked(True)
    by_nearest = qa.judging.judged.moved.labels
    np.testing.assert_array_equal(by_nearest, result.warp(shown.made.moving_labels, "nearest"))
    assert shown.register.pair_view.layers.scene.nearest_labels


def test_columns_are_remembered(shown, qtbot):
    from napari_voxelmorph.gui.qa.structure_table import StructureTable

    table = shown.qa.table
    table.set_column(shown.at("entropy") - 3, True)
    table.set_column(shown.at("assd") - 3, False)
    again = StructureTable(shown.qa.model)
    qtbot.addWidget(again)
    assert again.isColumnHidden(shown.at("assd")) and not again.isColumnHidden(shown.at("entropy"))


def test_a_name_in_the_table_of_a_case_is_shown(docks, worklist, tmp_path):
    worklist.write_text(worklist.read_text().replace("fixed_labels", "fixed_labels,names"))
    text = worklist.read_text().replace("A_fixed.nii.gz", "A_fixed.nii.gz,names.csv")
    worklist.write_text(text)
    (tmp_path / "names.csv").write_text("id,name\n17,Putamen\n")
    docks.qa.reviewing.open(str(worklist))
    assert docks.qa.judging.names == {17: LabelName("Putamen")}
    assert any("Putamen" in text for text in docks.texts(0))


def test_numbers_agree_with_the_files(docks, worklist, tmp_path):
    docks.qa.reviewing.open(str(worklist))
    fixed, moving = (load(tmp_path / f"A_{r}.nii.gz", "labels").data for r in ("fixed", "moving"))
    both = 2 * ((fixed == 17) & (moving == 17)).sum() / ((fixed == 17).sum() + (moving == 17).sum())
    row = next(row for row in docks.qa.judging.rows if row.id == 17)
    assert row.value("dice") == pytest.approx(both)
