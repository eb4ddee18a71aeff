"""The QA dock: structures measured and shown, corrected, judged, case after case."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_voxelmorph.engine.files import load, save, save_session
from napari_voxelmorph.engine.files.label_tables import LabelName
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.review.kept import kept_findings
from napari_voxelmorph.engine.review.rows import COLUMNS
from napari_voxelmorph.gui.register.jobs import Outcome, Pair

SHAPE = (24, 26, 22)


def scene(seed: int = 0, shift: int = 1) -> Any:
    """Two boxes in noise; the moved segmentation lies `shift` voxels beside the fixed one."""
    rng = np.random.default_rng(seed)
    place = np.diag([-1.0, 1.0, 2.0, 1.0])
    fixed = Volume(rng.random(SHAPE).astype(np.float32), place, name="fixed")
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:11, 5:12, 4:10] = 17
    labels[14:20, 12:20, 10:17] = 53
    moved = np.roll(labels, shift, axis=1)
    moved[20:22, 2:4, 2:4] = 3
    return SimpleNamespace(
        fixed=fixed,
        fixed_labels=Volume(labels, place, "labels", "fixed labels"),
        moving_labels=Volume(moved, place, "labels", "moving labels"),
        result=Registration(fixed, fixed.with_data(fixed.data + 0.1), np.eye(4)),
    )


def outcome_of(made: Any, fixed_labels: bool = True, result: Any = None) -> Outcome:
    pair = Pair(
        made.result.moving, made.fixed, moving_labels=made.moving_labels,
        fixed_labels=made.fixed_labels if fixed_labels else None,
    )  # fmt: skip
    return Outcome(result or made.result, pair, np.eye(4))


@pytest.fixture
def docks(make_napari_viewer: Any, jobs: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A window with the Register dock and the QA dock."""
    from napari_voxelmorph.gui.qa.qa_dock import QaDock
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    monkeypatch.setattr("napari_voxelmorph.gui.register.register_dock.open_strip", lambda v: None)
    viewer = make_napari_viewer()
    register, qa = RegisterDock(viewer), QaDock(viewer)
    viewer.window.add_dock_widget(register, name="Register", area="right")
    viewer.window.add_dock_widget(qa, name="QA", area="right")
    # A window that is shown waits for the screen; to the keys the dock is to be seen.
    monkeypatch.setattr(qa, "isVisible", lambda: True)
    return SimpleNamespace(viewer=viewer, register=register, qa=qa, qtbot=qtbot)


@pytest.fixture
def shown(docks: Any) -> Any:
    """The docks with a result whose structures are measured."""
    docks.made = scene()
    docks.register.runner.take_up(outcome_of(docks.made))
    return docks


def texts(qa: Any, column: int) -> list[str]:
    proxy = qa.table.sorted
    return [proxy.index(n, column).data() for n in range(proxy.rowCount())]


def at(key: str) -> int:
    return 3 + [column.key for column in COLUMNS].index(key)


# Numbers ----------------------------------------------------------------------------------


def test_an_empty_window_says_what_to_do(docks):
    qa = docks.qa
    assert "Register dock" in qa.empty.text() and "worklist" in qa.empty.text()
    assert qa.table.isHidden() and qa.tools.isHidden() and not qa.bar.isHidden()
    assert not qa.panel.note.isEnabled()
    assert not any(button.isEnabled() for button in qa.panel.buttons.values())


def test_a_result_without_segmentation_says_what_is_missing(docks):
    made = scene()
    pair = Pair(made.result.moving, made.fixed)
    docks.register.runner.take_up(Outcome(made.result, pair, np.eye(4)))
    assert "no segmentation" in docks.qa.empty.text() and docks.qa.table.isHidden()


def test_structures_are_measured_worst_first(shown):
    qa = shown.qa
    assert [row.id for row in qa.judging.rows] == [17, 53, 3]
    assert texts(qa, 0)[0].endswith("label 17")
    dice = [float(t) for t in texts(qa, at("dice"))[:2]]
    assert dice[0] == pytest.approx(6 / 7, abs=1e-3) and dice[1] == pytest.approx(7 / 8, abs=1e-3)
    assert texts(qa, at("hd95"))[0] == "1.0" and texts(qa, at("dice"))[2] == "–"
    assert "3 structures" in qa.summary.text() and "Dice 0.866" in qa.summary.text()
    # What it says about itself came as well.
    assert all(row.own is not None for row in qa.judging.rows)


def test_headers_sort_and_what_has_no_number_stays_last(shown):
    table = shown.qa.table
    for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
        table.sortByColumn(at("dice"), order)
        assert texts(shown.qa, at("dice"))[-1] == "–"
    assert texts(shown.qa, at("dice"))[0] == "0.875"
    table.worst_first()
    assert texts(shown.qa, at("dice"))[0] == "0.857"
    shown.qa.tools.search.setText("53")
    assert len(texts(shown.qa, 0)) == 1


def test_names_from_a_table_and_from_a_file_beside(shown, tmp_path):
    qa = shown.qa
    (tmp_path / "names.csv").write_text("id,name,color\n17,Hippocampus,#dcd814\n")
    qa.open_names(str(tmp_path / "names.csv"))
    assert "Hippocampus" in texts(qa, 0)[0]
    qa.open_names(str(tmp_path / "none.csv"))
    assert qa.message.kind == "error" and "Hippocampus" in texts(qa, 0)[0]


def test_without_a_fixed_segmentation_there_are_other_numbers(docks):
    made = scene()
    docks.register.runner.take_up(outcome_of(made, fixed_labels=False))
    qa = docks.qa
    assert qa.table.isColumnHidden(at("dice")) and not qa.table.isColumnHidden(at("entropy"))
    assert "none of these numbers is an accuracy" in qa.advice.text()
    assert "Dice" not in qa.summary.text() and len(qa.judging.rows) == 3
    assert qa.tools.color.findData("dice") == -1


def test_another_result_is_compared_with_a(shown):
    qa = shown.qa
    assert qa.table.isColumnHidden(3 + len(COLUMNS))
    qa.tools.pin.click()
    assert texts(qa, 3 + len(COLUMNS))[:2] == ["+0.000", "+0.000"]
    # The same pair, one voxel back: now the structures lie on each other.
    moved = np.eye(4)
    moved[1, 3] = 1
    better = Registration(shown.made.fixed, shown.made.result.moving, moved)
    shown.register.runner.take_up(outcome_of(shown.made, result=better))
    assert not qa.table.isColumnHidden(3 + len(COLUMNS))
    assert sorted(texts(qa, 3 + len(COLUMNS))[:2]) == ["+0.125", "+0.143"]
    assert "+0.134 against A" in qa.summary.text()
    qa.tools.pin.click()
    assert qa.table.isColumnHidden(3 + len(COLUMNS))
    qa.set_reference({17: 0.5}, "λ 0.2")
    assert qa.model.headerData(3 + len(COLUMNS), Qt.Orientation.Horizontal).endswith("λ 0.2")


def test_only_what_changed_is_measured_again(shown, monkeypatch):
    from napari_voxelmorph.engine.evaluation import structures

    asked = []
    real = structures.compare

    def spy(fixed: Any, moved: Any, ids: Any = None) -> Any:
        asked.append(ids)
        return real(fixed, moved, ids)

    monkeypatch.setattr(structures, "compare", spy)
    shown.register.runner.take_up(outcome_of(shown.made))
    assert asked == [[]] and len(shown.qa.judging.rows) == 3


# In the views -----------------------------------------------------------------------------


def layer(docks: Any, role: str) -> Any:
    return docks.register.pair_view.stack.get(role)


def open_outlines(docks: Any) -> None:
    for overlay in ("fixed labels", "moved labels"):
        docks.register.pair_view.set_overlay(overlay, True)
    docks.qa.looking.show(
        docks.register.pair_view, docks.qa.judging.rows, docks.qa.judging.editing.layer
    )


def test_choosing_flies_to_the_structure_and_fades_the_others(shown):
    open_outlines(shown)
    qa, viewer = shown.qa, shown.viewer
    for label in (53, 17):
        qa.table.choose(label)
        qa.looking.paint()
        moved = layer(shown, "moved labels")
        index = tuple(round(c) for c in moved.world_to_data(viewer.dims.point))
        fixed = layer(shown, "fixed labels")
        assert np.asarray(fixed.data)[index] == label
        colors = moved.colormap.color_dict
        assert colors[label][3] == 1 and all(
            colors[other][3] < 0.3 for other in (3, 17, 53) if other != label
        )


def test_hovering_tells_and_highlights_for_as_long_as_it_lasts(shown):
    open_outlines(shown)
    qa = shown.qa
    row = next(row for row in qa.judging.rows if row.id == 53)
    qa.table.hovered.emit(row)
    qa.looking.paint()
    assert "label 53" in str(shown.viewer.status)
    assert layer(shown, "moved labels").colormap.color_dict[17][3] < 0.3
    qa.table.hovered.emit(None)
    qa.looking.paint()
    assert layer(shown, "moved labels").colormap.color_dict[17][3] == 1


def test_double_click_goes_where_it_is_worst(shown):
    qa = shown.qa
    row = qa.judging.rows[0]
    qa.table.worst_asked.emit(row)
    view = shown.register.pair_view
    grid = view.layers.scene.grid
    affine = shown.made.fixed.affine
    world = affine[:3, :3] @ row.structure.farthest + affine[:3, 3]
    shown_at = grid.world_to_display(world)[0] * grid.scale + grid.translate
    np.testing.assert_allclose(shown.viewer.dims.point[0], shown_at[0])


def test_outlines_take_the_colour_of_a_column(shown):
    open_outlines(shown)
    qa = shown.qa
    qa.tools.color.setCurrentIndex(qa.tools.color.findData("hd95"))
    colors = layer(shown, "moved labels").colormap.color_dict
    assert np.allclose(colors[3][:3], 0.6)  # no number: grey
    qa.tools.color.setCurrentIndex(0)
    assert not hasattr(layer(shown, "moved labels").colormap, "color_dict") or (
        not np.allclose(layer(shown, "moved labels").colormap.color_dict[3][:3], 0.6)
    )


def test_nearest_neighbour_is_a_choice(shown):
    half = np.eye(4)
    half[0, 3] = 0.4
    result = Registration(shown.made.fixed, shown.made.result.moving, half)
    shown.register.runner.take_up(outcome_of(shown.made, result=result))
    qa = shown.qa
    by_shares = qa.judging.judged.moved.labels.copy()
    np.testing.assert_array_equal(by_shares, result.warp_labels(shown.made.moving_labels))
    qa.tools.nearest.setChecked(True)
    by_nearest = qa.judging.judged.moved.labels
    np.testing.assert_array_equal(by_nearest, result.warp(shown.made.moving_labels, "nearest"))
    assert shown.register.pair_view.layers.scene.nearest_labels


# By hand ----------------------------------------------------------------------------------


def test_corrections_are_measured_and_told_and_undone(shown):
    qa, viewer = shown.qa, shown.viewer
    before = {row.id: row.value("dice") for row in qa.judging.rows}
    qa.tools.edit.click()
    painted = qa.judging.editing.layer
    assert painted is not None and painted.editable and painted in viewer.layers.selection
    # Put the box of label 17 right: the fixed segmentation as the layer shows it.
    grid = shown.register.pair_view.layers.scene.grid
    wanted = grid.to_display(shown.made.fixed_labels.data)
    with painted.block_history():
        where = np.nonzero((np.asarray(painted.data) == 17) ^ (wanted == 17))
        values = wanted[where]
        painted.data_setitem(where, values)
    qa.judging.editing.edited.emit()
    after = {row.id: row.value("dice") for row in qa.judging.rows}
    assert after[17] == 1 and after[53] == before[53]
    told = qa.judging.edits[17]
    assert "42 voxels added, 42 taken away" in told and set(qa.judging.edits) == {17}
    assert any(text.startswith("✎") for text in texts(qa, 0)) and "✎ 1" in qa.summary.text()
    painted.undo()
    qa.judging.editing.edited.emit()
    assert qa.judging.edits == {}
    assert {row.id: row.value("dice") for row in qa.judging.rows} == pytest.approx(
        before, nan_ok=True
    )


def test_discarding_goes_back_to_what_was_computed(shown):
    qa = shown.qa
    qa.tools.edit.click()
    painted = qa.judging.editing.layer
    painted.data_setitem((np.array([1]), np.array([1]), np.array([1])), np.array([17]))
    qa.judging.editing.edited.emit()
    assert qa.judging.edits
    qa.tools.edit.click()
    assert painted not in shown.viewer.layers and qa.judging.edits == {}
    assert qa.tools.edit.text() == "Correct"


def correct(qa: Any) -> Any:
    """Give one voxel of the background to label 17."""
    qa.tools.edit.click()
    painted = qa.judging.editing.layer
    painted.data_setitem((np.array([1]), np.array([1]), np.array([1])), np.array([17]))
    qa.judging.editing.edited.emit()
    assert set(qa.judging.edits) == {17}
    return painted


def test_corrections_are_never_lost_to_another_pair(shown):
    painted = correct(shown.qa)
    made = scene(5)
    shown.register.runner.take_up(outcome_of(made))
    assert painted in shown.viewer.layers and not painted.visible
    assert shown.qa.judging.editing.layer is None and shown.qa.judging.edits == {}
    assert len(shown.qa.judging.rows) == 3


def test_corrections_that_could_not_be_kept_stay_in_the_window(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    painted = correct(qa)
    worklist.with_name("list.review").write_text("in the way")
    qa.reviewing.step(1)
    assert qa.reviewing.at == 1 and painted in docks.viewer.layers
    qa.judging.on_kept("A")  # written at last
    assert painted not in docks.viewer.layers


def test_corrections_of_a_case_are_kept_on_disk(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    computed = qa.judging.judged.moved.labels
    painted = correct(qa)
    corrected = qa.judging.judged.moved.labels
    qa.bar.next.click()
    assert painted not in docks.viewer.layers and qa.judging.edits == {}
    (path,) = (worklist.with_name("list.review") / "corrected").glob("A_*.nii.gz")
    kept = load(path, "labels")
    np.testing.assert_array_equal(kept.data, corrected)
    assert (kept.data != computed).sum() == 1
    np.testing.assert_allclose(kept.affine, np.diag([-1.0, 1.0, 2.0, 1.0]))


# Cases ------------------------------------------------------------------------------------


@pytest.fixture
def worklist(tmp_path: Path) -> Path:
    """Three saved sessions and a table of them; the third has lost its files."""
    lines = ["case,session,moving_labels,fixed_labels"]
    for n, name in enumerate("AB"):
        made = scene(n, shift=n + 1)
        save_session(made.result, tmp_path / name)
        save(made.moving_labels, tmp_path / f"{name}_moving.nii.gz")
        save(made.fixed_labels, tmp_path / f"{name}_fixed.nii.gz")
        lines.append(f"{name},{name},{name}_moving.nii.gz,{name}_fixed.nii.gz")
    lines.append("C,gone,,")
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines))
    return path


def pump() -> None:
    for _ in range(3):
        QApplication.processEvents()


def test_a_worklist_is_reviewed_with_the_keyboard(docks, worklist, tmp_path):
    qa = docks.qa
    qa.reviewing.set_reader("Ann")
    qa.reviewing.open(str(worklist))
    assert qa.reviewing.case.name == "A" and len(qa.judging.rows) == 3
    assert "1 of 3" in qa.bar.case.text()
    qa.table.choose(17)
    qa.keys["R"].activated.emit()  # the structure
    assert qa.reviewing.verdict(17).answer == "review"
    qa.keys["1"].activated.emit()  # the case, and on to the next
    pump()
    assert qa.reviewing.case.name == "B" and qa.bar.progress.value() == 1
    assert layer(docks, "moved labels").visible and layer(docks, "fixed labels").visible
    qa.keys["3"].activated.emit()
    pump()
    assert qa.reviewing.at == 2 and qa.message.kind == "error"
    assert not qa.judging.rows or qa.message.text.text()
    qa.keys["2"].activated.emit()
    pump()
    assert qa.bar.progress.value() == 3
    qa.keys["P"].activated.emit()
    assert qa.reviewing.case.name == "B" and qa.panel.buttons["reject", False].isChecked()
    folder = worklist.with_name("list.review")
    found = kept_findings(folder, "A")
    assert found is not None and {s.id for s in found.structures} == {3, 17, 53}
    assert any(s.picture for s in found.structures)
    for name in ("out.html", "out.csv", "out.pdf"):
        qa.bar.write(str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 500, name
    assert (tmp_path / "out.pdf").read_bytes()[:5] == b"%PDF-"


def test_the_next_window_goes_on_where_this_one_ended(docks, worklist):
    from napari_voxelmorph.gui.qa.qa_dock import QaDock

    qa = docks.qa
    qa.reviewing.set_reader("Ann")
    qa.reviewing.open(str(worklist))
    qa.panel.go_on.setChecked(False)
    qa.panel.note.setText("blurred")
    qa.verdicts.give("reject", False)
    qa.model.noted.emit(53, "left one")
    again = QaDock(docks.viewer)
    docks.viewer.window.add_dock_widget(again, name="QA again", area="right")
    assert again.reviewing.reader == "Ann"
    again.reviewing.open(str(worklist))
    assert again.reviewing.case.name == "B"  # the first one without a verdict
    again.reviewing.step(-1)
    assert again.panel.note.text() == "blurred"
    assert again.panel.buttons["reject", False].isChecked()
    assert again.reviewing.verdict(53).note == "left one"
    # Pressed again, a verdict is taken back; the note stays.
    again.panel.go_on.setChecked(False)
    again.verdicts.give("reject", False)
    assert again.reviewing.verdict().answer is None and again.reviewing.verdict().note == "blurred"


def test_two_readers_judge_apart(docks, worklist):
    qa = docks.qa
    qa.panel.go_on.setChecked(False)
    for reader, answer in (("Ann", "accept"), ("Bo", "reject")):
        assert qa.reviewing.set_reader(reader)
        qa.reviewing.open(str(worklist))
        assert qa.reviewing.verdict() is None
        qa.verdicts.give(answer, False)
    page = worklist.with_name("r.html")
    qa.bar.write(str(page))
    assert "Ann and Bo agree on 0 % of 1 cases" in page.read_text(encoding="utf-8")
    assert not qa.reviewing.set_reader("../x") and qa.reviewing.reader == "Bo"
    assert qa.message.kind == "error"


def test_keys_never_fire_while_one_types(docks, worklist, monkeypatch):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    docks.viewer.window._qt_window.show()
    for field in (qa.panel.note, qa.tools.search, qa.bar.reader):
        field.clear()
        field.setFocus(Qt.FocusReason.OtherFocusReason)
        monkeypatch.setattr(QApplication, "focusWidget", lambda field=field: field)
        for key in "123arxnp":
            QTest.keyClick(field, key)
        for shortcut in qa.keys.values():
            shortcut.activated.emit()
        assert field.text() == "123arxnp" and qa.reviewing.at == 0
        assert qa.reviewing.verdict() is None or qa.reviewing.verdict().answer is None
    assert qa.reviewing.verdicts_on_structures() == {}


def test_a_dock_that_is_not_seen_takes_no_keys(docks, worklist, monkeypatch):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    monkeypatch.setattr(qa, "isVisible", lambda: False)
    for shortcut in qa.keys.values():
        shortcut.activated.emit()
    assert qa.reviewing.at == 0 and qa.reviewing.verdict() is None
    monkeypatch.setattr(qa, "isVisible", lambda: True)
    qa.panel.go_on.setChecked(False)
    qa.keys["Alt+2"].activated.emit()
    assert qa.reviewing.verdict().answer == "review"
    qa.keys["Alt+Right"].activated.emit()
    assert qa.reviewing.at == 1


def test_a_note_stays_with_its_case(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    qa.panel.note.setText("belongs to A")
    qa.verdicts.show()  # something else changed while one types
    assert qa.panel.note.text() == "belongs to A"
    qa.bar.next.click()
    assert qa.reviewing.case.name == "B" and qa.panel.note.text() == ""
    qa.bar.previous.click()
    assert qa.panel.note.text() == "belongs to A" and qa.reviewing.verdict().answer is None


def test_a_verdict_that_cannot_be_written_is_told(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    worklist.with_name("list.review").write_text("in the way")
    qa.verdicts.give("accept", False)
    assert qa.message.kind == "error" and qa.reviewing.verdict() is None
    assert not qa.panel.buttons["accept", False].isChecked() and qa.reviewing.at == 0


def test_a_worklist_that_cannot_be_read_is_told(docks, tmp_path):
    (tmp_path / "bad.csv").write_text("alpha\n1\n")
    docks.qa.reviewing.open(str(tmp_path / "bad.csv"))
    assert docks.qa.message.kind == "error" and docks.qa.reviewing.worklist is None


def test_the_mouse_over_a_row(shown):
    qa = shown.qa
    told = []
    qa.table.hovered.connect(told.append)
    first = qa.table.visualRect(qa.table.sorted.index(0, 0)).center()
    QTest.mouseMove(qa.table.viewport(), first)
    QTest.mouseMove(qa.table.viewport(), QPoint(first.x() + 2, first.y()))
    assert not told or told[0].id == qa.judging.rows[0].id
    qa.table.leaveEvent(None) if not told else None


def test_columns_are_remembered(shown, qtbot):
    from napari_voxelmorph.gui.qa.structure_table import StructureTable

    table = shown.qa.table
    table.set_column(at("entropy") - 3, True)
    table.set_column(at("assd") - 3, False)
    again = StructureTable(shown.qa.model)
    qtbot.addWidget(again)
    assert again.isColumnHidden(at("assd")) and not again.isColumnHidden(at("entropy"))


def test_a_name_in_the_table_of_a_case_is_shown(docks, worklist, tmp_path):
    worklist.write_text(worklist.read_text().replace("fixed_labels", "fixed_labels,names"))
    text = worklist.read_text().replace("A_fixed.nii.gz", "A_fixed.nii.gz,names.csv")
    worklist.write_text(text)
    (tmp_path / "names.csv").write_text("id,name\n17,Putamen\n")
    docks.qa.reviewing.open(str(worklist))
    assert docks.qa.judging.names == {17: LabelName("Putamen")}
    assert any("Putamen" in text for text in texts(docks.qa, 0))


def test_numbers_agree_with_the_files(docks, worklist, tmp_path):
    docks.qa.reviewing.open(str(worklist))
    fixed, moving = (load(tmp_path / f"A_{r}.nii.gz", "labels").data for r in ("fixed", "moving"))
    both = 2 * ((fixed == 17) & (moving == 17)).sum() / ((fixed == 17).sum() + (moving == 17).sum())
    row = next(row for row in docks.qa.judging.rows if row.id == 17)
    assert row.value("dice") == pytest.approx(both)
