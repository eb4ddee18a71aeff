"""The engine's own threads."""

from __future__ import annotations

import multiprocessing
import sys
import threading

import pytest

from napari_voxelmorph.engine import parallel
from napari_voxelmorph.engine.parallel import run_slabs, set_threads, thread_count


@pytest.fixture(autouse=True)
def keep_threads():
    before = thread_count()
    yield
    set_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 100])
def test_slabs_cover_the_range_in_order(threads, n):
    set_threads(threads)
    slabs = run_slabs(lambda word, a, b: (word, a, b), n, "x")
    assert [i for _, a, b in slabs for i in range(a, b)] == list(range(n))
    assert {word for word, _, _ in slabs} == {"x"}


def test_errors_come_through():
    def broken(a, b):
        raise ZeroDivisionError("slab")

    set_threads(2)
    with pytest.raises(ZeroDivisionError, match="slab"):
        run_slabs(broken, 10)
    assert run_slabs(lambda a, b: b - a, 10)


def test_threads_may_change_while_others_work():
    """A pool that was just taken must not be shut under the one who took it."""
    wrong, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                if sum(run_slabs(lambda a, b: b - a, 20)) != 20:
                    wrong.append("sum")
            except RuntimeError as error:
                wrong.append(error)

    set_threads(2)
    worker = threading.Thread(target=work)
    worker.start()
    for n in range(40):
        set_threads(2 + n % 3)
    stop.set()
    worker.join()
    assert not wrong


def test_at_least_one_thread():
    set_threads(-3)
    assert thread_count() == 1


def _in_child(queue):
    queue.put(sum(run_slabs(lambda a, b: b - a, 10)))


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_its_own_threads():
    set_threads(2)
    run_slabs(lambda a, b: None, 10)
    assert parallel._pool is not None
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=30) == 10
    child.join(30)
