"""A small thread pool of our own for numba kernels that release the GIL.

Numba's own ``prange`` would bind us to OpenMP or to its work queue, which aborts the
process when two threads enter it, and an OpenMP team waits for its slowest member,
which freezes previews on a busy machine.  Here every kernel takes a slab ``[a, b)`` of
the first axis, and the pool runs slabs side by side.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from napari_voxelmorph.engine.preferences import current

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_threads = max(
    1,
    min(len(os.sched_getaffinity(0)), 16)
    if hasattr(os, "sched_getaffinity")
    else min(os.cpu_count() or 1, 16),
)
#: What `use_threads` found, here and in torch, before it first changed anything.
_before: list[int] = []


def thread_count() -> int:
    """How many threads the engine's heavy kernels use."""
    return _threads


def set_threads(n: int) -> None:
    """Use `n` threads from now on (at least one)."""
    global _pool, _threads
    with _lock:
        _threads = max(1, int(n))
        # Not shut down: whoever just took the old pool may still hand it work; its threads
        # end when nobody holds it any more.
        _pool = None


def use_threads(n: int = 0) -> None:
    """Use `n` threads here and in torch from now on; 0: those of the user's preferences.

    Where neither says a number, nothing is changed.
    """
    wanted = n or current().threads
    if not wanted and not _before:
        return
    import torch

    if not _before:
        _before.extend((_threads, torch.get_num_threads()))
    set_threads(wanted or _before[0])
    torch.set_num_threads(wanted or _before[1])


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_threads, thread_name_prefix="voxelmorph-kernel")
        return _pool


def _after_fork() -> None:
    """A forked child has none of its parent's threads."""
    global _pool, _lock
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_slabs(
    kernel: Callable[..., Any], n: int, *args: Any, chunks_per_thread: int = 2
) -> list[Any]:
    """Run ``kernel(*args, a, b)`` for slabs ``[a, b)`` that together cover ``range(n)``.

    Returns the slabs' results in order.  More chunks than threads even out slabs of
    unequal cost; one thread (or one row) means one plain call.
    """
    threads = _threads
    if threads == 1 or n < 2:
        return [kernel(*args, 0, n)]
    chunks = min(n, threads * chunks_per_thread)
    edges = [n * i // chunks for i in range(chunks + 1)]
    pool = _executor()
    jobs = [pool.submit(kernel, *args, a, b) for a, b in itertools.pairwise(edges)]
    return [job.result() for job in jobs]
