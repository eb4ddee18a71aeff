"""Between the verdict buttons and the review: give, take back, note, show."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_voxelmorph.gui.qa import qa_words
from napari_voxelmorph.gui.qa.case_jobs import about_result
from napari_voxelmorph.gui.qa.structure_model import Judgement

if TYPE_CHECKING:
    from napari_voxelmorph.gui.qa.qa_dock import QaDock


class VerdictWork:
    """What the verdict buttons and notes of a dock do."""

    def __init__(self, dock: QaDock) -> None:
        self._dock = dock
        self._reviewing = dock.reviewing
        dock.reviewing.changed.connect(self.show)
        dock.panel.given.connect(self.give)
        dock.panel.noted.connect(self._on_note)
        dock.reviewing.leaving.connect(self._on_leaving)
        dock.model.noted.connect(self._on_structure_note)
        dock.table.selectionModel().selectionChanged.connect(lambda *_: self.show_selected())

    def _on_leaving(self) -> None:
        """What was typed and painted belongs to the case that is being left."""
        self._dock.panel.flush()
        self._keep_corrected()

    def _keep_corrected(self) -> None:
        """What was painted goes to the disk; what was discarded there goes aside."""
        judging, case = self._dock.judging, self._reviewing.case
        if case is None or judging.judged is None:
            return
        labels = judging.hand_over(case.name)
        if labels is not None:
            fixed = judging.judged.outcome.registration.fixed
            self._reviewing.keeping.correction(fixed, labels)
        elif judging.stored is not None and judging.correction is None:
            judging.stored = None
            self._reviewing.keeping.set_aside()

    def give(self, answer: str, structures: bool) -> None:
        """Accept, review or reject the case, or the selected structures; again: take it back."""
        if self._reviewing.case is None:
            self.show()
        elif structures:
            self._give_structures(answer)
        else:
            self._give_case(answer)

    def _give_case(self, answer: str) -> None:
        dock, now = self._dock, self._reviewing.verdict()
        same = now is not None and now.answer == answer
        if not self._give(None if same else answer, dock.panel.take_note(), None):
            return
        judging = dock.judging
        if judging.judged is not None:
            self._reviewing.keeping.findings(
                judging.judged, judging.rows, judging.edits, self._about_review()
            )
            self._keep_corrected()
        if not same and dock.panel.go_on.isChecked():
            # In the next turn: the button shows the verdict first.
            QTimer.singleShot(0, lambda: self._reviewing.step(1))

    def _about_review(self) -> dict[str, Any]:
        """What the report tells of a case beside its numbers and where these come from."""
        judging = self._dock.judging
        found: dict[str, Any] = {"limits": asdict(judging.limits)}
        curves = judging.present.lambda_curves() if judging.present.lambda_curves else None
        if curves is not None:
            found["lambda_curves"] = asdict(curves)
        return found

    def _give_structures(self, answer: str) -> None:
        rows = self._dock.table.selected_rows()
        found = [self._reviewing.verdict(row.id) for row in rows]
        same = all(v is not None and v.answer == answer for v in found)
        for row, verdict in zip(rows, found, strict=True):
            note = "" if verdict is None else verdict.note
            if not self._give(None if same else answer, note, row.id):
                return

    def _on_note(self, note: str) -> None:
        now = self._reviewing.verdict()
        self._give(None if now is None else now.answer, note, None)

    def _on_structure_note(self, label: int, note: str) -> None:
        if self._reviewing.case is None:
            self._dock.message.show_text("warning", qa_words.closed_for(False))
            return
        now = self._reviewing.verdict(label)
        self._give(None if now is None else now.answer, note, label)

    def _give(self, answer: Any, note: str, structure: int | None) -> bool:
        judged = self._dock.judging.judged
        about = {} if judged is None or structure is not None else about_result(judged)
        return self._reviewing.give(answer, note, structure, about)

    def show(self) -> None:
        """Show what was said of the case and its structures."""
        reviewing, dock = self._reviewing, self._dock
        judged = reviewing.verdicts_on_structures()
        dock.model.set_judgements({i: Judgement(v.answer, v.note) for i, v in judged.items()})
        verdict = reviewing.verdict()
        dock.panel.show_case(
            None if verdict is None else verdict.answer,
            "" if verdict is None else verdict.note,
            qa_words.closed_for(reviewing.case is not None),
        )
        self.show_selected()

    def show_selected(self) -> None:
        """Show what was said of the selected structures."""
        rows = self._dock.table.selected_rows()
        answers: dict[str, int] = {}
        for row in rows:
            verdict = self._reviewing.verdict(row.id)
            if verdict is not None and verdict.answer is not None:
                answers[verdict.answer] = answers.get(verdict.answer, 0) + 1
        self._dock.panel.show_structures([row.name for row in rows], answers)
