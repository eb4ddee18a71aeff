"""Kills processes that save a session, before each step that changes the disk; tells as JSON.

The steps are Python's own audit events, so none is left out by this list of moments.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from napari_voxelmorph.engine.files import Session, open_session, save_session
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
NEVER, MOST = -1, 200


def session(number: int) -> Session:
    """Every part says which one it is."""
    rng = np.random.default_rng(number)
    fixed, moving = (Volume(rng.random((9, 8, 7), np.float32), name=n) for n in "fm")
    data = np.full((3, 5, 4, 4), number, np.float32)
    field = Field(data, np.full(3, 2.0), np.zeros(3))
    labels = Volume(np.full((9, 8, 7), number, np.uint8), kind="labels", name="anatomy")
    made = Registration(fixed, moving, np.eye(4), field, metrics={"number": float(number)})
    return Session(made, {"moving_labels": labels})


def save(folder: Path, number: int, moment: int) -> bool:
    """Save in a process that is killed before its `moment`-th step; whether it was."""
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event: str, given: tuple) -> None:
            nonlocal seen
            if event in CHANGES or (event == "open" and given[2] & WRITES):
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        sys.addaudithook(watch)
        save_session(session(number), folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def found(folder: Path) -> int:
    """Which session is there; all of its parts must agree."""
    opened = open_session(folder)
    assert opened.problems == (), opened.problems
    number = int(opened.registration.metrics["number"])
    assert (opened.companions["moving_labels"].data == number).all()
    assert (opened.registration.field.data == number).all()
    return number


def main(base: Path) -> None:
    """Into new folders, then over a session again and again."""
    told: dict = {"new": [], "over": [], "killed new": 0, "killed over": 0}
    for moment in range(MOST):
        folder = base / f"new {moment}"
        if not save(folder, 1, moment):
            break
        told["killed new"] += 1
        told["new"].append("new" if folder.exists() and found(folder) == 1 else "none")
    told["new"].append("new" if found(folder) == 1 else "none")
    plain = {path.name for path in folder.iterdir()}
    old = base / "old"
    save(old, 0, NEVER)
    for moment in range(MOST):
        was = found(old)
        killed = save(old, moment + 1, moment)
        assert found(old) in (was, moment + 1)
        told["over"].append("old" if found(old) == was else "new")
        told["killed over"] += killed
        if not killed:
            break
    save(old, 7, NEVER)
    # Plain names of the first saving may stay: after a kill they could as well be the user's.
    told["numbered"] = sorted(path.name for path in old.iterdir() if path.name not in plain)
    told["named"] = len(plain) - 1
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
