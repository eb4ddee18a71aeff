"""How long does one update of the live overlays take?  (No window: napari's slicing only.)

Four lazy overlays of a 160 x 192 x 224 pair are updated with another deformation again and
again, in each plane: moved image, moved labels, warped grid and displacement magnitude.

    python benchmarks/slices.py [--updates 60] [--hog]

The CPU column is the thread's own time: what the update takes on a quiet machine.
`--hog` runs a busy process next to it: previews must not wait for it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.views.lazy import prepare
from napari_voxelmorph.gui.views.views import PairView

SHAPE = (160, 192, 224)
TARGET_MS = 16.0
LAYERS = ("moved", "moved labels", "grid", "displacement")


def pair() -> tuple[Volume, Volume, Volume]:
    """Two noise volumes on LAS grids, and a segmentation of the moving one."""
    rng = np.random.default_rng(0)
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    fixed, moving = (
        Volume(rng.random(SHAPE, dtype=np.float32), affine, name=n) for n in ("fixed", "moving")
    )
    blocks = rng.integers(0, 40, [n // 8 for n in SHAPE]).astype(np.int16)
    labels = blocks.repeat(8, 0).repeat(8, 1).repeat(8, 2)
    return fixed, moving, Volume(labels, affine, "labels", "labels")


def deformations(fixed: Volume, moving: Volume, labels: Volume, n: int) -> list[Registration]:
    """Half-resolution velocity fields with a small rotation, integrated beforehand."""
    rng = np.random.default_rng(1)
    inside = (slice(None), *(slice(0, m // 2) for m in SHAPE))
    out = []
    for _ in range(n):
        coarse = rng.normal(size=(3, *[m // 16 + 1 for m in SHAPE])).astype(np.float32)
        velocity = coarse.repeat(8, 1).repeat(8, 2).repeat(8, 3)[inside]
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
        field = Field(velocity, np.full(3, 2.0), np.full(3, 0.5))
        out.append(Registration(fixed, moving, turn, field))
        prepare(out[-1], labels)
    return out


def timed(action: Callable[[], Any]) -> tuple[float, float]:
    """Wall and thread milliseconds of one call."""
    wall, thread = time.perf_counter(), time.thread_time()
    action()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - thread)


def measure(updates: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, CPU) ms of each update, all four overlays and each one alone, per plane."""
    fixed, moving, labels = pair()
    results = deformations(fixed, moving, labels, 3)
    view = PairView(ViewerModel())
    view.show_pair(fixed, moving, np.eye(4), labels)
    view.set_overlay("displacement", True)
    view.set_overlay("moved labels", True)
    view.set_overlay("grid", True)
    view.stack.show("moved", True)  # under a map, overlay mode hides it
    view.update(results[0])
    view.update(results[1])
    table = {}
    for plane in ("axial", "coronal", "sagittal"):
        view.set_plane(plane)
        view.stack.show("moved", True)
        table[f"four overlays, {plane}"] = [
            timed(lambda i=i: view.update(results[i % len(results)], live=True))
            for i in range(updates)
        ]
        for role in LAYERS:
            layer = view.stack.get(role)
            table[f"  {role}, {plane}"] = [
                timed(lambda la=layer: la.refresh(extent=False, highlight=False, thumbnail=False))
                for _ in range(updates)
            ]
    return table


def _spin() -> None:
    while True:
        sum(range(10**6))


def main() -> int:
    """Print the table; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--hog", action="store_true", help="run a busy process next to it")
    options = parser.parse_args()
    hog = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    if options.hog:
        hog.start()
    table = measure(options.updates)
    if options.hog:
        hog.terminate()
    print(f"{'update, ms':28s} {'median':>7s} {'p95':>7s} {'max':>7s} {'CPU':>7s}")
    for name, times in table.items():
        wall, cpu = np.array(times).T
        p50, p95 = np.percentile(wall, (50, 95))
        print(f"{name:28s} {p50:7.2f} {p95:7.2f} {max(wall):7.2f} {np.median(cpu):7.2f}")
    together = [np.median(t, axis=0) for n, t in table.items() if n.startswith("four")]
    wall, cpu = np.max(together, axis=0)
    print(f"worst median {wall:.1f} ms (CPU {cpu:.1f} ms), target {TARGET_MS:.0f} ms")
    return int(min(wall, cpu) > TARGET_MS)


if __name__ == "__main__":
    raise SystemExit(main())
