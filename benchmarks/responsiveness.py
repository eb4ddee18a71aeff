"""How long the window stands still while a registration runs on the CPU.

A timer of 5 ms ticks in the window's own event loop; the longest gap between two ticks is the
longest stall that a user could feel.  Run it with a screen, or under Xvfb:

    xvfb-run -a python benchmarks/responsiveness.py [FIXED MOVING] [--cold] [--json FILE]

Without files it takes the full-size phantom.  ``--cold`` empties the compile cache first, as on
the very first run after installing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

TICK_MS = 5


def main() -> None:
    """Open a window, register, report the longest stalls by what went on."""
    arguments = _arguments()
    if arguments.cold:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-cold-")
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(1600, 1000)
    stalls = Stalls()
    stalls.phase("opening the dock, loading the engine")
    dock = _dock(viewer)
    _wait(lambda: not dock.engine.works_on("warm-up"), 120)
    stalls.phase("choosing the pair")
    _choose(dock, arguments.files)
    _settle(1.0)
    report = {"runs": []}
    for number in (1, 2):
        stalls.phase(f"run {number}")
        began = time.perf_counter()
        dock.controls.button.click()
        _wait(lambda: not dock.engine.busy, 600)
        report["runs"].append(round(time.perf_counter() - began, 2))
        stalls.phase(f"after run {number}")
        _settle(1.0)
    report["cold compile cache"] = arguments.cold
    report["longest stalls (ms)"] = stalls.summary()
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    viewer.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="fixed and moving image")
    parser.add_argument("--cold", action="store_true", help="with an empty compile cache")
    parser.add_argument("--json", help="also write the report here")
    return parser.parse_args()


def _dock(viewer: Any) -> Any:
    from napari_voxelmorph.gui.register_dock import RegisterDock

    dock = RegisterDock(viewer)
    viewer.window.add_dock_widget(dock, name="Register", area="right")
    return dock


def _choose(dock: Any, files: list[str]) -> None:
    if files:
        dock.opening.open_pair([files[1], files[0]])
    else:
        dock.opening.sample()
    _wait(lambda: dock.controls.button.text() == "Register", 120)


class Stalls:
    """Gaps between the ticks of a timer, by phase."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._gaps: dict[str, list[float]] = {}
        self._now = ""
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def phase(self, name: str) -> None:
        """Count from here on under another name."""
        self._tick()
        self._now = name
        self._gaps.setdefault(name, [])

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gaps.setdefault(self._now, []).append(1000 * (now - self._last))
        self._last = now

    def summary(self) -> dict[str, dict[str, float]]:
        """Longest, second longest, 99th percentile and count above 100 ms, per phase."""
        out = {}
        for name, gaps in self._gaps.items():
            ordered = sorted(gaps, reverse=True)
            if name and ordered:
                out[name] = {
                    "longest": round(ordered[0], 1),
                    "second": round(ordered[min(1, len(ordered) - 1)], 1),
                    "p99": round(ordered[len(ordered) // 100], 1),
                    "above 100 ms": sum(gap > 100 for gap in gaps),
                    "ticks": len(ordered),
                }
        return out


def _wait(ready: Any, seconds: float) -> None:
    """Run the event loop, as a user's window does, until `ready()`."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, poll = QEventLoop(), QTimer()
    limit = time.perf_counter() + seconds
    poll.timeout.connect(lambda: ready() and loop.quit())
    poll.timeout.connect(lambda: time.perf_counter() > limit and loop.quit())
    poll.start(20)
    loop.exec()
    if not ready():
        raise SystemExit(f"waited {seconds:g} s in vain")


def _settle(seconds: float) -> None:
    end = time.perf_counter() + seconds
    _wait(lambda: time.perf_counter() > end, seconds + 5)


if __name__ == "__main__":
    main()
