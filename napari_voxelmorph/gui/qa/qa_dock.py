"""The QA dock: a table of structures, and verdicts on them, case after case."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_voxelmorph.engine.review.rows import Row
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.qa import qa_words
from napari_voxelmorph.gui.qa.case_work import CaseWork
from napari_voxelmorph.gui.qa.judging import Judging
from napari_voxelmorph.gui.qa.keys import add_keys
from napari_voxelmorph.gui.qa.limits_form import LimitsForm
from napari_voxelmorph.gui.qa.looking import Looking
from napari_voxelmorph.gui.qa.pins import Pins
from napari_voxelmorph.gui.qa.review_bar import ReviewBar
from napari_voxelmorph.gui.qa.reviewing import Reviewing
from napari_voxelmorph.gui.qa.session_review import SessionReview
from napari_voxelmorph.gui.qa.structure_model import StructureModel
from napari_voxelmorph.gui.qa.structure_table import StructureTable
from napari_voxelmorph.gui.qa.structure_tools import StructureTools
from napari_voxelmorph.gui.qa.structure_work import StructureWork
from napari_voxelmorph.gui.qa.verdict_panel import ANSWERS, VerdictPanel
from napari_voxelmorph.gui.qa.verdict_work import VerdictWork
from napari_voxelmorph.gui.section import WrappingLabel

if TYPE_CHECKING:
    from napari_voxelmorph.gui.views.views import PairView


class QaDock(QWidget):
    """Everything to judge the segmentation of the pair in a napari window."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.judging = Judging(self.viewer, self)
        self.reviewing = Reviewing(self.viewer, self)
        self.pins = Pins(self.judging, self)
        self.looking = Looking(self.viewer)
        self.session_review = SessionReview(self.viewer, self.reviewing, self)
        self.bar = ReviewBar(self.reviewing)
        self.message = Message()
        self.empty = WrappingLabel(qa_words.NOTHING)
        self.summary, self.advice = WrappingLabel(), WrappingLabel()
        self.summary.setToolTip(qa_words.SIGNS)
        self.tools = StructureTools()
        self.limits = LimitsForm(self.judging.limits)
        self.model = StructureModel(self)
        self.table = StructureTable(self.model)
        self.panel = VerdictPanel()
        self.verdicts = VerdictWork(self)
        self.structures = StructureWork(self)
        self.cases = CaseWork(self)
        self._shown: list[Row] = []
        self._lay_out()
        self._connect()
        self._bind_keys()
        self.judging.follow()
        self.refresh()
        self.session_review.take_up()

    def sizeHint(self) -> QSize:
        """Wide enough for the numbers, narrow enough for a laptop."""
        return QSize(440, 700)

    def _lay_out(self) -> None:
        self.setMinimumWidth(400)
        # A click beside everything leaves the note, so that the keys work again.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.bar)
        texts = QVBoxLayout()
        texts.setContentsMargins(8, 0, 8, 0)
        for widget in (self.message, self.empty, self.summary):
            texts.addWidget(widget)
        column.addLayout(texts)
        column.addWidget(self.tools)
        column.addWidget(self.limits)
        column.addWidget(self.table, 1)
        below = QVBoxLayout()
        below.setContentsMargins(8, 0, 8, 0)
        below.addWidget(self.advice)
        below.addStretch(0)
        column.addLayout(below)
        self.filler = QWidget()
        column.addWidget(self.filler, 1)
        column.addWidget(self.panel)

    def _connect(self) -> None:
        judging, reviewing, tools = self.judging, self.reviewing, self.tools
        judging.changed.connect(self.refresh)
        for source in (judging, reviewing):
            source.failed.connect(self.show_error)
        tools.search.textChanged.connect(self.table.sorted.setFilterFixedString)
        tools.pin_asked.connect(self.pins.pin_shown)
        tools.unpin_asked.connect(self.pins.clear)
        tools.nearest_chosen.connect(self._on_nearest)
        tools.limits_asked.connect(lambda: self.limits.setVisible(True))
        # A small screen has no room for both.
        self.limits.opened.connect(lambda shown: self.panel.setVisible(not shown))
        self.limits.changed.connect(judging.set_limits)
        self.pins.changed.connect(self._on_pins)
        # The note is written: the next key is a verdict.
        self.panel.note.returnPressed.connect(self.setFocus)
        self.panel.note.returnPressed.connect(self.refresh)
        looking = self.looking
        when_destroyed(self, lambda: _leave(judging, reviewing, looking))
        when_destroyed(self, self.session_review.leave)
        self.session_review.told.connect(lambda text: self.message.show_text("warning", text))

    def _bind_keys(self) -> None:
        onward, back = lambda: self.reviewing.step(1), lambda: self.reviewing.step(-1)
        inside: dict[str, Any] = {"N": onward, "P": back}
        everywhere: dict[str, Any] = {"Alt+Right": onward, "Alt+Left": back}
        for answer, (_, _, _, case_key, structure_key) in ANSWERS.items():
            case = partial(self.verdicts.give, answer, False)
            inside[case_key] = everywhere[f"Alt+{case_key}"] = case
            inside[structure_key] = partial(self.verdicts.give, answer, True)
        # napari has keys of its own on the canvas: there ours go with Alt.
        self.keys = add_keys(self, inside) | add_keys(self, everywhere, everywhere=True)

    # Numbers ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the structures as they are known now."""
        judging = self.judging
        state = qa_words.state_of(judging)
        self.empty.setText(state)
        has_table = bool(judging.rows)
        if not has_table:
            self._keep_focus()
        for widget in (self.tools, self.table):
            widget.setVisible(has_table)
        if has_table and self.hasFocus():
            self.table.setFocus()
        if not has_table:
            self.limits.setVisible(False)
        self.filler.setVisible(not has_table)
        if judging.rows is not self._shown:
            self._show_rows(judging.rows)
        summary = qa_words.summary_of(judging, self.pins.comparison) if has_table else ""
        self.summary.setText(summary)
        self.tools.show_spread(judging.certainty.can_measure)
        row = self.table.current_row()
        self.advice.setText(qa_words.advice_of(row, judging) if has_table else "")
        self.verdicts.show_selected()
        if has_table and not (judging.measuring or judging.looking_alone):
            self.reviewing.read_ahead()

    def _keep_focus(self) -> None:
        """What is hidden hands the focus on, to the note: keys for verdicts would be typed there."""
        focus = QApplication.focusWidget()
        if focus is not None and any(
            widget is focus or widget.isAncestorOf(focus) for widget in (self.tools, self.table)
        ):
            self.setFocus()

    def _show_rows(self, rows: list[Row]) -> None:
        self._shown = rows
        judging = self.judging
        self.model.set_rows(rows, judging.edits)
        compared = judging.judged is None or judging.judged.compared
        if compared != self.table.compared:
            self.table.show_columns(compared)
            self.tools.show_columns(compared)
        self.table.sort_again()
        if judging.judged is not None and judging.judged.names_problem and not judging.names:
            self.message.show_text("warning", judging.judged.names_problem)
        view = judging.present.view
        if view is not None and view.has_pair:
            _carry(view, judging.nearest)
        self.structures.show()
        self.verdicts.show()

    def _on_pins(self) -> None:
        self.model.set_comparison(self.pins.comparison)
        self.table.show_delta()
        self.table.sort_again()
        self.tools.show_pinned(bool(self.pins))
        self.refresh()

    def _on_nearest(self, nearest: bool) -> None:
        self.judging.set_nearest(nearest)
        self.pins.measure_again()

    def show_error(self, sentence: str, details: str) -> None:
        """Say what went wrong."""
        self.message.show_text("error", sentence, details)


def _leave(judging: Judging, reviewing: Reviewing, looking: Looking) -> None:
    """The dock is gone: ask for nothing more, and leave the layers as they were."""
    judging.leave()
    reviewing.leave()
    looking.let_go()


def _carry(view: PairView, nearest: bool) -> None:
    """Show the moved segmentation as it is measured."""
    if view.layers.scene.nearest_labels != nearest:
        view.layers.change(nearest_labels=nearest)
