"""The next samples are made in the background while the network is busy with the present ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from napari_voxelmorph.engine.training.samples import Sample

_END = object()


@contextmanager
def prefetched(
    draw: Callable[[int], Sample], numbers: Iterable[int], ahead: int = 2
) -> Iterator[Iterator[Sample]]:
    """``draw(n)`` for all numbers, in order, at most `ahead` of whoever takes them.

    One thread draws.  When the block ends, it finishes the sample it is at and ends too.  An
    error of `draw` is raised where its sample would have been taken.
    """
    ready: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def offer(item: Any) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for number in numbers:
                if stop.is_set() or not offer(draw(number)):
                    return
            offer(_END)
        except BaseException as error:  # raised again in the training's own thread
            offer(error)

    def samples() -> Iterator[Sample]:
        while (item := ready.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=work, name="voxelmorph-samples", daemon=True)
    thread.start()
    try:
        yield samples()
    finally:
        stop.set()
        thread.join()
