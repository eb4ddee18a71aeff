"""The moved segmentation corrected by hand: measured, told, undone, kept."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine.files import load


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
    assert any(text.startswith("✎") for text in shown.texts(0)) and "✎ 1" in qa.summary.text()
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


def test_corrections_are_never_lost_to_another_pair(shown):
    painted = shown.correct()
    made = shown.scene(5)
    shown.register.runner.take_up(shown.outcome_of(made))
    assert painted in shown.viewer.layers and not painted.visible
    assert shown.qa.judging.editing.layer is None and shown.qa.judging.edits == {}
    assert len(shown.qa.judging.rows) == 3


def test_corrections_that_could_not_be_kept_stay_in_the_window(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    painted = docks.correct()
    worklist.with_name("list.review").write_text("in the way")
    qa.reviewing.step(1)
    assert qa.reviewing.at == 1 and painted in docks.viewer.layers
    qa.judging.on_kept("A")  # written at last
    assert painted not in docks.viewer.layers


def test_corrections_of_a_case_are_kept_on_disk(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    computed = qa.judging.judged.moved.labels
    painted = docks.correct()
    corrected = qa.judging.judged.moved.labels
    qa.bar.next.click()
    assert painted not in docks.viewer.layers and qa.judging.edits == {}
    (path,) = (worklist.with_name("list.review") / "corrected").glob("A_*.nii.gz")
    kept = load(path, "labels")
    np.testing.assert_array_equal(kept.data, corrected)
    assert (kept.data != computed).sum() == 1
    np.testing.assert_allclose(kept.affine, np.diag([-1.0, 1.0, 2.0, 1.0]))


def saved(worklist):
    return sorted(p.name for p in (worklist.with_name("list.review") / "corrected").glob("*"))


def test_a_reopened_case_has_its_correction(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    docks.correct()
    corrected = qa.judging.judged.moved.labels
    told = dict(qa.judging.edits)
    qa.bar.next.click()
    assert qa.judging.editing.layer is None and qa.judging.edits == {}
    qa.bar.previous.click()
    painted = qa.judging.editing.layer
    assert painted is not None and painted in docks.viewer.layers and painted.visible
    np.testing.assert_array_equal(qa.judging.judged.moved.labels, corrected)
    assert qa.judging.edits == told and qa.tools.edit.text() == "Discard"
    assert any(text.startswith("✎") for text in docks.texts(0)) and "✎ 1" in qa.summary.text()
    # Painting goes on where it ended.
    painted.data_setitem((np.array([2]), np.array([1]), np.array([1])), np.array([17]))
    qa.judging.editing.edited.emit()
    assert "2 voxels added" in qa.judging.edits[17]
    qa.bar.next.click()
    qa.bar.previous.click()
    assert "2 voxels added" in qa.judging.edits[17] and len(saved(worklist)) == 1


def test_the_next_window_has_the_correction_too(docks, worklist):
    from napari_voxelmorph.gui.qa.qa_dock import QaDock

    docks.qa.reviewing.open(str(worklist))
    docks.correct()
    docks.qa.panel.go_on.setChecked(False)
    docks.qa.verdicts.give("review", False)
    assert len(saved(worklist)) == 1
    docks.qa.bar.next.click()
    again = QaDock(docks.viewer)
    docks.viewer.window.add_dock_widget(again, name="QA again", area="right")
    again.reviewing.open(str(worklist))
    again.reviewing.go(0)
    assert set(again.judging.edits) == {17} and again.judging.editing.layer is not None


def test_an_unchanged_correction_is_not_written_again(docks, worklist, monkeypatch):
    from napari_voxelmorph.engine.review import corrected

    qa = docks.qa
    qa.reviewing.open(str(worklist))
    docks.correct()
    qa.bar.next.click()
    written = []
    monkeypatch.setattr(corrected, "keep_corrected", lambda *a: written.append(a))
    qa.bar.previous.click()
    painted = qa.judging.editing.layer
    qa.bar.next.click()
    assert written == [] and painted not in docks.viewer.layers


def test_a_discarded_correction_is_set_aside_and_not_shown_again(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    docks.correct()
    qa.bar.next.click()
    qa.bar.previous.click()
    qa.tools.edit.click()
    assert qa.judging.edits == {} and len(saved(worklist)) == 1
    told = []
    qa.reviewing.keeping.aside.connect(lambda case, path: told.append((case, path.name)))
    qa.bar.next.click()
    (name,) = saved(worklist)
    assert "_discarded-1" in name and told == [("A", name)]
    qa.bar.previous.click()
    assert qa.judging.editing.layer is None and qa.judging.edits == {}


def test_what_was_painted_just_now_is_kept_too(docks, worklist):
    """The brush has not come to rest, so that nothing of it has been measured."""
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    qa.tools.edit.click()
    painted = qa.judging.editing.layer
    painted.data_setitem((np.array([1]), np.array([1]), np.array([1])), np.array([53]))
    assert qa.judging.edits == {}
    qa.bar.next.click()
    assert len(saved(worklist)) == 1
    qa.bar.previous.click()
    assert set(qa.judging.edits) == {53}


def test_a_correction_that_failed_is_tried_again(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    docks.correct()
    folder = worklist.with_name("list.review")
    folder.write_text("in the way", encoding="utf-8")
    qa.reviewing.leaving.emit()
    assert qa.message.kind == "error"
    folder.unlink()
    qa.bar.next.click()
    assert len(saved(worklist)) == 1


def test_another_interpolation_does_not_lose_the_correction(shown):
    painted = shown.correct()
    shown.qa.tools.nearest.setChecked(True)
    assert painted in shown.viewer.layers and shown.qa.judging.edits == {}


def test_a_correction_that_does_not_fit_is_told(docks, worklist):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    docks.correct()
    qa.bar.next.click()
    folder = worklist.with_name("list.review") / "corrected"
    (path,) = folder.glob("A_*")
    path.write_bytes(path.read_bytes()[:50])
    qa.bar.previous.click()
    assert qa.message.kind == "warning" and qa.judging.editing.layer is None
    assert len(qa.judging.rows) == 3
    qa.bar.next.click()
    assert saved(worklist) == [path.name]  # neither written over nor set aside
