"""The background thread itself, without Qt: takes jobs from a queue, leaves messages in a box."""

from __future__ import annotations

import contextlib
import inspect
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from napari_voxelmorph.gui.plain_words import sentence_and_details

#: Steps, with a picture of the unfinished result, are shown at most this often: without a
#: graphics card every change on screen paints the whole window again on the CPU.
STEP_SECONDS = 0.2
#: A window that closes waits this long for the step under way, then lets go of it.
CLOSE_SECONDS = 2.0
_NICE = 10


def _nothing(*_: Any) -> None:
    """Stand in for a callback that nobody asked for."""


@dataclass(eq=False)
class Job:
    """One piece of work, numbered; `lane` says what it replaces (see `EngineThread.submit`).

    A job pauses between its steps while others are waiting that give way less than it does
    (0 never, 1 warm-up, 2 training); its equals wait for its end.  A window that closes waits
    at least `patience` seconds for the step under way and for what is written after it.
    """

    number: int
    lane: str
    work: Callable[[], Any]
    on_done: Callable[[Any], None] = _nothing
    on_error: Callable[[str, str], None] = _nothing
    on_step: Callable[[Any, Any], None] = _nothing
    on_cancelled: Callable[[], None] = _nothing
    on_start: Callable[[Job], None] = _nothing
    gives_way: int = 0
    patience: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    latest: Any = None

    def cancel(self) -> None:
        """Stop after the step under way; `on_cancelled` follows."""
        self.cancelled.set()


def is_synchronous() -> bool:
    """Whether everything is done where it is asked for (tests and scripts)."""
    return os.environ.get("NAPARI_VOXELMORPH_SYNC", "0") not in ("", "0")


def _be_polite() -> None:
    """Let the window go first: this thread, and those that it starts, yield the processor."""
    if sys.platform == "linux":  # elsewhere a priority belongs to the whole process
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, nice + _NICE)


class Worker:
    """Does one job after the other; `knock` is called, in this thread, when the box fills."""

    def __init__(self, knock: Callable[[], None]) -> None:
        self.box: deque[tuple[Job | None, str, Any]] = deque()
        self._knock = knock
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._later: deque[Job] = deque()
        #: The job under way; before it those that give way to it.
        self._current: list[Job] = []
        self._thread: threading.Thread | None = None

    def put(self, job: Job) -> None:
        """Queue a job; the thread starts with the first one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="voxelmorph", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    @property
    def ended(self) -> bool:
        """Whether nothing runs here any more, or ever will."""
        return self._closed and (self._thread is None or not self._thread.is_alive())

    def _work(self) -> None:
        _be_polite()
        while not self._closed:
            self._leave(self._serve(self._later.popleft() if self._later else self._jobs.get()))

    def _serve(self, job: Job | None) -> int | None:
        if job is None or self._closed:
            return None
        self._current.append(job)
        self.perform(job)
        self._current.pop()
        return job.number

    def _leave(self, number: int | None) -> None:
        """Say that this thread knows nothing of a job any more: no name here refers to it."""
        if number is not None:
            self.tell(None, "left", number)

    def _let_others(self, job: Job) -> None:
        """Do what waits and may go before `job`."""
        while job.gives_way and not self._jobs.empty():
            self._leave(self._serve_before(job))

    def _serve_before(self, job: Job) -> int | None:
        other = self._jobs.get()
        if other is not None and other.gives_way >= job.gives_way:
            self._later.append(other)
            return None
        return self._serve(other)

    def perform(self, job: Job) -> None:
        """Run one job to its end; all that it has to say goes into the box."""
        if job.cancelled.is_set():
            self.tell(job, "cancelled", None)
            return
        try:
            result = job.work()
            if inspect.isgenerator(result):
                result = self._steps(job, result)
        except BaseException as error:
            self.tell(job, "error", sentence_and_details(error))
        else:
            self.tell(job, "cancelled" if job.cancelled.is_set() else "done", result)

    def _steps(self, job: Job, generator: Any) -> Any:
        shown = 0.0
        with contextlib.closing(generator):
            while not job.cancelled.is_set() and not self._closed:
                try:
                    step = next(generator)
                except StopIteration as end:
                    return end.value
                self._let_others(job)
                now = time.monotonic()
                if now - shown < STEP_SECONDS:
                    continue
                picture = getattr(step, "partial", None)
                self._show(job, step, None if picture is None else picture())
                shown = time.monotonic()
        return None

    def _show(self, job: Job, step: Any, partial: Any) -> None:
        # A busy main thread finds only the newest step, not a pile of them.
        with self._door:
            waiting, job.latest = job.latest, (step, partial)
        if waiting is None:
            self.tell(job, "step", None)

    def newest_step(self, job: Job) -> tuple[Any, Any]:
        """Take the step that waits to be shown, with its picture or None."""
        with self._door:
            step, job.latest = job.latest, None
        return step

    def tell(self, job: Job | None, what: str, payload: Any) -> None:
        """Leave a message and knock, unless nobody is at home any more."""
        with self._door:
            if not self._closed:
                self.box.append((job, what, payload))
                # Qt may be destroying the one who would hear it, and has not said so yet.
                with contextlib.suppress(RuntimeError):
                    self._knock()

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Stop for good; True when the thread has ended in time."""
        with self._door:
            self._closed = True
            self._knock = _nothing
            self.box.clear()
        current = list(self._current)
        for job in current:
            job.cancel()
        self._later.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        self._jobs.put(None)
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(max([seconds, *(job.patience for job in current)]))
        return not self._thread.is_alive()
