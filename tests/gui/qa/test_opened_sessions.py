"""Sessions and the QA dock: verdicts come along, by a worklist or without one."""

from __future__ import annotations

import json

import pytest
from napari.layers import Layer

from napari_voxelmorph.engine.files import open_session, save_session
from napari_voxelmorph.engine.review.verdicts import Verdicts
from napari_voxelmorph.gui.files import readers


def open_by_reader(docks, folder):
    for data in readers.read(str(folder)):
        docks.viewer.add_layer(Layer.create(*data))


def present(docks):
    return docks.register.runner.history.present


@pytest.fixture
def judged(docks, tmp_path, qtbot):
    """A session that was saved after it had been judged, in a view of its own."""
    made = docks.scene()
    docks.register.runner.take_up(docks.outcome_of(made))
    folder = tmp_path / "first" / "case"
    folder.parent.mkdir()
    docks.register.runner.save("session", str(folder))
    docks.viewer.layers.clear()
    open_by_reader(docks, folder)
    qtbot.waitUntil(lambda: docks.qa.reviewing.case is not None)
    qa = docks.qa
    qa.reviewing.set_reader("Åsa")
    qa.panel.go_on.setChecked(False)
    qa.panel.note.setText("left ear")
    qa.verdicts.give("reject", False)
    qa.reviewing.give("review", "odd", 53, {})
    docks.register.pair_view.configure(grid_spacing=3.0)
    docks.register.pair_view.set_mode("checkerboard")
    docks.register.runner.save("session", str(folder))
    return folder


def test_an_opened_session_can_be_judged_and_keeps_it(docks, judged, qtbot):
    kept = open_session(judged).window.reviewed
    assert kept.reader == "Åsa"
    said = {v.structure: (v.answer, v.note) for v in kept.verdicts}
    assert said == {None: ("reject", "left ear"), 53: ("review", "odd")}
    # On the disk at once, beside the session, where saving again has left it.
    found = Verdicts(judged / "review", "Åsa").of_case("case")
    assert {s: v.answer for s, v in found.items()} == {None: "reject", 53: "review"}


def test_verdicts_come_along_also_to_another_place(docks, judged, qtbot):
    moved = judged.with_name("renamed")
    save_session(open_session(judged), moved)
    qa = docks.qa
    for reader, shown in (("Åsa", True), ("Bo", False)):
        qa.reviewing.set_reader(reader)
        before = present(docks)
        docks.viewer.layers.clear()
        open_by_reader(docks, moved)
        qtbot.waitUntil(lambda before=before: present(docks) is not before)
        assert qa.reviewing.case.name == "renamed"
        assert qa.panel.buttons["reject", False].isChecked() == shown
        assert (qa.panel.note.text() == "left ear") == shown
        assert ("Åsa has judged" in qa.message.text.text()) != shown
        assert not (moved / "review").exists()  # looking writes nothing


def test_a_worklist_opens_sessions_as_the_reader_does(docks, judged, qtbot):
    docks.qa.reviewing.set_reader("Åsa")
    docks.register.pair_view.set_mode("overlay")
    docks.qa.reviewing.open(str(judged.parent))
    qtbot.waitUntil(lambda: docks.qa.reviewing.case is not None
                    and docks.qa.reviewing.worklist.folder == judged.parent / "review")  # fmt: skip
    view = docks.register.pair_view
    assert view.mode == "checkerboard" and view.settings.grid_spacing == 3.0
    pair = present(docks).pair
    assert pair.moving_labels is not None and pair.fixed_labels is not None
    assert [row.id for row in docks.qa.judging.rows] == [17, 53, 3]
    assert docks.qa.panel.buttons["reject", False].isChecked()
    # A worklist stays open when a session is opened beside it.
    before = present(docks)
    docks.viewer.layers.clear()
    open_by_reader(docks, judged)
    qtbot.waitUntil(lambda: present(docks) is not before)
    assert docks.qa.reviewing.worklist.folder == judged.parent / "review"


def test_a_damaged_view_is_told_in_a_worklist_too(docks, judged, qtbot):
    path = judged / "session.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["window"]["zoom"] = "near"
    path.write_text(json.dumps(index), encoding="utf-8")
    docks.register.message.clear()
    docks.qa.reviewing.open(str(judged.parent))
    qtbot.waitUntil(lambda: docks.register.message.kind == "warning")
    assert docks.qa.judging.rows


def test_another_pair_is_not_judged_as_the_session(docks, judged):
    assert docks.qa.reviewing.case is not None
    docks.register.runner.take_up(docks.outcome_of(docks.scene(seed=5)))
    assert docks.qa.reviewing.case is None and not docks.qa.panel.note.isEnabled()
