"""Several generators that work at the same time, each in a thread of its own, to be stopped at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from napari_voxelmorph.engine.errors import Cancelled

T = TypeVar("T")
#: Seconds after which a watcher is told that the work goes on, so that it can stop it.
_TELL = 0.1


def side_by_side(
    works: Iterable[tuple[int, Callable[[], Generator[Any, None, T]]]], at_once: int
) -> Generator[tuple[int, Future[T]] | None, None, None]:
    """Run generators to their ends, `at_once` at the same time, begun in the order given.

    Closing this generator closes theirs at their next yield, and waits for that.

    Parameters
    ----------
    works : iterable of (number, function that makes the generator)

    Yields
    ------
    (number, Future) or None
        One that has ended, with its result or error; None now and then while all are at it.
    """
    closed = threading.Event()

    def run(make: Callable[[], Generator[Any, None, T]]) -> T:
        steps = make()
        try:
            while not closed.is_set():
                next(steps)
        except StopIteration as finished:
            result: T = finished.value
            return result
        finally:
            steps.close()
        raise Cancelled("Stopped.")

    waiting, pending = iter(works), {}
    with ThreadPoolExecutor(at_once, thread_name_prefix="voxelmorph-prepare") as pool:
        try:
            while True:
                for number, make in waiting:
                    pending[pool.submit(run, make)] = number
                    if len(pending) >= at_once:
                        break
                if not pending:
                    return
                ended, _ = wait(pending, _TELL, FIRST_COMPLETED)
                for future in ended:
                    yield pending.pop(future), future
                if not ended:
                    yield None
        finally:
            closed.set()
