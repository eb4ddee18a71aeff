"""Paint an axis and its curves with Qt's own painter; a thousand lines cost a millisecond."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_voxelmorph.gui.charts.chart_series import Array, ChartColors, Scale, Series
from napari_voxelmorph.gui.charts.curve_points import in_short, log_ticks, thinned, ticks


def draw_axes(
    painter: QPainter, scales: tuple[Scale, ...], colors: ChartColors, has_right: bool
) -> None:
    """Grid lines, numbers at both sides, steps below."""
    across, left, right = scales
    line = painter.fontMetrics().height()
    grid, words = QColor(colors.lines), QColor(colors.text)
    count = max(2, int((left.start - left.end) // (1.7 * line)))
    find = log_ticks if left.log else ticks
    places = find(left.low, left.high, count)
    step = 0.0 if left.log or len(places) < 2 else places[1] - places[0]
    for value in places:
        y = float(left(value))
        painter.setPen(grid)
        painter.drawLine(QPointF(across.start, y), QPointF(across.end, y))
        painter.setPen(words)
        box = QRectF(0, y - line / 2, across.start - 4, line)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), in_short(value, step))
    for value in ticks(right.low, right.high, count) if has_right else ():
        box = QRectF(across.end + 4, float(right(value)) - line / 2, 80, line)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignLeft), in_short(value))
    painter.setPen(grid)
    painter.drawRect(QRectF(QPointF(across.start, left.end), QPointF(across.end, left.start)))
    painter.setPen(words)
    _draw_steps(painter, across, left.start + line)


def _draw_steps(painter: QPainter, across: Scale, y: float) -> None:
    metrics, name = painter.fontMetrics(), "step"
    end = across.end - metrics.horizontalAdvance(name)
    painter.drawText(QPointF(end, y), name)
    room = metrics.horizontalAdvance("000000") + 12
    for value in ticks(across.low, across.high, max(2, int((end - across.start) // room))):
        x, text = float(across(value)), in_short(value)
        half = metrics.horizontalAdvance(text) / 2
        if x + half < end - 6:
            painter.drawText(QPointF(x - half, y), text)


def draw_series(painter: QPainter, series: Series, scales: tuple[Scale, ...]) -> None:
    """One curve, thinned to the pixels there are."""
    across, left, right = scales
    up = right if series.right else left
    color = QColor(series.color)
    if series.style == "level":
        painter.setPen(QPen(color, 1.0, Qt.PenStyle.DashLine))
        height = float(up(series.y[-1]))
        painter.drawLine(QPointF(across.start, height), QPointF(across.end, height))
        return
    columns = max(8, int(across.end - across.start))
    x, y = thinned(series.x, series.y, across.low, across.high, columns)
    places = _polygon(across(x), np.clip(up(y), -1e4, 1e4))
    if series.style == "faint":
        color.setAlphaF(0.38)
        painter.setPen(QPen(color, 1.0))
        painter.drawPolyline(places)
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 1.6))
    painter.drawPolyline(places)
    if series.style == "dots" and len(series.x) <= columns // 4:
        painter.setBrush(color)
        for i in range(places.count()):
            painter.drawEllipse(places.at(i), 2.2, 2.2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def draw_legend(painter: QPainter, shown: list[Series], colors: ChartColors, width: int) -> None:
    """Names behind a short piece of their line, in one row."""
    metrics = painter.fontMetrics()
    line = metrics.height()
    x, y = 4.0, line + 2.0
    for series in shown:
        room = metrics.horizontalAdvance(series.name)
        if series.style == "faint" or x + room + 16 > width:
            continue
        style = Qt.PenStyle.DotLine if series.style == "level" else Qt.PenStyle.SolidLine
        painter.setPen(QPen(QColor(series.color), 2.0, style))
        painter.drawLine(QPointF(x, y - line * 0.3), QPointF(x + 12, y - line * 0.3))
        painter.setPen(QColor(colors.text))
        painter.drawText(QPointF(x + 16, y), series.name)
        x += room + 28


def draw_hover(
    painter: QPainter, x: float, text: str, scales: tuple[Scale, ...], colors: ChartColors
) -> None:
    """A line under the mouse, and what the curves say there."""
    width = painter.viewport().width() / painter.device().devicePixelRatioF()
    up, metrics = scales[1], painter.fontMetrics()
    painter.setPen(QPen(QColor(colors.text), 1.0, Qt.PenStyle.DotLine))
    painter.drawLine(QPointF(x, up.end), QPointF(x, up.start))
    lines = text.split("\n")
    room = max(metrics.horizontalAdvance(line) for line in lines) + 12
    box = QRectF(0, up.end + 2, room, metrics.height() * len(lines) + 6)
    box.moveLeft(x + 8 if x + 8 + room < width else max(0.0, x - 8 - room))
    painter.fillRect(box, QColor(colors.background))
    painter.setPen(QColor(colors.lines))
    painter.drawRect(box)
    painter.setPen(QColor(colors.text))
    painter.drawText(box.adjusted(6, 3, 0, 0), int(Qt.AlignmentFlag.AlignLeft), text)


def _polygon(x: Array, y: Array) -> QPolygonF:
    return QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
