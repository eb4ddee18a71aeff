"""The QA dock: a table of structures, and verdicts on them, case after case."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.review.case import OpenCase
from napari_voxelmorph.engine.review.rows import Row, mean_of
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.qa import qa_words
from napari_voxelmorph.gui.qa.case_in_window import show_case
from napari_voxelmorph.gui.qa.judging import Judging
from napari_voxelmorph.gui.qa.keys import add_keys
from napari_voxelmorph.gui.qa.looking import Looking
from napari_voxelmorph.gui.qa.printing import print_page
from napari_voxelmorph.gui.qa.review_bar import ReviewBar
from napari_voxelmorph.gui.qa.reviewing import Reviewing
from napari_voxelmorph.gui.qa.structure_colors import ColorScale
from napari_voxelmorph.gui.qa.structure_model import StructureModel
from napari_voxelmorph.gui.qa.structure_table import StructureTable
from napari_voxelmorph.gui.qa.structure_tools import StructureTools
from napari_voxelmorph.gui.qa.verdict_panel import ANSWERS, VerdictPanel
from napari_voxelmorph.gui.qa.verdict_work import VerdictWork
from napari_voxelmorph.gui.section import WrappingLabel

if TYPE_CHECKING:
    from napari_voxelmorph.gui.views.views import PairView

_TABLES = "Names of labels (*.txt *.tsv *.csv *.label *.ctbl *.lut);;All files (*)"


class QaDock(QWidget):
    """Everything to judge the segmentation of the pair in a napari window."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.judging = Judging(self.viewer, self)
        self.reviewing = Reviewing(self.viewer, self)
        self.looking = Looking(self.viewer)
        self.bar = ReviewBar(self.reviewing)
        self.message = Message()
        self.empty = WrappingLabel(qa_words.NOTHING)
        self.summary, self.advice = WrappingLabel(), WrappingLabel()
        self.summary.setToolTip(qa_words.SIGNS)
        self.tools = StructureTools()
        self.model = StructureModel(self)
        self.table = StructureTable(self.model)
        self.panel = VerdictPanel()
        self.verdicts = VerdictWork(self)
        self._shown: list[Row] = []
        self._color = self.tools.color.currentData()
        self._reference_mean = math.nan
        self._lay_out()
        self._connect()
        self._bind_keys()
        self.judging.follow()
        self.refresh()

    def sizeHint(self) -> QSize:
        """Wide enough for the numbers, narrow enough for a laptop."""
        return QSize(440, 700)

    def _lay_out(self) -> None:
        self.setMinimumWidth(400)
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
        judging, reviewing, table, tools = self.judging, self.reviewing, self.table, self.tools
        judging.changed.connect(self.refresh)
        judging.editing.changed.connect(self._on_editing)
        for source in (judging, reviewing):
            source.failed.connect(self._show_error)
        reviewing.opened.connect(self._on_case)
        table.chosen.connect(self._on_chosen)
        table.hovered.connect(self._on_hovered)
        table.worst_asked.connect(self._on_worst)
        tools.search.textChanged.connect(table.sorted.setFilterFixedString)
        tools.color_chosen.connect(self._on_color)
        tools.pin_asked.connect(self._pin)
        tools.unpin_asked.connect(lambda: self.set_reference({}))
        tools.edit_asked.connect(self._on_edit)
        tools.names_asked.connect(self._ask_names)
        tools.nearest_chosen.connect(judging.set_nearest)
        reviewing.corrected.connect(self._on_corrected)
        self.bar.told.connect(lambda text: self.message.show_text("done", text))
        self.bar.pdf_asked.connect(self._print)
        judging, reviewing, looking = self.judging, self.reviewing, self.looking
        when_destroyed(self, lambda: _leave(judging, reviewing, looking))

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
        for widget in (self.tools, self.table):
            widget.setVisible(has_table)
        self.filler.setVisible(not has_table)
        if judging.rows is not self._shown:
            self._show_rows(judging.rows)
        summary = qa_words.summary_of(judging, self._mean_delta()) if has_table else ""
        self.summary.setText(summary)
        row = self.table.current_row()
        self.advice.setText(qa_words.advice_of(row, judging) if has_table else "")
        self.verdicts.show_selected()
        if has_table and not (judging.measuring or judging.looking_alone):
            self.reviewing.read_ahead()

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
        self.looking.show(view, rows, judging.editing.layer)
        self._on_color(self.tools.color.currentData() or "")
        self.verdicts.show()

    def set_reference(self, dice: dict[int, float], name: str = "A") -> None:
        """Compare with the Dice (by label) of another result; an empty one ends it."""
        known = [v for v in dice.values() if math.isfinite(v)]
        self._reference_mean = sum(known) / len(known) if known else math.nan
        self.model.set_reference(name, dice)
        self.table.show_delta()
        self.tools.show_pinned(bool(dice))
        self.refresh()

    def _pin(self) -> None:
        self.set_reference({row.id: row.value("dice") for row in self.judging.rows})

    def _mean_delta(self) -> float:
        return mean_of(self.judging.rows, "dice") - self._reference_mean

    def _on_color(self, key: str) -> None:
        self._color = key
        scale = ColorScale.of(key, self.judging.rows) if key else None
        self.model.set_scale(scale)
        self.looking.color_by(scale)

    def _ask_names(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Names of the labels", "", _TABLES)
        if path:
            self.open_names(path)

    def open_names(self, path: str) -> None:
        """Read the names of the labels from a table."""
        from napari_voxelmorph.engine.files.label_tables import load_label_table

        self.judging.engine.submit(
            lambda: load_label_table(path), lane="label names",
            on_done=self.judging.set_names, on_error=self._show_error,
        )  # fmt: skip

    # Structures ---------------------------------------------------------------------------

    def _on_chosen(self, row: Row | None) -> None:
        self.looking.choose(row)
        self.advice.setText(qa_words.advice_of(row, self.judging))
        if row is not None:
            self.judging.editing.choose(row.id)

    def _on_hovered(self, row: Row | None) -> None:
        self.looking.hover(row)
        if row is not None:
            self.viewer.status = qa_words.advice_of(row, self.judging)

    def _on_worst(self, row: Row | None) -> None:
        if row is not None and row.structure is not None:
            self.looking.fly_to(row.structure.farthest or row.place)

    def _on_edit(self) -> None:
        judging = self.judging
        if judging.editing.layer is not None:
            judging.editing.end()
        elif judging.judged is not None and judging.present.view is not None:
            judging.editing.begin(judging.present.view, judging.judged)
            row = self.table.current_row()
            if row is not None:
                judging.editing.choose(row.id)

    def _on_editing(self) -> None:
        editing = self.judging.editing
        self.tools.show_editing(editing.layer is not None)
        view = self.judging.present.view
        if editing.layer is None and view is not None and self.judging.rows:
            view.set_overlay("moved labels", True)
        self.looking.show(view, self.judging.rows, editing.layer)

    # Cases --------------------------------------------------------------------------------

    def _on_case(self, found: OpenCase | None) -> None:
        self.message.clear()
        self.set_reference({})
        if found is not None:
            self.judging.names = dict(found.names)
            show_case(self.viewer, found)

    def _on_corrected(self, case: str, path: Path) -> None:
        self.judging.on_kept(case)
        self.message.show_text("done", f"The corrected segmentation is kept in {path}")

    def _print(self, path: str) -> None:
        worklist = self.reviewing.worklist
        if worklist is None:
            return

        def page() -> str:
            from napari_voxelmorph.engine.review.page import report_page

            return report_page(worklist)

        def done(text: str) -> None:
            try:
                print_page(text, path)
            except VoxelMorphError as error:
                self._show_error(*sentence_and_details(error))
            else:
                self.message.show_text("done", f"Saved in {path}")

        self.judging.engine.submit(page, lane="export", on_done=done, on_error=self._show_error)

    def _show_error(self, sentence: str, details: str) -> None:
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
