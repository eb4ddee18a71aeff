"""The λ slider: how soon fields are ready, how fast the picture follows, how right the preview is.

Run it with a screen, or under Xvfb; a second process keeps one core busy meanwhile:

    xvfb-run -a python benchmarks/lambda_slider.py [FIXED MOVING] [--model NAME] [--idle]

Without files it takes the full-size phantom, without a model the optimiser.  Times are seconds on
the wall and, behind them, seconds of the processor: on a machine with other work the second ones
hold.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

_OVERLAYS = ("moved", "grid", "displacement", "jacobian")
_BUSY = "import numpy as np\na = np.random.rand(600, 600)\nwhile True: a @ a"
_BETWEEN = 6
_DRAG_SECONDS = 6.0
_WARM_UP = 12  # frames


def main() -> None:
    """Register, sweep, compare, drag; print one line per figure."""
    arguments = _arguments()
    base = _registered(arguments)
    source, knots = _sweep(base)
    _errors(base, source, knots)
    busy = None if arguments.idle else subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        _drag(base, knots)
    finally:
        if busy is not None:
            busy.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="fixed and moving image")
    parser.add_argument("--model", default="", help="by its name on the shelf, or its folder")
    parser.add_argument("--idle", action="store_true", help="without another busy process")
    return parser.parse_args()


def _registered(arguments: argparse.Namespace) -> Any:
    from napari_voxelmorph.engine import files
    from napari_voxelmorph.engine.config import DEFAULT
    from napari_voxelmorph.engine.registration import Registrar
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    if arguments.files:
        fixed, moving = (files.load(name) for name in arguments.files)
    else:
        pair = make_pair(3)
        fixed, moving = pair.fixed, pair.moving
    registrar = Registrar()
    registrar.set_pair(moving, fixed)
    quick = replace(DEFAULT, model=arguments.model, refine=False, iterations=(100, 60, 0))
    return registrar.register(quick)


def _sweep(base: Any) -> tuple[Any, Any]:
    """Knots, with the times at which three and all of them were there."""
    from napari_voxelmorph.engine.device import pick_device
    from napari_voxelmorph.engine.lambda_sweep.sources import sources_for
    from napari_voxelmorph.engine.lambda_sweep.sweep import sweep

    source = sources_for(base, device=pick_device()).sources[0]
    wall, cpu = time.perf_counter(), time.process_time()
    steps, seen, knots = sweep(source, base), 0, None
    while knots is None:
        try:
            step = next(steps)
        except StopIteration as end:
            knots = end.value
            continue
        ready = 0 if step.partial is None else len(step.partial().knots)
        if ready >= 3 > seen:
            _say("first three knots", time.perf_counter() - wall, time.process_time() - cpu)
        seen = ready
    _say(f"all {seen} knots, measured", time.perf_counter() - wall, time.process_time() - cpu)
    print(f"source: {source.kind} ({source.name}); {knots.grid.nbytes / 1e6:.1f} MB a knot")
    return source, knots


def _errors(base: Any, source: Any, knots: Any) -> None:
    """Preview against exact in the middles of intervals, within the content; time of an exact."""
    from napari_voxelmorph.engine.evaluation.quality import foreground
    from napari_voxelmorph.engine.lambda_sweep.exact import exact
    from napari_voxelmorph.engine.lambda_sweep.preview import preview

    inside = foreground(np.asarray(base.fixed.data, np.float32))
    places = [k.position for k in knots.knots]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(places)]
    chosen = middles[:: max(1, len(middles) // _BETWEEN)]
    walls, cpus, lengths = [], [], []
    for position in chosen:
        wall, cpu = time.perf_counter(), time.process_time()
        result = _end(exact(source, base, source.scale.value(position)))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        shown = preview(base, knots.blend(position)).displacement
        error = np.sqrt(np.square(shown - result.displacement).sum(axis=0))[inside]
        lengths.append(error)
        print(
            f"  λ {source.scale.value(position):.3f}: mean {error.mean():.4f}, "
            f"p99 {np.percentile(error, 99):.4f} voxel"
        )
    every = np.concatenate(lengths)
    print(
        f"preview against exact: mean {every.mean():.4f}, p99 {np.percentile(every, 99):.4f} voxel"
        f" (expected {knots.worst:.4f})"
    )
    _say("exact result, moved", float(np.median(walls)), float(np.median(cpus)))


def _end(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _drag(base: Any, knots: Any) -> None:
    """Four overlays in a real window, the slider moved at 60 Hz."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer

    from napari_voxelmorph.engine.lambda_sweep.preview import preview
    from napari_voxelmorph.gui.background.pace import canvas_of
    from napari_voxelmorph.gui.views.views import PairView

    viewer = napari.Viewer()
    viewer.window.resize(1280, 900)
    view = PairView(viewer)
    view.show_pair(base.fixed, base.moving, base.affine)
    view.update(base)
    view.layers.set_shown(_OVERLAYS, True)
    walls, cpus, frames = [], [], []
    canvas_of(viewer).frameSwapped.connect(lambda: frames.append(time.perf_counter()))
    began = time.perf_counter()

    def tick() -> None:
        position = 0.5 + 0.45 * np.sin(2 * (time.perf_counter() - began))
        wall, own = time.perf_counter(), time.thread_time()
        view.preview(preview(base, knots.blend(position)))
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.thread_time() - own))

    def run(over: Any) -> None:
        timer, loop = QTimer(), QEventLoop()
        timer.timeout.connect(tick)
        timer.timeout.connect(lambda: over() and loop.quit())
        timer.start(16)
        loop.exec()
        timer.stop()

    run(lambda: len(frames) >= _WARM_UP)  # shaders, layouts
    for figures in (walls, cpus, frames):
        figures.clear()
    began, thread = time.perf_counter(), time.thread_time()
    run(lambda: time.perf_counter() > began + _DRAG_SECONDS)
    spent, lasted = time.thread_time() - thread, time.perf_counter() - began
    print(
        f"update of {len(_OVERLAYS)} overlays: median {np.median(walls):.1f} ms "
        f"(own work {np.median(cpus):.1f}), p95 {np.percentile(walls, 95):.1f}"
    )
    each = 1000 * spent / max(1, len(frames))
    print(
        f"while dragging: {len(walls) / lasted:.0f} updates/s, {len(frames) / lasted:.0f} frames/s; "
        f"a frame costs the window's thread {each:.1f} ms of the processor"
    )
    viewer.close()


def _say(what: str, wall: float, cpu: float) -> None:
    print(f"{what}: {wall:.2f} s ({cpu:.2f} s of the processor)", flush=True)


if __name__ == "__main__":
    main()
