"""The one background thread of a window in which the engine works, and its door back to Qt.

A job is a function, or a generator function that yields steps and returns its result.  It runs
in a plain Python thread and never touches Qt; everything it says is put into a box, and the
main thread is knocked up to empty it.  So nothing is delivered late, twice, or to a dead window.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import itertools
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_voxelmorph.gui.plain_words import sentence_and_details

#: Steps are shown at most this often, pictures of the unfinished result half as often.
STEP_SECONDS = 0.1
PARTIAL_SECONDS = 0.2
#: A window that closes waits this long for the step under way, then lets go of it.
CLOSE_SECONDS = 2.0


class Busy(RuntimeError):
    """A second registration was asked for while one runs."""


def _nothing(*_: Any) -> None:
    """Stand in for a callback that nobody asked for."""


@dataclass(eq=False)
class Job:
    """One piece of work, numbered; `lane` says what it replaces (see `EngineThread.submit`)."""

    number: int
    lane: str
    work: Callable[[], Any]
    on_done: Callable[[Any], None] = _nothing
    on_error: Callable[[str, str], None] = _nothing
    on_step: Callable[[Any, Any], None] = _nothing
    on_cancelled: Callable[[], None] = _nothing
    on_start: Callable[[Job], None] = _nothing
    cancelled: threading.Event = field(default_factory=threading.Event)
    latest: Any = None

    def cancel(self) -> None:
        """Stop after the step under way; `on_cancelled` follows."""
        self.cancelled.set()


class _Worker:
    """The thread itself, without Qt: takes jobs from a queue, leaves messages in a box."""

    def __init__(self, knock: Callable[[], None]) -> None:
        self.box: deque[tuple[Job, str, Any]] = deque()
        self._knock = knock
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._current: Job | None = None
        self._thread: threading.Thread | None = None

    def put(self, job: Job) -> None:
        """Queue a job; the thread starts with the first one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="voxelmorph", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._current = job
            self.perform(job)
            self._current = None

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
        shown = pictured = 0.0
        with contextlib.closing(generator):
            while not job.cancelled.is_set():
                try:
                    step = next(generator)
                except StopIteration as end:
                    return end.value
                now = time.monotonic()
                if now - shown < STEP_SECONDS:
                    continue
                partial = None
                if now - pictured >= PARTIAL_SECONDS and getattr(step, "partial", None) is not None:
                    partial, pictured = step.partial(), now
                shown = now
                self._show(job, step, partial)
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

    def tell(self, job: Job, what: str, payload: Any) -> None:
        """Leave a message and knock, unless nobody is at home any more."""
        with self._door:
            if not self._closed:
                self.box.append((job, what, payload))
                self._knock()

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Stop for good; True when the thread has ended in time."""
        with self._door:
            self._closed = True
            self.box.clear()
        if self._current is not None:
            self._current.cancel()
        self._jobs.put(None)
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()


class EngineThread(QObject):
    """Submit work, hear of it on the main thread.

    With `NAPARI_VOXELMORPH_SYNC=1` the work is done inside `submit`, for tests and scripts.
    """

    busy_changed = Signal(bool)
    _knocked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._numbers = itertools.count(1)
        self._newest: dict[str, Job] = {}
        self._delivering = False
        self._worker = worker = _Worker(self._knocked.emit)
        self._knocked.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        # Qt deletes this object with its window: from then on nobody is at home.
        self.destroyed.connect(lambda *_: worker.close())
        _open_workers.add(worker)

    @property
    def running(self) -> Job | None:
        """The registration that runs, or None."""
        return self._newest.get("run")

    @property
    def busy(self) -> bool:
        """Whether a registration runs (quiet work does not count)."""
        return self.running is not None

    def submit(self, work: Callable[[], Any], *, lane: str, **callbacks: Any) -> Job:
        """Queue `work`; `on_start(job)` is called at once, then `on_step(step, partial)`, then
        `on_done(result)`, `on_error(sentence, details)` or `on_cancelled()`, on the main thread.

        The lane ``"run"`` is for registrations: a second one is refused with `Busy`.  In any
        other lane the newest job wins: an older one is stopped and its answer dropped.
        """
        older = self._newest.get(lane)
        if older is not None:
            if lane == "run":
                raise Busy("A registration is running; cancel it before starting another.")
            older.cancel()
        job = Job(next(self._numbers), lane, work, **callbacks)
        self._newest[lane] = job
        if lane == "run":
            self.busy_changed.emit(True)
        job.on_start(job)
        if os.environ.get("NAPARI_VOXELMORPH_SYNC", "0") not in ("", "0"):
            self._worker.perform(job)
            self._deliver()
        else:
            self._worker.put(job)
        return job

    def _deliver(self) -> None:
        # A callback may handle waiting events (napari's progress does): never deliver inside
        # a delivery, or an old step could be shown after the result.
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._worker.box:
                self._hand_over(*self._worker.box.popleft())
        finally:
            self._delivering = False

    def _hand_over(self, job: Job, what: str, payload: Any) -> None:
        newest = self._newest.get(job.lane) is job
        if what != "step":
            self._end(job, what, payload, newest)
            return
        step, partial = self._worker.newest_step(job)
        if newest and not job.cancelled.is_set():
            job.on_step(step, partial)

    def _end(self, job: Job, what: str, payload: Any, newest: bool) -> None:
        if not newest:
            return
        del self._newest[job.lane]
        if job.lane == "run":
            self.busy_changed.emit(False)
        if what == "cancelled":
            job.on_cancelled()
        elif what == "done":
            job.on_done(payload)
        else:
            job.on_error(*payload)

    def cancel(self, lane: str = "run") -> None:
        """Ask the job of a lane to stop after its present step."""
        if lane in self._newest:
            self._newest[lane].cancel()

    def forget(self, *lanes: str) -> None:
        """Stop the jobs of these lanes and drop whatever they still have to say."""
        for lane in lanes:
            job = self._newest.pop(lane, None)
            if job is not None:
                job.cancel()

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Cancel all, wait a little, let go; True when the thread has ended."""
        self._newest.clear()
        return self._worker.close(seconds)


_open_workers: weakref.WeakSet[_Worker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # A daemon thread inside compiled code at interpreter exit could crash: end it first.
    for worker in list(_open_workers):
        worker.close()


def engine_thread_of(viewer: Any) -> EngineThread:
    """Return the engine thread of a napari window, made on first use and ended with it."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None:
        return EngineThread()
    found = window.findChild(EngineThread, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return found if found is not None else EngineThread(window)
