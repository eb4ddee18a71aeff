"""Follows the window's result, and has its structures measured."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.engine.files.label_tables import LabelName
from napari_voxelmorph.engine.review.rows import Row, rows_of
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.qa.editing import Editing, edits_of
from napari_voxelmorph.gui.qa.qa_jobs import Judged, QaJobs
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.views.shown_pair import same_pair

if TYPE_CHECKING:
    from napari_voxelmorph.gui.register.jobs import Outcome

_LANE, _ALONE = "qa", "qa alone"


class Judging(QObject):
    """The structures of the present result.

    Attributes
    ----------
    judged : Judged or None
    rows : list of Row
        The worst first.
    names : dict
        Chosen by the user; they win over those that lie beside the segmentation.
    """

    #: `rows`, or what is going on.
    changed = Signal()
    #: Something went wrong: a sentence and details.
    failed = Signal(str, str)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.present = present_of(viewer)
        self.engine = engine_thread_of(viewer)
        self.editing = Editing(viewer, self)
        self.jobs = QaJobs()
        self.judged: Judged | None = None
        self.rows: list[Row] = []
        self.edits: dict[int, str] = {}
        self.names: dict[int, LabelName] = {}
        self.nearest = False
        #: The case whose corrections are being written, and whether they are on the disk.
        self.keeping, self.kept = "", False
        self._outcome: Outcome | None = None
        self.present.changed.connect(self.follow)
        self.editing.edited.connect(self._measure)
        self.editing.changed.connect(self._on_layer)

    def follow(self) -> None:
        """Take up the window's present result."""
        outcome = self.present.outcome
        if self.present.running or outcome is self._outcome:
            self.changed.emit()
            return
        if outcome is None or not _same_task(outcome, self._outcome):
            self.engine.forget(_LANE, _ALONE)
            self._leave_layer()
            self.judged, self.rows, self.edits = None, [], {}
        self._outcome = outcome
        if outcome is not None and outcome.pair.moving_labels is not None:
            self._measure()
        self.changed.emit()

    def on_kept(self, case: str) -> None:
        """The corrections of a case are on the disk."""
        self.kept = self.kept or case == self.keeping
        self.editing.drop(case)

    def _leave_layer(self) -> None:
        """The corrected layer goes only when nothing in it can be lost."""
        if self.present.view is None:  # the window may be closing: its layers are not touched
            return
        if self.edits and not self.kept:
            self.editing.release(self.keeping)
        else:
            self.editing.end()

    @property
    def outcome(self) -> Outcome | None:
        """The result that is judged."""
        return self._outcome

    @property
    def measuring(self) -> bool:
        """Whether numbers are on their way."""
        return self.engine.works_on(_LANE)

    @property
    def looking_alone(self) -> bool:
        """Whether the part without the fixed segmentation is on its way."""
        return self.engine.works_on(_ALONE)

    def set_names(self, names: dict[int, LabelName]) -> None:
        """Call the labels by these names."""
        self.names = names
        self._show()

    def set_nearest(self, nearest: bool) -> None:
        """Carry the segmentation by nearest neighbour, or by the largest share."""
        if nearest != self.nearest:
            self.nearest = nearest
            self.editing.end()
            self._measure()

    def _measure(self) -> None:
        outcome, nearest, before = self._outcome, self.nearest, self.judged
        if outcome is None or outcome.pair.moving_labels is None:
            return
        edited = self.editing.data()
        self.engine.forget(_ALONE)
        self.engine.submit(
            lambda: self.jobs.measure(outcome, nearest, before, edited), lane=_LANE, gives_way=1,
            on_done=self._on_measured, on_error=self._on_error,
        )  # fmt: skip
        self.changed.emit()

    def _on_measured(self, judged: Judged) -> None:
        own = {} if self.judged is None else self.judged.own
        self.judged = judged
        self.rows = self._rows(judged, own)
        self.edits = edits_of(judged)
        self.keeping, self.kept = "", False
        self.engine.submit(
            lambda: self.jobs.look_alone(judged), lane=_ALONE, gives_way=1,
            on_done=self._on_alone, on_error=self._on_error,
        )  # fmt: skip
        self.changed.emit()

    def _on_alone(self, judged: Judged) -> None:
        self.judged = judged
        self._show()

    def _show(self) -> None:
        if self.judged is not None:
            self.rows = self._rows(self.judged, self.judged.own)
        self.changed.emit()

    def _rows(self, judged: Judged, own: Any) -> list[Row]:
        names = {**judged.names, **self.names}
        known = judged.structures.keys()
        own = {label: found for label, found in own.items() if label in known}
        return rows_of(judged.structures, own, names, compared=judged.compared)

    def _on_layer(self) -> None:
        # The corrected layer was taken away: back to what was computed.
        if self.editing.layer is None and self.edits:
            self._measure()
        self.changed.emit()

    def _on_error(self, sentence: str, details: str) -> None:
        self.failed.emit(sentence, details)
        self.changed.emit()

    def leave(self) -> None:
        """The dock is gone."""
        self.engine.forget(_LANE, _ALONE)
        with suppress(RuntimeError):  # the window, and with it what was followed, is gone
            self.present.changed.disconnect(self.follow)
        self.editing.let_go()


def _same_task(one: Outcome, other: Outcome | None) -> bool:
    """Whether two results are of the same segmentations of the same pair."""
    return other is not None and same_pair(one.pair, other.pair)
