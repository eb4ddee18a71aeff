"""A wide slider under the curves of what it changes; painted by Qt, quick enough for 60 Hz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_voxelmorph.gui.charts.chart_series import ChartColors
from napari_voxelmorph.gui.lambda_strip.curve_picture import Curve, draw_curves, tick_values
from napari_voxelmorph.gui.painter import painter_on

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale

_MARGIN = 14.0
_GROOVE, _RADIUS = 10.0, 7.0
_ACCENT, _PIN = "#6f8cff", "#ffffff"


class LambdaSlider(QWidget):
    """Emits `dragged(position)` while it moves, `released` when the hand lets go."""

    dragged = Signal(float)
    released = Signal()
    #: Steps of 0.01 (-1 or 1), next knot (-1 or 1), and the key that is held to compare.
    stepped = Signal(int)
    paged = Signal(int)
    held = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.colors = ChartColors()
        self.curves: list[Curve] = []
        self.knots: tuple[float, ...] = ()
        self.pins: dict[str, float] = {}
        self.position = 0.5
        self.tip = ""
        self._scale: LambdaScale | None = None
        self._picture: QPixmap | None = None
        self._grabbed = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(QSize(240, 96))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("λ: left loose, right stiff")
        self.setCursor(Qt.CursorShape.SizeHorCursor)

    def sizeHint(self) -> QSize:
        """Wide, and high enough to read the curves."""
        return QSize(900, 118)

    def show_curves(
        self, scale: LambdaScale, curves: list[Curve], knots: tuple[float, ...]
    ) -> None:
        """Draw these curves, and a dot for every computed field."""
        self._scale, self.curves, self.knots = scale, curves, knots
        self._renew()

    def show_position(self, position: float, pins: dict[str, float]) -> None:
        """Move the handle; cheap."""
        self.position, self.pins = position, pins
        self.update()

    def set_colors(self, colors: ChartColors) -> None:
        """Follow the window's theme."""
        self.colors = colors
        self._renew()

    def _renew(self) -> None:
        self._picture = None
        self.update()

    # Painting -----------------------------------------------------------------------------

    @property
    def _box(self) -> QRectF:
        line = self.fontMetrics().height()
        bottom = self.height() - line - 2 * _RADIUS - 8
        return QRectF(_MARGIN, line + 6, self.width() - 2 * _MARGIN, bottom - line - 6)

    def paintEvent(self, event: Any) -> None:
        """The curves from a picture made once per change; handle and figures over it."""
        ratio = self.devicePixelRatioF()
        if self._picture is None or self._picture.size() != self.size() * ratio:
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            self._picture.fill(QColor(0, 0, 0, 0))
            with painter_on(self._picture) as painter:
                painter.setFont(self._small)
                draw_curves(painter, self.curves, self._box, self.colors)
                self._draw_axis(painter)
        with painter_on(self) as painter:
            painter.setFont(self._small)
            painter.drawPixmap(0, 0, self._picture)
            self._draw_handle(painter)
            self._draw_figures(painter)

    @property
    def _small(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.88))
        return font

    def _x(self, position: float) -> float:
        box = self._box
        return float(box.left() + box.width() * position)

    def _draw_axis(self, painter: QPainter) -> None:
        y = self._box.bottom() + _GROOVE
        painter.setPen(QPen(QColor(self.colors.lines), 4, cap=Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(self._x(0), y), QPointF(self._x(1), y))
        painter.setPen(QPen(QColor(self.colors.text), 3, cap=Qt.PenCapStyle.RoundCap))
        for knot in self.knots:
            painter.drawPoint(QPointF(self._x(knot), y))
        if self._scale is None:
            return
        painter.setPen(QColor(self.colors.text))
        metrics = painter.fontMetrics()
        below = self.height() - 3.0
        values = tick_values(self._scale)
        free = 0.0
        for value in values:
            text = f"{value:g}"
            if value == values[0]:
                text += " loose"
            elif value == values[-1]:
                text = "stiff " + text
            room = metrics.horizontalAdvance(text)
            x = min(max(0.0, self._x(self._scale.position(value)) - room / 2), self.width() - room)
            if x >= free:
                painter.drawText(QPointF(x, below), text)
                free = x + room + 10

    def _draw_handle(self, painter: QPainter) -> None:
        box, x = self._box, self._x(self.position)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for name, position in self.pins.items():
            at = self._x(position)
            painter.setPen(QPen(QColor(_PIN), 1.0, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(at, box.top()), QPointF(at, box.bottom() + _GROOVE))
            painter.drawText(QPointF(at + 3, box.top() + painter.fontMetrics().ascent()), name)
        painter.setPen(QPen(QColor(self.colors.text), 1.4))
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom() + _GROOVE))
        painter.setPen(QPen(QColor(self.colors.background), 1.0))
        painter.setBrush(QColor(_ACCENT))
        painter.drawEllipse(QPointF(x, box.bottom() + _GROOVE), _RADIUS, _RADIUS)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(_ACCENT), 1.5))
            painter.drawEllipse(QPointF(x, box.bottom() + _GROOVE), _RADIUS + 3, _RADIUS + 3)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_figures(self, painter: QPainter) -> None:
        """What the curves say at λ: their legend, too."""
        metrics = painter.fontMetrics()
        x, y = self._box.left(), float(metrics.ascent()) + 3
        for curve in self.curves:
            text = f"{curve.name} {curve.at(self.position):.3f}{curve.unit}"
            painter.setPen(QPen(QColor(curve.color), 2.4))
            painter.drawLine(QPointF(x, y - 4), QPointF(x + 14, y - 4))
            painter.setPen(QColor(self.colors.text))
            painter.drawText(QPointF(x + 19, y), text)
            x += metrics.horizontalAdvance(text) + 38
        if self.tip:
            room = metrics.horizontalAdvance(self.tip)
            if x + room < self.width() - _MARGIN:
                painter.drawText(QPointF(self.width() - _MARGIN - room, y), self.tip)

    # Mouse and keys -----------------------------------------------------------------------

    def _to(self, event: Any) -> None:
        box = self._box
        at = (float(event.position().x()) - box.left()) / max(1.0, box.width())
        self.dragged.emit(min(max(at, 0.0), 1.0))

    def mousePressEvent(self, event: Any) -> None:
        """Take the handle, wherever it was."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._grabbed = True
            self._to(event)

    def mouseMoveEvent(self, event: Any) -> None:
        """Drag."""
        if self._grabbed:
            self._to(event)

    def mouseReleaseEvent(self, event: Any) -> None:
        """Let go."""
        if self._grabbed and event.button() == Qt.MouseButton.LeftButton:
            self._grabbed = False
            self.released.emit()

    def keyPressEvent(self, event: Any) -> None:
        """Arrows 0.01, Page keys the next computed λ, Home and End; Space held compares."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}
        pages = {Qt.Key.Key_PageUp: 1, Qt.Key.Key_PageDown: -1}
        key = event.key()
        if key in steps:
            self.stepped.emit(steps[key])
        elif key in pages:
            self.paged.emit(pages[key])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.dragged.emit(0.0 if key == Qt.Key.Key_Home else 1.0)
        elif key == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self.held.emit(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: Any) -> None:
        """The compare key is let go."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.held.emit(False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: Any) -> None:
        """A key whose release goes elsewhere is let go here."""
        self.held.emit(False)
        super().focusOutEvent(event)
