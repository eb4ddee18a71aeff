"""The one background engine of a window, and its door back to Qt.

A job is a function, or a generator function that yields steps and returns its result.  It runs
in a plain Python thread and never touches Qt; everything it says is put into a box, and the
main thread is knocked up to empty it.  So nothing is delivered late, twice, or to a dead window.

What a job refers to (its callbacks know widgets) is let go of on the main thread only: Qt's
objects may not be destroyed anywhere else.
"""

from __future__ import annotations

import atexit
import itertools
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_voxelmorph.gui.background.collector import Collector
from napari_voxelmorph.gui.background.engine_worker import (
    CLOSE_SECONDS,
    Job,
    Worker,
    is_synchronous,
)
from napari_voxelmorph.gui.background.farewell import when_destroyed


class Busy(RuntimeError):
    """A second registration, or a second training, was asked for while one runs."""


#: Lanes whose job nothing but the user may stop, with the words for whoever tries.
_ALONE = {
    "run": "A registration is running; cancel it before starting another.",
    "train": "A training is running in this window; stop it before starting another.",
}


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
        self._worker = worker = Worker(self._knocked.emit)
        self._knocked.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        # Qt deletes this object with its window: from then on nobody is at home.
        when_destroyed(self, lambda: _shut_down(worker))
        _let_go_of_ended()
        _kept[worker] = {}

    @property
    def running(self) -> Job | None:
        """The registration that runs, or None."""
        return self._newest.get("run")

    @property
    def busy(self) -> bool:
        """Whether a registration runs (quiet work does not count)."""
        return self.running is not None

    def works_on(self, lane: str) -> bool:
        """Whether a job of this lane waits or runs."""
        return lane in self._newest

    def submit(self, work: Callable[[], Any], *, lane: str, **callbacks: Any) -> Job:
        """Queue `work`; `on_start(job)` is called at once, then `on_step(step, partial)`, then
        `on_done(result)`, `on_error(sentence, details)` or `on_cancelled()`, on the main thread.

        The lanes ``"run"`` (registrations) and ``"train"`` take one job at a time: a second one
        is refused with `Busy`.  In any other lane the newest job wins: an older one is stopped
        and its answer dropped.
        """
        older = self._newest.get(lane)
        if older is not None:
            if lane in _ALONE:
                raise Busy(_ALONE[lane])
            older.cancel()
        job = Job(next(self._numbers), lane, work, **callbacks)
        self._newest[lane] = job
        _kept.setdefault(self._worker, {})[job.number] = job
        if lane == "run":
            self.busy_changed.emit(True)
        job.on_start(job)
        if is_synchronous():
            self._worker.perform(job)
            _kept[self._worker].pop(job.number, None)
            self._deliver()
        else:
            _collector.begin()
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

    def _hand_over(self, job: Job | None, what: str, payload: Any) -> None:
        if job is None:
            _kept.get(self._worker, {}).pop(payload, None)
            _collector.check()
            return
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
        return _shut(self._worker, seconds)


#: The workers whose thread has not ended, and the jobs that each may still refer to.
_kept: dict[Worker, dict[int, Job]] = {}
_collector = Collector(lambda: any(_kept.values()))


def _shut_down(worker: Worker) -> None:
    _shut(worker)


def _shut(worker: Worker, seconds: float = CLOSE_SECONDS) -> bool:
    ended = worker.close(seconds)
    _let_go_of_ended()
    return ended


def _let_go_of_ended() -> None:
    for worker in [worker for worker in _kept if worker.ended]:
        del _kept[worker]
    _collector.check()


@atexit.register
def _close_all() -> None:
    # A daemon thread inside compiled code at interpreter exit could crash: end it first.
    for worker in list(_kept):
        worker.close()


def engine_thread_of(viewer: Any) -> EngineThread:
    """Return the engine thread of a napari window, made on first use and ended with it."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None:
        return EngineThread()
    found = window.findChild(EngineThread, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return found if found is not None else EngineThread(window)
