"""A worklist, case after case: verdicts, readers, notes, keys."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit, QPlainTextEdit, QTextEdit

from napari_voxelmorph.engine.review.kept import kept_findings
from napari_voxelmorph.gui.qa.structure_model import NOTE


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
    assert docks.layer("moved labels").visible and docks.layer("fixed labels").visible
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


def test_the_focus_stays_out_of_the_note_while_a_case_is_measured(docks, worklist, qtbot):
    """A table that is hidden hands the focus on: verdict keys would be typed into the note."""
    qa, window = docks.qa, docks.viewer.window._qt_window
    qa.reviewing.open(str(worklist))
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    qa.table.setFocus()
    assert QApplication.focusWidget() is qa.table
    rows, qa.judging.rows = qa.judging.rows, []
    qa.refresh()
    assert qa.table.isHidden() and QApplication.focusWidget() is qa
    QTest.keyClick(qa, "2")
    assert qa.panel.note.text() == ""
    qa.judging.rows = rows
    qa.refresh()
    assert QApplication.focusWidget() is qa.table
    qa.panel.note.setFocus()
    QTest.keyClick(qa.panel.note, Qt.Key.Key_Return)
    assert QApplication.focusWidget() is qa.table


def test_keys_are_off_in_every_field_of_the_dock(docks, worklist, monkeypatch):
    """Notes in the table, limits, a search in another dock: wherever a cursor can stand."""
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    qa.tools.limits_asked.emit()
    index = qa.table.sorted.index(0, NOTE)
    qa.table.edit(index)
    editor = qa.table.indexWidget(index) or qa.table.findChild(QLineEdit)
    limit = qa.limits.form.fields["dice"].widget
    for field in (editor, limit, limit.lineEdit(), QTextEdit(qa), QPlainTextEdit(qa)):
        assert field is not None
        monkeypatch.setattr(QApplication, "focusWidget", lambda field=field: field)
        for shortcut in qa.keys.values():
            shortcut.activated.emit()
    assert qa.reviewing.at == 0 and qa.reviewing.verdict() is None
    assert qa.reviewing.verdicts_on_structures() == {}
    monkeypatch.setattr(QApplication, "focusWidget", lambda: qa.table)
    qa.keys["N"].activated.emit()
    assert qa.reviewing.at == 1


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
