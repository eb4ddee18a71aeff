"""The folder of a training: who works in it, what is trained, and what has happened so far.

``training.json`` says what is trained on what, ``history.jsonl`` has one line per step and per
validation, ``last/`` and ``best/`` are models (`engine.training.state`).
"""

from __future__ import annotations

import itertools
import json
import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.reading import HEADER_LIMIT, damaged, reading
from napari_voxelmorph.engine.files.writing import output_error, writing
from napari_voxelmorph.engine.training.precision import NAMES

RECORD, HISTORY, LOCK = "training.json", "history.jsonl", "training.lock"
LAST, BEST = "last", "best"
#: Where a cohort that was prepared for the run is kept; made before the run begins.
PREPARED = "prepared"
#: Points of a curve that a model's card keeps.
MOST_POINTS = 200
#: Of a history: some million steps.
_LARGEST = 2**30


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep a second training out of it.

    A lock that a crashed training left behind is known by its process and taken over.

    Raises
    ------
    InputError
        When another training is at work there.
    OutputError
        When the folder cannot be written to.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _take(path, folder)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _take(path: Path, folder: Path) -> None:
    me = psutil.Process()
    words = {"pid": me.pid, "started": me.create_time(), "host": socket.gethostname()}
    for _ in range(2):
        try:
            with open(path, "x", encoding="utf-8") as file:
                json.dump(words, file)
            return
        except FileExistsError:
            if _alive(path):
                raise InputError(
                    f"Another training is at work in “{folder.name}”. Stop it first, or choose "
                    f"another folder. (If none is: delete the file {LOCK} there.)"
                ) from None
            path.unlink(missing_ok=True)
    raise InputError(f"Another training has just begun in “{folder.name}”. Choose another folder.")


def _alive(path: Path) -> bool:
    """Whether the process that made this lock is still there (of another computer: assume so)."""
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
        if words["host"] != socket.gethostname():
            return True
        return bool(abs(psutil.Process(words["pid"]).create_time() - words["started"]) < 2)
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        return False  # torn by a crash, or its process is gone


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `training.json`; `OutputError` when that fails."""
    with writing(folder / RECORD) as path:
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any]:
    """What `training.json` says.

    Raises
    ------
    InputError
        When there is no training in the folder.
    FileFormatError
        When it is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        raise InputError(f"There is no training in “{folder}” to go on with. Start a new one.")
    with reading(path, "the record of a training"):
        if path.stat().st_size > HEADER_LIMIT:
            raise damaged(path, "the record of a training", "it is far too large")
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
            raise FileFormatError(f"“{path}” is not the record of a training.")
        if str(record.get("precision", "float32")) not in NAMES:
            raise damaged(path, "the record of a training", "its precision is none")
        return record


def read_history(folder: Path) -> list[dict[str, Any]]:
    """All lines of `history.jsonl` that are whole: a crash may tear the last one.

    Raises
    ------
    FileFormatError
        When there is one that cannot be read.
    """
    path = folder / HISTORY
    if not path.exists():
        return []
    with reading(path, "the history of a training"):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, "the history of a training", "it is far too large")
        lines = path.read_bytes().split(b"\n")
    records = (_record_of(line) for line in lines)
    return [record for record in records if record is not None]


def _record_of(line: bytes) -> dict[str, Any] | None:
    """What a line says, or None when it cannot have been written by a training."""
    try:
        record = json.loads(line, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int or record["step"] < 0:
        return None
    scores = record.get("validation", {})
    numbers = isinstance(scores, dict) and all(
        value is None or type(value) in (bool, int, float) for value in scores.values()
    )
    return record if numbers else None


def _integer(text: str) -> int:
    """No step and no count is so large that a float could not hold it."""
    if len(text) > 15:
        raise ValueError(text[:20])
    return int(text)


class History:
    """Appends to `history.jsonl`; what lies after `step` is dropped first (it is done again)."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        kept = [r for r in read_history(folder) if r["step"] <= step] if step else []
        self.path = folder / HISTORY
        with writing(self.path) as path:
            path.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")

    def append(self, record: Mapping[str, Any]) -> None:
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise output_error(self.path, error) from error


def curves(folder: Path) -> dict[str, list[list[float]]]:
    """Thinned curves for a model's card: name -> [step, value] pairs, at most `MOST_POINTS` each."""
    found: dict[str, list[list[float]]] = {}
    for record in read_history(folder):
        values = record.get("validation", {"loss": record.get("loss")})
        prefix = "validation " if "validation" in record else ""
        for name, value in values.items():
            if type(value) in (int, float) and math.isfinite(value) and name != "step":
                found.setdefault(prefix + name, []).append([record["step"], value])
    return {name: _thinned(points) for name, points in found.items()}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Means of equal runs of points."""
    n = len(points)
    count = min(n, MOST_POINTS)
    edges = [n * i // count for i in range(count + 1)]
    thin = []
    for a, b in itertools.pairwise(edges):
        values = [v for _, v in points[a:b]]
        thin.append([points[b - 1][0], float(f"{sum(values) / len(values):.6g}")])
    return thin


def free_of_runs(folder: Path) -> None:
    """Raise `InputError` when a new training would overwrite something in `folder`."""
    if (folder / RECORD).exists():
        raise InputError(
            f"There is a training in “{folder.name}” already. Resume it, or choose another folder."
        )
    ours = {LOCK, PREPARED}
    if folder.is_dir() and {p.name for p in folder.iterdir()} - ours:
        raise InputError(
            f"The folder “{folder.name}” holds other files. Choose an empty or a new folder."
        )
