"""Work in several threads: all of it is done, errors arrive, and it stops when it is closed."""

from __future__ import annotations

import threading

import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data.side_by_side import side_by_side


def work(n):
    yield from range(3)
    if n == 4:
        raise InputError("four")
    return n * n


def test_everything_is_done_and_errors_stay_with_their_work():
    found, failed = {}, []
    for end in side_by_side(((n, lambda n=n: work(n)) for n in range(8)), 2):
        if end is not None:
            number, future = end
            if future.exception() is None:
                found[number] = future.result()
            else:
                failed.append(number)
    assert found == {n: n * n for n in range(8) if n != 4} and failed == [4]


@pytest.mark.parametrize("at_once", [1, 2])
def test_closing_closes_what_is_under_way_and_begins_nothing_more(at_once):
    begun, closed, both = [], [], threading.Semaphore(0)

    def endless(n):
        begun.append(n)
        both.release()
        try:
            while True:
                yield
        finally:
            closed.append(n)

    works = side_by_side(((n, lambda n=n: endless(n)) for n in range(9)), at_once)
    assert next(works) is None
    for _ in range(at_once):
        assert both.acquire(timeout=30)
    works.close()
    assert sorted(begun) == sorted(closed) == list(range(at_once))
    assert not [t for t in threading.enumerate() if t.name.startswith("voxelmorph-prepare")]
