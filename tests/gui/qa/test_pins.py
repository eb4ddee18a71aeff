"""Pinned results: the shown one against A, B against A, and what ends a comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.review.rows import COLUMNS

DELTA = 3 + len(COLUMNS)


def head(qa):
    return qa.model.headerData(DELTA, Qt.Orientation.Horizontal, Qt.ItemDataRole.DisplayRole)


def shifted(shown, voxels):
    """The same pair, moved back: after one voxel the structures lie on each other."""
    moved = np.eye(4)
    moved[1, 3] = voxels
    return Registration(shown.made.fixed, shown.made.result.moving, moved)


def dice_by_hand(shown, result, label):
    moved = result.warp(shown.made.moving_labels, "nearest") == label
    fixed = shown.made.fixed_labels.data == label
    return 2 * (moved & fixed).sum() / (moved.sum() + fixed.sum())


def test_another_result_is_compared_with_a(shown):
    qa = shown.qa
    assert qa.table.isColumnHidden(DELTA)
    qa.tools.pin.click()
    assert shown.texts(DELTA)[:2] == ["+0.000", "+0.000"]
    shown.register.runner.take_up(shown.outcome_of(shown.made, result=shifted(shown, 1)))
    assert not qa.table.isColumnHidden(DELTA) and head(qa) == "Δ Dice\nto A"
    assert sorted(shown.texts(DELTA)[:2]) == ["+0.125", "+0.143"]
    assert "+0.134 against A" in qa.summary.text()
    qa.tools.pin.click()
    assert qa.table.isColumnHidden(DELTA) and "against" not in qa.summary.text()


def test_two_pinned_results_are_compared_with_each_other(shown):
    qa = shown.qa
    a, b = shifted(shown, 0), shifted(shown, 2)
    qa.pins.pin_tuned("A", "λ 0.2", a)
    assert head(qa) == "Δ Dice\nto A" and shown.texts(DELTA)[:2] == ["+0.000", "+0.000"]
    qa.pins.pin_tuned("B", "λ 0.8", b)
    assert head(qa) == "Dice\nB − A"
    tip = qa.model.headerData(DELTA, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "λ 0.2" in tip and "λ 0.8" in tip

    def differences():
        rows = {row.id: qa.model.delta(row) for row in qa.judging.rows}
        return rows[17], rows[53]

    expected = [dice_by_hand(shown, b, n) - dice_by_hand(shown, a, n) for n in (17, 53)]
    assert differences() == pytest.approx(expected)
    assert f"{np.mean(expected):+.3f} of B against A" in qa.summary.text()
    # Whatever is shown now, the two pins are compared.
    shown.register.runner.take_up(shown.outcome_of(shown.made, result=shifted(shown, 1)))
    assert differences() == pytest.approx(expected)
    assert math.isnan(qa.model.delta(next(row for row in qa.judging.rows if row.id == 3)))
    qa.tools.pin.click()
    assert qa.table.isColumnHidden(DELTA)


def test_pins_are_measured_as_the_table_is(shown):
    """Half a voxel off, labels by shares and by nearest neighbour differ."""
    qa, half = shown.qa, shifted(shown, 0.5)
    shown.register.runner.take_up(shown.outcome_of(shown.made, result=half))
    qa.pins.pin_tuned("A", "λ 1", half)
    for nearest in (False, True, False):
        qa.tools.nearest.setChecked(nearest)
        assert shown.texts(DELTA)[:2] == ["+0.000", "+0.000"]


def test_the_worst_difference_comes_first(shown):
    qa = shown.qa
    qa.pins.pin_tuned("A", "", shifted(shown, 1))
    qa.table.sortByColumn(DELTA, Qt.SortOrder.DescendingOrder)
    assert shown.texts(DELTA) == ["-0.143", "-0.125", "–"]


def test_pins_of_two_kinds_are_never_mixed(shown):
    qa = shown.qa
    qa.pins.pin_tuned("B", "λ 3", shifted(shown, 1))
    assert head(qa) == "Δ Dice\nto B"
    qa.pins.pin_shown()
    assert head(qa) == "Δ Dice\nto A"
    qa.pins.forget_tuned()  # not of the λ strip: it stays
    assert head(qa) == "Δ Dice\nto A" and bool(qa.pins)
    qa.pins.pin_tuned("A", "λ 1", shifted(shown, 1))
    qa.pins.forget_tuned()
    assert not qa.pins and qa.table.isColumnHidden(DELTA)


def test_another_case_ends_the_comparison(docks, worklist):
    docks.qa.reviewing.open(str(worklist))
    docks.qa.pins.pin_shown()
    docks.qa.reviewing.step(1)
    assert not docks.qa.pins and docks.qa.table.isColumnHidden(DELTA)


def test_another_pair_ends_the_comparison(shown):
    """Its structures may have the same numbers, and yet be of somebody else."""
    shown.qa.pins.pin_shown()
    shown.register.runner.take_up(shown.outcome_of(shown.scene(1, shift=2)))
    assert not shown.qa.pins and shown.qa.table.isColumnHidden(DELTA)
    assert "against" not in shown.qa.summary.text()


def test_with_another_segmentation_pins_are_measured_anew(shown):
    shown.qa.pins.pin_shown()
    other = shown.scene(shift=2)
    shown.made.moving_labels = other.moving_labels
    shown.register.runner.take_up(shown.outcome_of(shown.made))
    assert bool(shown.qa.pins) and shown.texts(DELTA)[:2] == ["+0.000", "+0.000"]


def test_without_a_fixed_segmentation_there_is_nothing_to_compare(docks):
    made = docks.scene()
    docks.register.runner.take_up(docks.outcome_of(made, fixed_labels=False))
    docks.qa.pins.pin_tuned("A", "λ 1", made.result)
    assert docks.qa.table.isColumnHidden(DELTA)
