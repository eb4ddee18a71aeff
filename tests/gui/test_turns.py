"""Work in pieces: order, pauses, errors, re-entry, and what becomes of it at the end."""

from __future__ import annotations

import gc

import pytest
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

from napari_voxelmorph.gui.background.garbage import Hold
from napari_voxelmorph.gui.background.turns import Turns


@pytest.fixture
def told() -> list:
    return []


@pytest.fixture
def turns(qtbot, told):
    parent = QObject()
    yield Turns(parent, lambda sentence, details: told.append(sentence))
    parent.deleteLater()


def pieces(done, name, n=3):
    for i in range(n):
        done.append(f"{name}{i}")
        yield None


def test_each_piece_has_its_own_turn(qtbot, turns):
    done: list[str] = []
    between: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: between.append(len(done)))
    timer.start(0)
    turns.add(pieces(done, "a"))
    turns.add(pieces(done, "b"))
    assert done == []  # nothing is done where it is asked for
    qtbot.waitUntil(lambda: not turns.waiting)
    assert done == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert {1, 2, 3} <= set(between)  # the event loop turned between the pieces


def test_a_pause_lets_time_pass(qtbot, turns):
    done: list[str] = []

    def slowly():
        yield 60
        done.append("later")

    turns.add(slowly())
    qtbot.wait(20)
    assert done == []
    qtbot.waitUntil(lambda: done == ["later"])


def test_finish_does_the_rest_now(turns):
    done: list[str] = []
    turns.add(pieces(done, "a"))
    turns.finish()
    assert done == ["a0", "a1", "a2"] and not turns.waiting


def test_drop_forgets_and_cleans_up(turns):
    done: list[str] = []

    def careful():
        try:
            yield None
            done.append("never")
        finally:
            done.append("cleaned")

    turns.add(careful())
    turns._on_turn()
    turns.drop()
    assert done == ["cleaned"] and not turns.waiting


def test_an_error_ends_its_own_work_only(qtbot, turns, told):
    done: list[str] = []

    def broken():
        yield None
        raise ValueError("no")

    turns.add(broken())
    turns.add(pieces(done, "b"))
    qtbot.waitUntil(lambda: not turns.waiting)
    assert len(told) == 1 and "no" in told[0]
    assert done == ["b0", "b1", "b2"]


def test_a_piece_that_handles_events_is_not_entered_again(qtbot, turns):
    done: list[str] = []

    def nested():
        for i in range(3):
            turns.finish()  # what a result does that arrives in here
            QApplication.processEvents()
            done.append(str(i))
            yield None

    turns.add(nested())
    qtbot.waitUntil(lambda: not turns.waiting)
    assert done == ["0", "1", "2"]


def test_synchronous_work_is_done_at_once(turns, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    done: list[str] = []
    turns.add(pieces(done, "a"))
    assert done == ["a0", "a1", "a2"]


class Knot:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.me = self


def test_a_hold_leaves_old_objects_out_and_gives_them_back():
    before = gc.get_freeze_count()
    outer, inner = Hold(), Hold()
    assert gc.get_freeze_count() > before + 1000
    outer.release()
    outer.release()
    assert gc.get_freeze_count() > before + 1000  # the inner one still holds
    inner.release()
    assert gc.get_freeze_count() == 0


def test_what_is_made_during_a_hold_is_collected():
    import weakref

    with Hold():
        knot = Knot()
        seen = weakref.ref(knot)
        del knot
        gc.collect()
        assert seen() is None
