"""Time and agreement of the per-structure metrics, on two real segmentations.

    python benchmarks/structures.py FIXED_LABELS MOVED_LABELS [--threads 2]

The second is laid over the first by their centres of mass, unless they share one grid.  Says how
long the first and a second measurement take (the fixed side is kept), and how far HD95 is from
surface-distance, the library of the Learn2Reg challenge, if that is installed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any

import numpy as np

from napari_voxelmorph.engine.evaluation.structures import compare, segmented
from napari_voxelmorph.engine.files import load
from napari_voxelmorph.engine.parallel import set_threads

_RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fixed")
    parser.add_argument("moved")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_threads(options.threads)
    volume = load(options.fixed, "labels")
    fixed, moved = volume.data, over(volume.data, load(options.moved, "labels").data)
    spacing = volume.spacing
    finish(compare(segmented(fixed, spacing), segmented(moved, spacing)))  # compiles
    whole, again, cpu = [], [], []
    for _ in range(_RUNS):
        start, used = time.perf_counter(), time.process_time()
        kept = segmented(fixed, spacing)
        found = finish(compare(kept, segmented(moved, spacing)))
        whole.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
        start = time.perf_counter()
        finish(compare(kept, segmented(moved, spacing)))
        again.append(time.perf_counter() - start)
    print(f"{len(found)} structures, {' x '.join(map(str, fixed.shape))} voxels, "
          f"{options.threads} threads")  # fmt: skip
    print(f"first measurement {statistics.median(whole):.2f} s (best {min(whole):.2f}; CPU {min(cpu):.2f}), "
          f"another result of the pair {statistics.median(again):.2f} s")  # fmt: skip
    agreement(found, fixed, moved, spacing)


def over(fixed: Any, moved: Any) -> Any:
    """Shift `moved` onto the grid of `fixed`, centre of mass on centre of mass."""
    if fixed.shape == moved.shape:
        return moved
    out = np.zeros(fixed.shape, moved.dtype)
    at = np.array(np.nonzero(moved))
    shift = np.rint([i.mean() for i in np.nonzero(fixed)] - at.mean(axis=1)).astype(int)
    there = at + shift[:, None]
    inside = ((there >= 0) & (there < np.array(fixed.shape)[:, None])).all(axis=0)
    out[tuple(there[:, inside])] = moved[tuple(at[:, inside])]
    return out


def finish(steps: Any) -> Any:
    """The result of a generator of steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def agreement(found: Any, fixed: Any, moved: Any, spacing: Any) -> None:
    """Print the largest difference of HD95 on every tenth structure."""
    try:
        import surface_distance
    except ImportError:
        print("surface-distance is not installed: no comparison")
        return
    gaps = []
    for label in sorted(found)[::10]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = surface_distance.compute_surface_distances(
                fixed == label, moved == label, spacing
            )
            if len(parts["distances_gt_to_pred"]) and len(parts["distances_pred_to_gt"]):
                theirs = surface_distance.compute_robust_hausdorff(parts, 95)
                gaps.append(abs(theirs - found[label].hd95))
    print(f"HD95 of {len(gaps)} structures: at most {max(gaps):.1e} mm from surface-distance")


if __name__ == "__main__":
    main()
