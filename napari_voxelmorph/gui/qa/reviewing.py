"""The worklist under review: which case is open, what was said of it, and what is kept on disk."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.qa.keeping import Keeping

if TYPE_CHECKING:
    from napari_voxelmorph.engine.review.case import Case, OpenCase
    from napari_voxelmorph.engine.review.verdicts import Answer, Verdict, Verdicts
    from napari_voxelmorph.engine.review.worklist import Worklist

_READ, _CASE, _AHEAD = "worklist", "case", "next case"
_READER = "qa/reader"


class Reviewing(QObject):
    """Main thread; reads and writes in the engine thread, verdicts at once.

    Attributes
    ----------
    worklist : Worklist or None
    at : int
        Index of the open case; -1 for none.
    """

    changed = Signal()
    #: The open case is about to be left: what was typed belongs to it.
    leaving = Signal()
    #: A case has been read: `OpenCase`.
    opened = Signal(object)
    failed = Signal(str, str)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.engine = engine_thread_of(viewer)
        self.worklist: Worklist | None = None
        self.at = -1
        self.reader = memory.recall_text(_READER) or _user()
        self._verdicts: Verdicts | None = None
        self._waiting = -1
        self._ahead: dict[int, OpenCase] = {}
        self.keeping = Keeping(self)

    # The worklist -------------------------------------------------------------------------

    def open(self, path: str) -> None:
        """Read a worklist, and open its first case without a verdict."""

        def work() -> Worklist:
            from napari_voxelmorph.engine.review.worklist import load_worklist

            return load_worklist(path)

        self.engine.submit(work, lane=_READ, on_done=self._on_worklist, on_error=self._on_error)
        self.changed.emit()

    def _on_worklist(self, worklist: Worklist) -> None:
        self.leaving.emit()
        self.worklist, self.at, self._verdicts, self._ahead = worklist, -1, None, {}
        if not self._read_verdicts():
            return
        self.changed.emit()
        self.go(self._first_open())

    def adopt(self, worklist: Worklist | None) -> None:
        """Judge the first case of a worklist, which is in the window already; None: no case."""
        self.leaving.emit()
        self.engine.forget(_READ, _CASE, _AHEAD)
        self.worklist, self._verdicts, self._ahead = worklist, None, {}
        self.at = 0 if worklist is not None and self._read_verdicts() else -1
        self.changed.emit()

    def know(self, verdicts: Iterable[Verdict]) -> None:
        """Show what this reader said of the open case elsewhere, where nothing was said here."""
        if self._verdicts is not None:
            self._verdicts.know(verdicts)
            self.changed.emit()

    def said(self) -> list[Verdict]:
        """All that this reader said of the open case."""
        if self._verdicts is None or self.case is None:
            return []
        return list(self._verdicts.of_case(self.case.name).values())

    def set_reader(self, name: str) -> bool:
        """Judge under another name; False, and a message, when it cannot be one."""
        self.leaving.emit()
        former, self.reader = self.reader, name.strip()
        if self.worklist is not None and not self._read_verdicts():
            self.reader = former
            return False
        memory.remember(_READER, self.reader)
        self.changed.emit()
        return True

    def _read_verdicts(self) -> bool:
        from napari_voxelmorph.engine.review.verdicts import Verdicts

        assert self.worklist is not None
        try:
            self._verdicts = Verdicts(self.worklist.folder, self.reader)
        except VoxelMorphError as error:
            self._on_error(*sentence_and_details(error))
            return False
        return True

    @property
    def case(self) -> Case | None:
        """The open case."""
        return None if self.worklist is None or self.at < 0 else self.worklist.cases[self.at]

    @property
    def reading(self) -> bool:
        """Whether a worklist or a case is being read."""
        return self.engine.works_on(_READ) or self.engine.works_on(_CASE)

    @property
    def answered(self) -> int:
        """How many cases this reader has judged."""
        if self.worklist is None or self._verdicts is None:
            return 0
        return self._verdicts.answered(case.name for case in self.worklist.cases)

    def _first_open(self) -> int:
        assert self.worklist is not None
        for n, case in enumerate(self.worklist.cases):
            found = None if self._verdicts is None else self._verdicts.get(case.name)
            if found is None or found.answer is None:
                return n
        return 0

    def step(self, by: int) -> None:
        """Go to the next (1) or the previous (-1) case."""
        if self.worklist is not None:
            start = self._waiting if self.reading and self._waiting >= 0 else self.at
            self.go(start + by)

    def go(self, number: int) -> None:
        """Open a case by its place in the list."""
        if self.worklist is None or not 0 <= number < len(self.worklist.cases):
            return
        self._waiting = number
        worklist, case = self.worklist, self.worklist.cases[number]
        self.engine.forget(_AHEAD)
        if number in self._ahead:
            self.engine.forget(_CASE)
            self._on_case(number, self._ahead.pop(number))
            return
        self.engine.submit(
            lambda: _read(worklist, case), lane=_CASE,
            on_done=lambda found: self._on_case(number, found), on_error=self._on_case_error,
        )  # fmt: skip
        self.changed.emit()

    def _on_case(self, number: int, found: OpenCase) -> None:
        self.leaving.emit()
        self.at = number
        self.opened.emit(found)
        self.changed.emit()

    def read_ahead(self) -> None:
        """Read the next case while this one is being looked at."""
        following = self.at + 1
        if self.worklist is None or self.at < 0 or following >= len(self.worklist.cases):
            return
        if self.reading or following in self._ahead or self.engine.works_on(_AHEAD):
            return
        worklist, case = self.worklist, self.worklist.cases[following]

        def done(found: OpenCase) -> None:
            if self.worklist is worklist:
                self._ahead = {following: found}

        # A case that cannot be read is told when its turn has come.
        self.engine.submit(lambda: _read(worklist, case), lane=_AHEAD, gives_way=1, on_done=done)

    def _on_case_error(self, sentence: str, details: str) -> None:
        # The case stays the open one, so that a verdict on it and the next one can be reached.
        self.leaving.emit()
        self.at = self._waiting
        self.opened.emit(None)
        self._on_error(sentence, details)

    # Verdicts -----------------------------------------------------------------------------

    def verdict(self, structure: int | None = None) -> Verdict | None:
        """What this reader said of the open case, or of a structure of it."""
        if self._verdicts is None or self.case is None:
            return None
        return self._verdicts.get(self.case.name, structure)

    def verdicts_on_structures(self) -> dict[int, Verdict]:
        """What this reader said of the structures of the open case."""
        if self._verdicts is None or self.case is None:
            return {}
        found = self._verdicts.of_case(self.case.name)
        return {label: v for label, v in found.items() if label is not None}

    def give(
        self, answer: Answer | None, note: str, structure: int | None, about: dict[str, Any]
    ) -> bool:
        """Keep a verdict; False, and a message, when it could not be written."""
        if self._verdicts is None or self.case is None:
            return False
        try:
            self._verdicts.give(self.case.name, answer, note, structure, about)
        except VoxelMorphError as error:
            self._on_error(*sentence_and_details(error))
            return False
        self.changed.emit()
        return True

    def _on_error(self, sentence: str, details: str) -> None:
        self.failed.emit(sentence, details)
        self.changed.emit()

    def leave(self) -> None:
        """The dock is gone; what is being kept is written to its end."""
        self.engine.forget(_READ, _CASE, _AHEAD)


def _read(worklist: Worklist, case: Case) -> Any:
    from napari_voxelmorph.engine.review.case import opening

    return opening(case, worklist.folder)


def _user() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody is logged in (a container)
        name = ""
    return name or "reader 1"
