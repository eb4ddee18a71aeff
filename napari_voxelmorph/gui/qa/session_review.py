"""Verdicts that come with an opened session, and go into one that is saved."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.gui.qa.reviewing import Reviewing
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.register.session_parts import session_parts_of

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.engine.files.session_window import Reviewed
    from napari_voxelmorph.engine.review.worklist import Worklist


class SessionReview(QObject):
    """Without a worklist an opened session is the case: verdicts are kept in its folder."""

    #: A sentence: somebody else has judged this session.
    told = Signal(str)

    def __init__(self, viewer: Any, reviewing: Reviewing, parent: QObject) -> None:
        super().__init__(parent)
        self._reviewing, self._present = reviewing, present_of(viewer)
        self._parts = session_parts_of(viewer)
        self._own: Worklist | None = None
        self._parts.review = self.reviewed
        self._parts.came.connect(self.take_up)
        self._present.changed.connect(self._follow)

    def reviewed(self) -> Reviewed | None:
        """What the reader said of the open case; None while that is nothing."""
        from napari_voxelmorph.engine.files.session_window import Reviewed, Said

        reviewing = self._reviewing
        said = [Said(v.answer, v.note, v.structure, v.time) for v in reviewing.said()]
        return Reviewed(reviewing.reader, tuple(said)) if said else None

    def take_up(self) -> None:
        """Make the opened session the case, unless a worklist is open; show what was said of it."""
        session, reviewing = self._parts.opened, self._reviewing
        if session is None or session.folder is None or not self._is_shown(session):
            return
        if reviewing.worklist is None or reviewing.worklist is self._own:
            from napari_voxelmorph.engine.review.case import Case
            from napari_voxelmorph.engine.review.worklist import Worklist

            name = session.folder.name
            case = Case(name, session=session.folder)
            self._own = Worklist(name, (case,), session.folder / "review")
            reviewing.adopt(self._own)
        self._tell(session)

    def _tell(self, session: Session) -> None:
        from napari_voxelmorph.engine.review.verdicts import Verdict

        reviewing = self._reviewing
        reviewed = None if session.window is None else session.window.reviewed
        if reviewed is None or not reviewed.verdicts or reviewing.case is None:
            return
        if reviewed.reader == reviewing.reader:
            name = reviewing.case.name
            reviewing.know(
                Verdict(name, reviewed.reader, v.answer, v.note, v.structure, v.time)  # type: ignore[arg-type]
                for v in reviewed.verdicts
            )
            return
        whole = next((v for v in reviewed.verdicts if v.structure is None), None)
        words = "some of its structures" if whole is None else (whole.answer or "no verdict")
        note = f" (“{whole.note}”)" if whole is not None and whole.note else ""
        self.told.emit(f"{reviewed.reader} has judged this session: {words}{note}.")

    def _is_shown(self, session: Session) -> bool:
        outcome = self._present.outcome
        return outcome is not None and outcome.registration.fixed is session.registration.fixed

    def _follow(self) -> None:
        """Another pair is in the window: what is said from now on is not about the session."""
        session, reviewing = self._parts.opened, self._reviewing
        if self._own is None or reviewing.worklist is not self._own or session is None:
            return
        if not self._is_shown(session):
            self._own = None
            reviewing.adopt(None)

    def leave(self) -> None:
        """The dock is gone."""
        with suppress(RuntimeError, TypeError):  # the window is gone, and its signals
            self._parts.came.disconnect(self.take_up)
            self._present.changed.disconnect(self._follow)
        self._parts.review = _nothing


def _nothing() -> None:
    """There is no QA dock."""
