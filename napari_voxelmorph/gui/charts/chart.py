"""Curves on a small axis, painted by Qt itself: quick enough for every step of a training."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_voxelmorph.gui.charts.chart_painting import (
    draw_axes,
    draw_hover,
    draw_legend,
    draw_series,
)
from napari_voxelmorph.gui.charts.chart_series import (
    ChartColors,
    Scale,
    Series,
    make_scales,
    nearest,
)
from napari_voxelmorph.gui.painter import painter_on


class Chart(QWidget):
    """Shows `Series` over training steps.

    Parameters
    ----------
    name : str
        For screen readers.
    empty : str
        Shown while there are no points.
    """

    def __init__(self, name: str, empty: str = "", height: int = 132) -> None:
        super().__init__()
        self.empty = empty
        self.colors = ChartColors()
        self.series: list[Series] = []
        self._log = False
        self._until = 1.0
        self._height = height
        self._picture: QPixmap | None = None
        self._scales: tuple[Scale, ...] | None = None
        self._hover: float | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)

    def sizeHint(self) -> QSize:
        """As high as asked for; any width."""
        return QSize(300, self._height)

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, self._height)

    def show_series(self, series: list[Series], until: float = 1.0) -> None:
        """Draw these curves from now on, up to step `until` at least."""
        self.series = [s for s in series if len(s.x)]
        self._until = until
        self._renew()

    def set_log(self, log: bool) -> None:
        """Logarithmic left axis; it stays linear while there are values of 0 or less."""
        self._log = log
        self._renew()

    def set_colors(self, colors: ChartColors) -> None:
        """Follow the window's theme."""
        self.colors = colors
        self._renew()

    @property
    def can_be_log(self) -> bool:
        """Whether all values of the left axis are above 0."""
        return all(s.y.min() > 0 for s in self.series if not s.right)

    def _renew(self) -> None:
        self._picture = None
        self.update()

    # Painting ---------------------------------------------------------------------------

    def paintEvent(self, event: Any) -> None:
        """The curves from a picture made once per change; the mouse line over it."""
        ratio = self.devicePixelRatioF()
        if self._picture is None or self._picture.size() != self.size() * ratio:
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            self._picture.fill(QColor(self.colors.background))
            self._paint_on(self._picture, self._draw)
        with painter_on(self) as painter:
            painter.drawPixmap(0, 0, self._picture)
        self._paint_on(self, self._draw_hover)

    def _paint_on(self, device: Any, draw: Any) -> None:
        font = QFont(self.font())
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
        with painter_on(device) as painter:
            painter.setFont(font)
            draw(painter)

    def _draw(self, painter: QPainter) -> None:
        metrics = painter.fontMetrics()
        if not self.series:
            self._scales = None
            painter.setPen(QColor(self.colors.text))
            inside = self.rect().adjusted(12, 4, -12, -4)
            centred = Qt.AlignmentFlag.AlignCenter.value | Qt.TextFlag.TextWordWrap.value
            painter.drawText(inside, centred, self.empty)
            return
        line, margin = metrics.height(), metrics.horizontalAdvance("0.0000") + 8.0
        right = any(series.right for series in self.series)
        end = self.width() - (margin if right else 8.0)
        box = (margin, line + 8.0, end, self.height() - line - 6.0)
        self._scales = make_scales(self.series, box, self._log and self.can_be_log, self._until)
        draw_axes(painter, self._scales, self.colors, right)
        painter.setClipRect(int(box[0]), int(box[1]) - 1, int(end - margin) + 2, self.height())
        for series in self.series:
            draw_series(painter, series, self._scales)
        painter.setClipping(False)
        draw_legend(painter, self.series, self.colors, self.width())

    def _draw_hover(self, painter: QPainter) -> None:
        if self._hover is None or self._scales is None:
            return
        text = self.hover_text(self._hover)
        if text:
            draw_hover(painter, self._hover, text, self._scales, self.colors)

    # The mouse --------------------------------------------------------------------------

    def mouseMoveEvent(self, event: Any) -> None:
        """Read the curves under the mouse."""
        self._hover = float(event.position().x())
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """The mouse is gone."""
        self._hover = None
        self.update()

    def hover_text(self, pixel: float) -> str:
        """What the curves say at a horizontal place of the widget; empty outside the axis."""
        if self._scales is None:
            return ""
        across = self._scales[0]
        if not across.start <= pixel <= across.end:
            return ""
        step = across.back(pixel)
        said = [f"step {round(step):,}"]
        for s in self.series:
            if s.style not in ("faint", "level"):
                said.append(f"{s.name}: {s.y[nearest(s, step)]:.4g}{s.unit}")
        return "\n".join(said)
