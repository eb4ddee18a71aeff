"""Structures in the views: flying to them, highlights, colours."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent


def test_choosing_flies_to_the_structure_and_fades_the_others(shown):
    shown.open_outlines()
    qa, viewer = shown.qa, shown.viewer
    for label in (53, 17):
        qa.table.choose(label)
        qa.looking.paint()
        moved = shown.layer("moved labels")
        index = tuple(round(c) for c in moved.world_to_data(viewer.dims.point))
        fixed = shown.layer("fixed labels")
        assert np.asarray(fixed.data)[index] == label
        colors = moved.colormap.color_dict
        assert colors[label][3] == 1 and all(
            colors[other][3] < 0.3 for other in (3, 17, 53) if other != label
        )


def test_hovering_tells_and_highlights_for_as_long_as_it_lasts(shown):
    shown.open_outlines()
    qa = shown.qa
    row = next(row for row in qa.judging.rows if row.id == 53)
    qa.table.hovered.emit(row)
    qa.looking.paint()
    assert "label 53" in str(shown.viewer.status)
    assert shown.layer("moved labels").colormap.color_dict[17][3] < 0.3
    qa.table.hovered.emit(None)
    qa.looking.paint()
    assert shown.layer("moved labels").colormap.color_dict[17][3] == 1


def test_double_click_goes_where_it_is_worst(shown):
    qa = shown.qa
    row = qa.judging.rows[0]
    qa.table.worst_asked.emit(row)
    view = shown.register.pair_view
    grid = view.layers.scene.grid
    affine = shown.made.fixed.affine
    world = affine[:3, :3] @ row.structure.farthest + affine[:3, 3]
    shown_at = grid.world_to_display(world)[0] * grid.scale + grid.translate
    np.testing.assert_allclose(shown.viewer.dims.point[0], shown_at[0])


def test_outlines_take_the_colour_of_a_column(shown):
    shown.open_outlines()
    qa = shown.qa
    qa.tools.color.setCurrentIndex(qa.tools.color.findData("hd95"))
    colors = shown.layer("moved labels").colormap.color_dict
    assert np.allclose(colors[3][:3], 0.6)  # no number: grey
    qa.tools.color.setCurrentIndex(0)
    assert not hasattr(shown.layer("moved labels").colormap, "color_dict") or (
        not np.allclose(shown.layer("moved labels").colormap.color_dict[3][:3], 0.6)
    )


def test_the_mouse_over_a_row(shown):
    table = shown.qa.table
    told = []
    table.hovered.connect(told.append)
    button, keys = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    for n in (1, 1, 0):
        place = QPointF(table.visualRect(table.sorted.index(n, 0)).center())
        move = QEvent.Type.MouseMove
        table.mouseMoveEvent(QMouseEvent(move, place, place, button, button, keys))
    table.leaveEvent(QEvent(QEvent.Type.Leave))
    first, second = shown.qa.judging.rows[:2]
    assert [None if row is None else row.id for row in told] == [second.id, first.id, None]
