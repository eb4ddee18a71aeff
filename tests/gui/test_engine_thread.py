"""The background engine: order, cancelling, stale answers, errors, and a clean end."""

from __future__ import annotations

import gc
import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest
from qtpy.QtCore import QCoreApplication, QObject, QThread
from qtpy.QtWidgets import QApplication

from napari_voxelmorph.gui.background.engine_thread import Busy, EngineThread
from napari_voxelmorph.gui.background.later import later


@pytest.fixture
def engine(qtbot):
    thread = EngineThread()
    yield thread
    assert thread.close()


def counting(n, gate=None, closed=None, entered=None):
    def work():
        try:
            for i in range(n):
                if entered is not None:
                    entered.set()
                if gate is not None:
                    assert gate.wait(60)
                yield SimpleNamespace(index=i, partial=lambda i=i: f"picture {i}")
        finally:
            if closed is not None:
                closed.append(True)
        return "result"

    return work


def test_a_result_comes_back_on_the_main_thread(engine, qtbot):
    seen = []
    main = threading.current_thread()
    engine.submit(
        lambda: threading.current_thread().name, lane="run",
        on_done=lambda name: seen.append((name, threading.current_thread() is main)),
    )  # fmt: skip
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [("voxelmorph", True)]
    assert QThread.currentThread() is QCoreApplication.instance().thread()


def test_steps_are_shown_at_most_five_times_a_second_with_pictures(engine, qtbot):
    steps, done = [], []

    def work():
        for i in range(60):
            time.sleep(0.01)
            yield SimpleNamespace(index=i, partial=lambda i=i: i)
        return "end"

    engine.submit(work, lane="run", on_step=lambda s, p: steps.append((s.index, p)),
                  on_done=done.append)  # fmt: skip
    qtbot.waitUntil(lambda: bool(done))
    assert 2 <= len(steps) <= 9
    assert steps[0] == (0, 0)
    assert all(picture == index for index, picture in steps)


def test_a_sleeping_window_finds_only_the_newest_step(engine, qtbot):
    steps, done = [], []

    def work():
        for i in range(8):
            time.sleep(0.21)
            yield SimpleNamespace(index=i)

    engine.submit(work, lane="run", on_step=lambda s, p: steps.append(s.index),
                  on_done=lambda r: done.append(r))  # fmt: skip
    time.sleep(2.2)
    qtbot.waitUntil(lambda: bool(done))
    assert len(steps) == 1 and steps[0] >= 4


def test_cancel_closes_the_generator_after_one_step(engine, qtbot):
    gate, entered, closed, said = threading.Event(), threading.Event(), [], []
    job = engine.submit(counting(100, gate, closed, entered), lane="run",
                        on_cancelled=lambda: said.append("cancelled"),
                        on_done=lambda r: said.append("done"))  # fmt: skip
    assert entered.wait(60)
    job.cancel()
    gate.set()
    qtbot.waitUntil(lambda: bool(said))
    assert said == ["cancelled"] and closed == [True]
    assert not engine.busy


def test_a_second_run_is_refused(engine, qtbot):
    gate, done = threading.Event(), []
    engine.submit(counting(1, gate), lane="run", on_done=done.append)
    with pytest.raises(Busy):
        engine.submit(counting(1), lane="run")
    gate.set()
    qtbot.waitUntil(lambda: done == ["result"])


def test_in_other_lanes_the_newest_wins(engine, qtbot):
    gate, seen = threading.Event(), []
    engine.submit(counting(1, gate), lane="run")
    for i in range(3):
        engine.submit(lambda i=i: i, lane="check", on_done=seen.append)
    gate.set()
    qtbot.waitUntil(lambda: bool(seen))
    qtbot.wait(50)
    assert seen == [2]


def test_an_error_comes_as_a_sentence_and_details(engine, qtbot):
    seen = []
    engine.submit(lambda: 1 / 0, lane="run", on_error=lambda *e: seen.append(e))
    qtbot.waitUntil(lambda: bool(seen))
    sentence, details = seen[0]
    assert "ZeroDivisionError" in details and "Traceback" in details
    assert "\n" not in sentence
    assert not engine.busy


def test_the_thread_goes_on_after_an_error(engine, qtbot):
    seen = []
    engine.submit(lambda: 1 / 0, lane="run")
    qtbot.waitUntil(lambda: not engine.busy)
    engine.submit(lambda: 7, lane="run", on_done=seen.append)
    qtbot.waitUntil(lambda: seen == [7])


def test_closing_ends_the_thread_and_stays_silent(qtbot):
    engine, gate, seen = EngineThread(), threading.Event(), []
    engine.submit(counting(5, gate), lane="run", on_done=seen.append,
                  on_cancelled=lambda: seen.append("cancelled"))  # fmt: skip
    gate.set()
    assert engine.close()
    qtbot.wait(50)
    assert seen == []


def test_closing_lets_go_of_a_step_that_does_not_end(qtbot):
    engine, gate, entered = EngineThread(), threading.Event(), threading.Event()
    engine.submit(counting(1, gate, entered=entered), lane="run")
    assert entered.wait(60)
    began = time.monotonic()
    assert not engine.close(0.2)
    assert time.monotonic() - began < 1
    gate.set()


def test_no_delivery_inside_a_delivery(engine, qtbot):
    order = []

    def on_step(step, partial):
        order.append("step begins")
        qtbot.wait(300)  # handles events, as napari's progress bar does
        order.append("step ends")

    engine.submit(counting(1), lane="run", on_step=on_step, on_done=order.append)
    qtbot.waitUntil(lambda: "result" in order)
    assert order == ["step begins", "step ends", "result"]


def test_sync_mode_answers_inside_submit(engine, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    seen = []
    engine.submit(counting(3), lane="run", on_step=lambda s, p: seen.append(s.index),
                  on_done=seen.append)  # fmt: skip
    assert seen[-1] == "result"


def test_work_that_gives_way_lets_others_pass(engine, qtbot):
    order = []

    def slow():
        for i in range(30):
            time.sleep(0.02)
            yield SimpleNamespace(index=i)
        order.append("slow")

    engine.submit(slow, lane="warm-up", gives_way=True)
    engine.submit(lambda: order.append("quick"), lane="open")
    qtbot.waitUntil(lambda: len(order) == 2)
    assert order == ["quick", "slow"]


def test_a_training_gives_way_to_everything_and_the_warm_up_to_all_but_it(engine, qtbot):
    order, entered = [], threading.Event()

    def slow(name):
        def work():
            for i in range(15):
                entered.set()
                time.sleep(0.02)
                yield SimpleNamespace(index=i)
            order.append(name)

        return work

    engine.submit(slow("training"), lane="train", gives_way=2)
    assert entered.wait(60)
    engine.submit(slow("warm-up"), lane="warm-up", gives_way=1)
    engine.submit(lambda: order.append("quick"), lane="open")
    qtbot.waitUntil(lambda: len(order) == 3)
    assert order == ["quick", "warm-up", "training"]


def test_a_training_asked_for_while_the_libraries_load_waits_for_them(engine, qtbot):
    order = []

    def slow(name):
        def work():
            for i in range(5):
                order.append(name)
                time.sleep(0.02)
                yield SimpleNamespace(index=i)

        return work

    engine.submit(slow("warm-up"), lane="warm-up", gives_way=1)
    engine.submit(slow("training"), lane="train", gives_way=2)
    qtbot.waitUntil(lambda: len(order) == 10)
    assert order == ["warm-up"] * 5 + ["training"] * 5


def test_a_second_training_is_refused_with_words(engine, qtbot):
    gate = threading.Event()
    engine.submit(counting(2, gate), lane="train")
    with pytest.raises(Busy, match="training is running"):
        engine.submit(counting(2), lane="train")
    gate.set()
    qtbot.waitUntil(lambda: not engine.works_on("train"))


def test_closing_stops_a_training_that_gives_way_to_another_job(qtbot):
    engine, gate, entered, closed = EngineThread(), threading.Event(), threading.Event(), []

    def training():
        try:
            while True:
                time.sleep(0.01)
                yield SimpleNamespace(index=0)
        finally:
            closed.append(True)

    engine.submit(training, lane="train", gives_way=2, patience=5.0)
    engine.submit(counting(5, gate, entered=entered), lane="run")
    assert entered.wait(60)
    threading.Timer(0.3, gate.set).start()
    assert engine.close(0.1)  # waits for as long as the training asked for
    assert closed == [True]


class Traced:
    """Says in which thread it was let go of."""

    ends: ClassVar[list[threading.Thread]] = []

    def __del__(self):
        self.ends.append(threading.current_thread())


@pytest.mark.parametrize("gives_way", [0, 2])
def test_what_a_job_refers_to_is_let_go_of_on_the_main_thread(qtbot, engine, gives_way):
    """Callbacks know widgets; Qt's objects may not be destroyed in another thread."""
    Traced.ends.clear()
    gate, entered = threading.Event(), threading.Event()

    def submit(lane):
        mine = Traced()

        def work():
            entered.set()
            assert gate.wait(60)
            yield mine
            yield mine

        engine.submit(work, lane=lane, on_done=lambda _: mine, gives_way=gives_way)

    submit("a")
    assert entered.wait(60)
    submit("b")  # queued
    engine.forget("a", "b")
    gate.set()
    qtbot.waitUntil(lambda: len(Traced.ends) == 2)
    assert set(Traced.ends) == {threading.main_thread()}


def test_a_window_that_closes_lets_go_on_the_main_thread(qtbot):
    """Also of jobs that never came to run."""
    Traced.ends.clear()
    engine = EngineThread()
    gate, entered = threading.Event(), threading.Event()

    def submit(lane):
        mine = Traced()

        def work():
            entered.set()
            assert gate.wait(60)
            return mine

        engine.submit(work, lane=lane)

    submit("a")
    assert entered.wait(60)
    submit("b")
    assert not engine.close(0.05)  # the step under way does not end in time
    thread = engine._worker._thread
    gate.set()
    thread.join(60)
    assert engine.close()
    assert len(Traced.ends) == 2 and set(Traced.ends) == {threading.main_thread()}


def test_garbage_is_collected_on_the_main_thread_only(qtbot, engine):
    """A circle with a widget in it, found in the engine thread, would be destroyed there."""
    where, done, was = [], [], gc.isenabled()

    def note(phase, info):
        where.append(threading.current_thread())

    def work():
        for n in range(200):
            circles = [[] for _ in range(500)]
            for circle in circles:
                circle.append(circle)
            time.sleep(0.005)
            yield n

    gc.callbacks.append(note)
    try:
        engine.submit(work, lane="x", on_done=done.append)
        qtbot.waitUntil(lambda: bool(done))
        qtbot.waitUntil(lambda: gc.isenabled() == was)
    finally:
        gc.callbacks.remove(note)
    assert where and set(where) == {threading.main_thread()}


def test_later_is_not_when_its_widget_is_gone(qtbot):
    said = []
    here, gone = QObject(), QObject()
    later(here, lambda: said.append("here"))
    later(gone, lambda: said.append("gone"))
    gone.deleteLater()
    QApplication.sendPostedEvents(gone, 52)  # DeferredDelete
    qtbot.waitUntil(lambda: bool(said))
    qtbot.wait(20)
    assert said == ["here"]
