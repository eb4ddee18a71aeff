"""One method on one pair, in its own process: ``python worker.py job.json``.

The job is a JSON object: method, settings, pair, threads, folder (for the answer), start (a
matrix to use instead of the affine stage, or null).  Writes ``answer.json`` and
``displacement.npy`` into the folder.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

PACKAGES = ("napari-voxelmorph", "torch", "numba", "picsl-greedy", "antspyx", "SimpleITK", "numpy")


def main(path: str) -> None:
    """Run the job and write the answer."""
    job = json.loads(Path(path).read_text())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    load = os.getloadavg()[0]
    if job["method"] == "ours":
        from ours import ours as method
    else:
        from peers import METHODS

        method = METHODS[job["method"]]
    answer = method(job)
    folder = Path(job["folder"])
    if answer.displacement is not None:
        np.save(folder / "displacement.npy", np.asarray(answer.displacement, np.float32))
    (folder / "answer.json").write_text(
        json.dumps(
            {
                "matrix": np.asarray(answer.affine).tolist(),
                "seconds_affine": answer.seconds_affine,
                "seconds_deformable": answer.seconds_deformable,
                "megabytes": answer.megabytes,
                "notes": answer.notes,
                "versions": _versions(),
                "load_before": load,
            }
        )
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main(sys.argv[1])
