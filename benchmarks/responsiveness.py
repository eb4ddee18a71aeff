"""How long the window stands still while a registration runs on the CPU.

A timer of 5 ms ticks in the window's own event loop; the longest gap between two ticks is the
longest stall that a user could feel.  Run it with a screen, or under Xvfb:

    xvfb-run -a python benchmarks/responsiveness.py [FIXED MOVING] [--cold] [--why] [--json FILE]

Without files it takes the full-size phantom.  ``--cold`` empties the compile cache first, as on
the very first run after installing.  ``--why`` tells what the threads did in the longest stalls.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from stalls import Stalls


def main() -> None:
    """Open a window, register, report the longest stalls by what went on."""
    arguments = _arguments()
    if arguments.cold:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-cold-")
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(1600, 1000)
    stalls = Stalls(arguments.why)
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
    if arguments.why:
        print(stalls.testimony())
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    viewer.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="fixed and moving image")
    parser.add_argument("--cold", action="store_true", help="with an empty compile cache")
    parser.add_argument("--why", action="store_true", help="look into the longest stalls")
    parser.add_argument("--json", help="also write the report here")
    return parser.parse_args()


def _dock(viewer: Any) -> Any:
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    dock = RegisterDock(viewer)
    viewer.window.add_dock_widget(dock, name="Register", area="right")
    return dock


def _choose(dock: Any, files: list[str]) -> None:
    if files:
        dock.opening.open_pair([files[1], files[0]])
    else:
        dock.opening.sample()
    # Without files the sample's landmarks come last.
    last = "moving" if files else "moving_landmarks"
    _wait(lambda: dock.inputs.layer(last) is not None, 120)
    _settle(1.0)
    _wait(lambda: dock.pair_view.has_pair and not dock.runner.drawing, 20)
    _settle(1.0)


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
