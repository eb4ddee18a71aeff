"""Follows the window's result, and has its structures measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.engine.evaluation.flags import Limits
from napari_voxelmorph.engine.files.label_tables import LabelName
from napari_voxelmorph.engine.review.rows import Row, rows_of
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.qa.certainty_work import CertaintyWork
from napari_voxelmorph.gui.qa.editing import Editing, edits_of
from napari_voxelmorph.gui.qa.limits_form import recall_limits
from napari_voxelmorph.gui.qa.qa_jobs import Judged, QaJobs
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.views.shown_pair import same_pair

if TYPE_CHECKING:
    from napari_voxelmorph.engine.evaluation.plausibility import Plausibility
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
        self.limits: Limits = recall_limits()
        self.nearest = False
        self.certainty = CertaintyWork(self.engine, self)
        #: The correction that is on the disk; the one that is being written, and its case.
        self.stored: NDArray[Any] | None = None
        self._handed: tuple[str, NDArray[Any] | None] | None = None
        self._expected: NDArray[Any] | None = None
        self._outcome: Outcome | None = None
        self.present.changed.connect(self.follow)
        self.editing.edited.connect(self._measure)
        self.editing.changed.connect(self._on_layer)
        self.certainty.changed.connect(self._show)
        self.certainty.failed.connect(self.failed)

    def follow(self) -> None:
        """Take up the window's present result."""
        outcome = self.present.outcome
        self.certainty.watch(self.present.view)
        if self.present.running or outcome is self._outcome:
            self.changed.emit()
            return
        if outcome is None or not _same_task(outcome, self._outcome):
            self.engine.forget(_LANE, _ALONE)
            self._leave_layer()
            self.judged, self.rows, self.edits = None, [], {}
            self.stored = self._handed = None
            self.certainty.look(None)
        self._outcome = outcome
        if outcome is not None and outcome.pair.moving_labels is not None:
            self._measure()
        self.changed.emit()

    # What was corrected by hand --------------------------------------------------------------

    def expect(self, corrected: NDArray[Any] | None) -> None:
        """The next result was corrected before: take that up again as soon as it is measured."""
        self._expected = corrected

    @property
    def correction(self) -> NDArray[Any] | None:
        """The moved segmentation as it is painted now, where it is not as computed; else None."""
        painted = self.editing.data()
        if painted is None or self.judged is None or _equal(painted, self.judged.computed):
            return None
        return painted

    def hand_over(self, case: str) -> NDArray[Any] | None:
        """What is to be written of the correction of a case; None when nothing is new."""
        painted = self.correction
        handed = None if self._handed is None else self._handed[1]
        if painted is None or _equal(painted, self.stored) or _equal(painted, handed):
            return None
        self._handed = case, painted
        return painted

    def on_kept(self, case: str) -> None:
        """The correction of a case is on the disk."""
        if self._handed is not None and self._handed[0] == case:
            self.stored = self._handed[1]
        self.editing.drop(case)

    def on_unkept(self, case: str) -> None:
        """The correction of a case could not be written: the next time is tried again."""
        if self._handed is not None and self._handed[0] == case:
            self._handed = case, None

    def _leave_layer(self) -> None:
        """The corrected layer goes only when nothing in it can be lost."""
        if self.present.view is None:  # the window may be closing: its layers are not touched
            return
        painted = self.correction
        if painted is not None and not _equal(painted, self.stored):
            self.editing.release("" if self._handed is None else self._handed[0])
        else:
            self.editing.end()

    def _take_up_correction(self, judged: Judged) -> bool:
        """Put what was corrected before into the editable layer."""
        corrected, self._expected = self._expected, None
        view = self.present.view
        if corrected is None or view is None or corrected.shape != judged.computed.shape:
            return False
        self.stored = corrected
        self.editing.begin(view, judged, corrected)
        return True

    # Measuring --------------------------------------------------------------------------------

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

    def set_limits(self, limits: Limits) -> None:
        """Flag structures beyond these."""
        self.limits = limits
        self._show()

    def set_nearest(self, nearest: bool) -> None:
        """Carry the segmentation by nearest neighbour, or by the largest share."""
        if nearest != self.nearest:
            self.nearest = nearest
            self._leave_layer()
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
        if self._take_up_correction(judged):
            self._measure()
            return
        self.certainty.look(judged)
        self.engine.submit(
            lambda: self.jobs.look_alone(judged), lane=_ALONE, gives_way=1,
            on_done=self._on_alone, on_error=self._on_error,
        )  # fmt: skip
        self.changed.emit()

    def _on_alone(self, own: dict[int, Plausibility]) -> None:
        if self.judged is not None:
            self.judged = replace(self.judged, own=own)
        self._show()

    def _show(self) -> None:
        if self.judged is not None:
            self.rows = self._rows(self.judged, self.judged.own)
        self.changed.emit()

    def _rows(self, judged: Judged, own: Mapping[int, Plausibility]) -> list[Row]:
        names = {**judged.names, **self.names}
        known = judged.structures.keys()
        own = {label: found for label, found in own.items() if label in known}
        sure = {} if self.certainty.found is None else self.certainty.found.structures
        return rows_of(judged.structures, own, names, self.limits, judged.compared, sure)

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
        self.certainty.leave()
        self.editing.let_go()


def _same_task(one: Outcome, other: Outcome | None) -> bool:
    """Whether two results are of the same segmentations of the same pair."""
    return other is not None and same_pair(one.pair, other.pair)


def _equal(painted: NDArray[Any], other: NDArray[Any] | None) -> bool:
    return other is not None and np.array_equal(painted, other)
