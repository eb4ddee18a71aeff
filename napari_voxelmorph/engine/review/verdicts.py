"""Verdicts on disk: one line per verdict and reader, on the disk before the next key is pressed.

A file is only ever appended to, so a crash or a full disk can cost the verdict being written
and nothing before it; a changed mind is one more line, and the newest counts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import output_error

Answer = Literal["accept", "review", "reject"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
_PREFIX, _SUFFIX = "verdicts_", ".jsonl"
_READER = re.compile(r"[^\W_][\w .@-]{0,39}")
_LARGEST = 256 * 2**20
_WHAT = "a list of verdicts"


@dataclass(frozen=True)
class Verdict:
    """What one reader said of a case, or (with `structure`) of one structure of it.

    Parameters
    ----------
    answer : "accept", "review", "reject" or None
        None: a note without a verdict, or a verdict taken back.
    structure : int, optional
        The label; None for the case as a whole.
    about : mapping
        What was judged: provenance of the result (model, settings, versions), names.
    """

    case: str
    reader: str
    answer: Answer | None
    note: str = ""
    structure: int | None = None
    time: str = ""
    about: dict[str, Any] = field(default_factory=dict)


Key = tuple[str, int | None]


class Verdicts:
    """All verdicts of one reader on one worklist.

    Parameters
    ----------
    folder : Path
        Of the worklist (`Worklist.folder`); made when the first verdict is given.
    reader : str
        Letters, digits, spaces and ``. @ -``; up to 40.

    Raises
    ------
    InputError
        When the name cannot be a reader's.
    FileFormatError
        When the file is no list of verdicts.
    """

    def __init__(self, folder: Path, reader: str) -> None:
        if not _READER.fullmatch(reader):
            raise InputError(
                "A reader's name begins with a letter or digit and has up to 40 letters, digits, "
                f"spaces or any of . @ -; “{reader[:60]}” has not."
            )
        self.path = Path(folder) / f"{_PREFIX}{reader}{_SUFFIX}"
        self.reader = reader
        self._newest = _read(self.path) if self.path.exists() else {}

    def get(self, case: str, structure: int | None = None) -> Verdict | None:
        """The newest verdict on a case or structure."""
        return self._newest.get((case, structure))

    def all(self) -> list[Verdict]:
        """The newest verdict on everything judged."""
        return list(self._newest.values())

    def of_case(self, case: str) -> dict[int | None, Verdict]:
        """Structure (None: the case) -> the newest verdict."""
        return {s: v for (name, s), v in self._newest.items() if name == case}

    def answered(self, cases: Iterable[str]) -> int:
        """How many of these cases have a verdict."""
        found = (self.get(case) for case in cases)
        return sum(v is not None and v.answer is not None for v in found)

    def know(self, verdicts: Iterable[Verdict]) -> None:
        """Take over what this reader said elsewhere (in a session); what is in the list counts more.

        Nothing is written.
        """
        for verdict in verdicts:
            self._newest.setdefault((verdict.case, verdict.structure), verdict)

    def give(
        self,
        case: str,
        answer: Answer | None,
        note: str = "",
        structure: int | None = None,
        about: dict[str, Any] | None = None,
    ) -> Verdict:
        """Keep a verdict; it is on the disk when this returns.

        Raises
        ------
        OutputError
            When it could not be written; then nothing has changed.
        """
        time = datetime.now(UTC).isoformat(timespec="seconds")
        verdict = Verdict(case, self.reader, answer, note, structure, time, about or {})
        line = json.dumps(dataclasses.asdict(verdict), ensure_ascii=False, allow_nan=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _append(self.path, line)
        except OSError as error:
            raise output_error(self.path, error) from error
        self._newest[case, structure] = verdict
        return verdict


def readers_of(folder: Path) -> list[str]:
    """Who has given verdicts on a worklist."""
    found = sorted(Path(folder).glob(f"{_PREFIX}*{_SUFFIX}"))
    names = [p.name[len(_PREFIX) : -len(_SUFFIX)] for p in found]
    return [name for name in names if _READER.fullmatch(name)]


def _append(path: Path, line: str) -> None:
    with path.open("ab+") as file:
        # After a crash the last line may be torn: begin a new one.
        torn = False
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write(("\n" if torn else "").encode() + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[Key, Verdict]:
    newest: dict[Key, Verdict] = {}
    with reading(path, _WHAT):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, _WHAT, "it is far too large")
        lines = path.read_bytes().split(b"\n")
    whole = 0
    for line in lines:
        verdict = _verdict(line)
        if verdict is not None:
            newest[verdict.case, verdict.structure] = verdict
            whole += 1
    # Torn lines are left by crashes, one each; a file of nothing else is something different.
    if not whole and any(line.strip() for line in lines[:-1]):
        raise damaged(path, _WHAT, "none of its lines is a verdict")
    return newest


def _verdict(line: bytes) -> Verdict | None:
    """The verdict of a line, or None when it is torn or empty."""
    try:
        found = json.loads(line)
        verdict = Verdict(**found)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (verdict.case, verdict.reader, verdict.note, verdict.time)
    fits = (
        all(isinstance(text, str) for text in texts)
        and verdict.answer in (None, *ANSWERS)
        and (verdict.structure is None or type(verdict.structure) is int)
        and isinstance(verdict.about, dict)
    )
    return verdict if fits else None
