"""The λ slider: how soon fields are ready, how fast the picture follows, how right the preview is.

Run it with a screen, or under Xvfb; a second process keeps one core busy meanwhile:

    xvfb-run -a python benchmarks/lambda_slider.py [FIXED MOVING] [--model NAME] [--idle] [--drag]

`--drag` leaves out the comparison with exact results.  The frames of the window are compared, in
turn, with those that napari draws by itself, and with a bare window of napari that paints as many
plain layers again and again, without any new data: what no plug-in can do without.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from frames import drive

_OVERLAYS = ("moved", "grid", "displacement", "jacobian")
_BUSY = "while True: sum(range(10**6))"
_BETWEEN = 6
_DRAG_SECONDS = 4.0
_ROUNDS = 2


def main() -> None:
    """Register, sweep, compare, drag; print one line per figure."""
    arguments = _arguments()
    base = _registered(arguments)
    source, knots = _sweep(base)
    if not arguments.drag:
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
    parser.add_argument("--drag", action="store_true", help="the window alone")
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
    """Four overlays in a real window, λ moved at 60 Hz; and as many plain layers beside it."""
    import napari

    from napari_voxelmorph.engine.lambda_sweep.preview import preview
    from napari_voxelmorph.gui.background.pace import canvas_of
    from napari_voxelmorph.gui.views.views import PairView

    viewer = napari.Viewer()
    viewer.window.resize(1280, 900)
    view = PairView(viewer)
    view.show_pair(base.fixed, base.moving, base.affine)
    view.update(base)
    view.layers.set_shown(_OVERLAYS, True)
    quick, canvas, began = view.layers.quick, canvas_of(viewer), time.perf_counter()

    def move() -> None:
        position = 0.5 + 0.45 * np.sin(2 * (time.perf_counter() - began))
        view.preview(preview(base, knots.blend(position)))

    for _ in range(_ROUNDS):
        with _timed_updates(view) as updates:
            frames = drive(canvas, move, _DRAG_SECONDS)
        way = "quick canvas" if quick.is_live else "napari (no quick canvas here)"
        print(f"while dragging, {way}: {frames}", flush=True)
        print(f"  update of {len(_OVERLAYS)} overlays: {_spread(updates)}", flush=True)
        quick.leave()
        with patch.object(quick, "show", return_value=False), _timed_updates(view) as updates:
            frames = drive(canvas, move, _DRAG_SECONDS)
        print(f"while dragging, napari: {frames}", flush=True)
        print(f"  update of {len(_OVERLAYS)} overlays: {_spread(updates)}", flush=True)
    shape = [n for axis, n in enumerate(base.fixed.shape) if axis != 0]
    viewer.close()
    _floor(shape)


@contextmanager
def _timed_updates(view: Any) -> Iterator[list[tuple[float, float]]]:
    """Wall and own ms of what a new λ takes until it can be painted."""
    from napari_voxelmorph.gui.views.live_scene import LiveScene

    took: list[tuple[float, float]] = []

    def timed(work: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            wall, own = time.perf_counter(), time.thread_time()
            done = work(*args, **more)
            spent = 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - own)
            took.append(spent)
            return done

        return call

    with (
        patch.object(LiveScene, "draw", timed(LiveScene.draw)),
        patch.object(view.stack, "refresh", timed(view.stack.refresh)),
    ):
        yield took


def _spread(times: list[tuple[float, float]]) -> str:
    wall, own = np.array(times).T
    return (
        f"median {np.median(wall):.1f} ms (own work {np.median(own):.1f}), "
        f"p95 {np.percentile(wall, 95):.1f}"
    )


def _floor(shape: list[int]) -> None:
    """A bare napari: plain layers, letters and bars of its own; then nothing but the window."""
    import napari

    from napari_voxelmorph.gui.background.pace import canvas_of

    viewer = napari.Viewer()
    viewer.window.resize(1280, 900)
    rng = np.random.default_rng(0)
    for _ in range(len(_OVERLAYS) + 1):
        viewer.add_image(rng.random(shape, np.float32), blending="additive")
    canvas = canvas_of(viewer)
    frames = drive(canvas, canvas.update, _DRAG_SECONDS)
    print(f"bare napari, {len(_OVERLAYS) + 1} plain layers redrawn: {frames}", flush=True)
    for layer in viewer.layers:
        layer.visible = False
    frames = drive(canvas, canvas.update, _DRAG_SECONDS)
    print(f"bare napari, nothing on the canvas: {frames}", flush=True)
    viewer.close()


def _say(what: str, wall: float, cpu: float) -> None:
    print(f"{what}: {wall:.2f} s ({cpu:.2f} s of the processor)", flush=True)


if __name__ == "__main__":
    main()
