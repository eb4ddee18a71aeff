"""Time and memory of what a worker process does."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return the result of `work` and its wall and CPU (user + system) seconds."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = work()
    return result, {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}


def cpu_seconds() -> float:
    """User + system seconds of this process and of children that have ended."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, who))


def peak_megabytes() -> float:
    """Largest resident memory of this process so far, in MB.

    VmHWM rather than ru_maxrss: the latter starts at the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().split("\n"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
