"""Paint a canvas again and again: how often a second, and what a frame costs the processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_INTERVAL = 16  # ms
_WARM_UP = 6  # frames: shaders, layouts
_LONGEST = 10  # times as long as asked for, on a machine with much other work


@dataclass(frozen=True)
class Frames:
    """What was counted; ms of the processor are means over the frames.

    Parameters
    ----------
    per_second : float
    window : float
        Of the window's own thread.
    others : float
        Of all other threads of the process: those of the software renderer.
    """

    per_second: float
    window: float
    others: float

    def __str__(self) -> str:
        both = self.window + self.others
        return (
            f"{self.per_second:5.1f} frames/s; a frame costs {both:5.1f} ms of the processor "
            f"({self.window:.1f} the window's thread, {self.others:.1f} the renderer's)"
        )


def drive(canvas: Any, kick: Callable[[], None], seconds: float, least: int = 20) -> Frames:
    """Call `kick` every 16 ms, or as often as the window comes to it, for some seconds.

    It goes on until `least` frames are painted, but not for ever.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    painted: list[float] = []
    count = canvas.frameSwapped.connect(lambda: painted.append(time.perf_counter()))
    timer, loop = QTimer(), QEventLoop()

    def run(enough: Callable[[], bool]) -> None:
        def tick() -> None:
            if enough():
                loop.quit()
            else:
                kick()

        timer.timeout.connect(tick)
        timer.start(_INTERVAL)
        loop.exec()
        timer.stop()
        timer.timeout.disconnect(tick)

    run(lambda: len(painted) >= _WARM_UP)
    painted.clear()
    began, thread, process = time.perf_counter(), time.thread_time(), time.process_time()

    def enough() -> bool:
        lasted = time.perf_counter() - began
        return lasted > seconds * (1 if len(painted) >= least else _LONGEST)

    run(enough)
    lasted = time.perf_counter() - began
    window = time.thread_time() - thread
    others = time.process_time() - process - window
    canvas.frameSwapped.disconnect(count)
    n = max(1, len(painted))
    return Frames(len(painted) / lasted, 1000 * window / n, 1000 * others / n)
