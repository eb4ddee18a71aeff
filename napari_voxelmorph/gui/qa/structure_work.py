"""Between the table of structures and the views: fly to, highlight, colour, correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_voxelmorph.engine.review.rows import Row
from napari_voxelmorph.gui.qa import qa_words
from napari_voxelmorph.gui.qa.case_in_window import register_dock_of
from napari_voxelmorph.gui.qa.structure_colors import ColorScale

if TYPE_CHECKING:
    from napari_voxelmorph.gui.qa.qa_dock import QaDock


class StructureWork:
    """What hovering, clicking and the buttons over the table of a dock do."""

    def __init__(self, dock: QaDock) -> None:
        self._dock = dock
        table, tools = dock.table, dock.tools
        table.chosen.connect(self._on_chosen)
        table.hovered.connect(self._on_hovered)
        table.worst_asked.connect(self._on_worst)
        tools.color_chosen.connect(self._on_color)
        tools.edit_asked.connect(self._on_edit)
        tools.spread_asked.connect(self._on_spread)
        dock.judging.editing.changed.connect(self._on_editing)

    def show(self) -> None:
        """The rows are others: so are the colours."""
        judging = self._dock.judging
        self._dock.looking.show(judging.present.view, judging.rows, judging.editing.layer)
        self._on_color(self._dock.tools.color.currentData() or "")

    def _on_color(self, key: str) -> None:
        scale = ColorScale.of(key, self._dock.judging.rows) if key else None
        self._dock.model.set_scale(scale)
        self._dock.looking.color_by(scale)

    def _on_chosen(self, row: Row | None) -> None:
        dock = self._dock
        dock.looking.choose(row)
        dock.advice.setText(qa_words.advice_of(row, dock.judging))
        if row is not None:
            dock.judging.editing.choose(row.id)

    def _on_hovered(self, row: Row | None) -> None:
        self._dock.looking.hover(row)
        if row is not None:
            self._dock.viewer.status = qa_words.advice_of(row, self._dock.judging)

    def _on_worst(self, row: Row | None) -> None:
        if row is not None and row.structure is not None:
            self._dock.looking.fly_to(row.structure.farthest or row.place)

    def _on_edit(self) -> None:
        judging = self._dock.judging
        if judging.editing.layer is not None:
            judging.editing.end()
        elif judging.judged is not None and judging.present.view is not None:
            judging.editing.begin(judging.present.view, judging.judged)
            row = self._dock.table.current_row()
            if row is not None:
                judging.editing.choose(row.id)

    def _on_editing(self) -> None:
        judging = self._dock.judging
        layer, view = judging.editing.layer, judging.present.view
        self._dock.tools.show_editing(layer is not None)
        if layer is None and view is not None and judging.rows:
            view.set_overlay("moved labels", True)
        self._dock.looking.show(view, judging.rows, layer)

    def _on_spread(self) -> None:
        dock = self._dock
        dock.judging.certainty.measure(register_dock_of(dock.viewer).spread)
        dock.refresh()
