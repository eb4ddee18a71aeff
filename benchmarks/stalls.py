"""Gaps in the ticking of a window's event loop, and what the threads did meanwhile."""

from __future__ import annotations

import collections
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

_TICK_MS = 5
_SAMPLE_SECONDS = 0.004
#: Gaps shorter than this (ms) are not looked into.
_WORTH = 40.0


@dataclass
class Gap:
    """One gap between two ticks: wall and the window thread's own CPU time, ms."""

    wall: float
    cpu: float
    seen: list[tuple[str, str]] = field(default_factory=list)


class Stalls:
    """A timer of 5 ms in the event loop; its gaps, by phase.

    With `witness`, a thread looks every 4 ms where the others are while a gap grows.  A long
    gap without looks means that somebody held Python's lock.
    """

    def __init__(self, witness: bool = False) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._gaps: dict[str, list[Gap]] = {}
        self._now = ""
        self._last, self._cpu = time.perf_counter(), time.thread_time()
        self._seen: list[tuple[str, str]] = []
        self._main = threading.get_ident()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_TICK_MS)
        if witness:
            threading.Thread(target=self._watch, daemon=True).start()

    def phase(self, name: str) -> None:
        """Count from here on under another name."""
        self._tick()
        self._now = name
        self._gaps.setdefault(name, [])

    def _tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        gap = Gap(1000 * (now - self._last), 1000 * (cpu - self._cpu), self._seen)
        self._gaps.setdefault(self._now, []).append(gap)
        self._last, self._cpu, self._seen = now, cpu, []

    def summary(self) -> dict[str, dict[str, float]]:
        """Longest (with its CPU time), second longest, 99th percentile, number above 100 ms."""
        out = {}
        for name, gaps in self._gaps.items():
            ordered = sorted(gaps, key=lambda gap: gap.wall, reverse=True)
            if name and ordered:
                out[name] = {
                    "longest": round(ordered[0].wall, 1),
                    "its CPU": round(ordered[0].cpu, 1),
                    "second": round(ordered[min(1, len(ordered) - 1)].wall, 1),
                    "p99": round(ordered[len(ordered) // 100].wall, 1),
                    "above 100 ms": sum(gap.wall > 100 for gap in gaps),
                    "ticks": len(ordered),
                }
        return out

    def testimony(self, most: int = 3) -> str:
        """Where the threads were in the longest gaps of every phase."""
        lines = []
        for name, gaps in self._gaps.items():
            ordered = sorted(gaps, key=lambda gap: gap.wall, reverse=True)[:most]
            for gap in (gap for gap in ordered if name and gap.wall > _WORTH):
                lines.append(f"{name}: {gap.wall:.0f} ms, CPU {gap.cpu:.0f}, looks {len(gap.seen)}")
                for (where, others), n in collections.Counter(gap.seen).most_common(8):
                    lines.append(f"    {n:4d}  {where}" + (f"  || {others}" if others else ""))
        return "\n".join(lines)

    def _watch(self) -> None:
        while True:
            time.sleep(_SAMPLE_SECONDS)
            seen = self._seen
            if 1000 * (time.perf_counter() - self._last) > 2 * _TICK_MS:
                frames: dict[int, Any] = dict(sys._current_frames())
                main = frames.pop(self._main, None)
                frames.pop(threading.get_ident(), None)
                others = " & ".join(filter(None, map(_last_calls, frames.values())))
                seen.append((_calls(main), others))


def _calls(frame: FrameType | None, most: int = 7) -> str:
    """The calls of a stack, outermost first, without the frames of event dispatch."""
    if frame is None:
        return "?"
    calls = []
    for entry in traceback.extract_stack(frame):
        if not any(
            part in entry.filename
            for part in ("psygnal", "utils/events", "benchmarks", "importlib")
        ):
            calls.append(f"{entry.filename.rsplit('/', 1)[-1]}:{entry.lineno} {entry.name}")
    return " > ".join(calls[-most:])


def _last_calls(frame: FrameType) -> str:
    waits = frame.f_code.co_name in ("wait", "_worker", "_work")
    return "" if waits else _calls(frame, 2)
