"""The curves over λ as a picture: similarity, overlap and folding, each over its own range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_voxelmorph.gui.charts.chart_series import ChartColors

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.knots import Scores
    from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale

Array = NDArray[np.float64]
#: Percent of folded volume that is hatched (`suggestion.MOST_FOLDING`).
TOO_FOLDED = 0.1
_FOLDED = "#e4655b"


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve over the slider.

    Parameters
    ----------
    name : str
    color : str
    x, y : ndarray (N,)
        Positions (0 to 1, rising) and values.
    unit : str
    best : str
        How its largest value is marked; empty: it is not.
    """

    name: str
    color: str
    x: Array
    y: Array
    unit: str = ""
    best: str = ""

    def at(self, position: float) -> float:
        """The value at a position, linear between knots."""
        return float(np.interp(position, self.x, self.y))


def curves_of(
    scored: Sequence[tuple[float, Scores]], label: int | None, name: str = ""
) -> list[Curve]:
    """Similarity, folding and, with segmentations, overlap (of one structure too, by its name)."""
    if not scored:
        return []
    x = np.array([position for position, _ in scored])
    scores = [s for _, s in scored]
    found = [
        Curve("similarity", "#56b4e9", x, np.array([s.similarity for s in scores])),
        Curve("folding", _FOLDED, x, np.array([s.ndv for s in scores]), " %"),
    ]
    mean = np.array([s.mean_dice for s in scores])
    if np.isfinite(mean).all():
        best = "best mean Dice" if label is None else ""
        found.append(Curve("mean Dice", "#35c28d", x, mean, best=best))
    if label is not None:
        one = np.array([s.dice.get(label, np.nan) for s in scores])
        if np.isfinite(one).all():
            name = name or f"structure {label}"
            found.append(Curve(f"Dice of {name}", "#e8c15a", x, one, best=f"best for {name}"))
    return found


def draw_curves(painter: QPainter, curves: list[Curve], box: QRectF, colors: ChartColors) -> None:
    """Hatch what folds, then each curve over its own range (folding from 0)."""
    painter.fillRect(box, QColor(colors.background))
    painter.setPen(QColor(colors.lines))
    painter.drawRect(box)
    for curve in curves:
        if curve.name == "folding":
            _hatch(painter, curve, box)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for curve in curves:
        painter.setPen(QPen(QColor(curve.color), 1.8))
        low, high = curve.y.min(), curve.y.max()
        if curve.name == "folding":
            low, high = 0.0, max(high, 2 * TOO_FOLDED)
        y = box.bottom() - 4 - (box.height() - 8) * (curve.y - low) / max(high - low, 1e-9)
        places = [QPointF(box.left() + box.width() * a, b) for a, b in zip(curve.x, y, strict=True)]
        painter.drawPolyline(QPolygonF(places))
        painter.setBrush(QColor(curve.color))
        for place in places:
            painter.drawEllipse(place, 2.0, 2.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for curve in curves:
        if curve.best:
            _mark_best(painter, curve, box)


def _hatch(painter: QPainter, curve: Curve, box: QRectF) -> None:
    """Where the curve lies above `TOO_FOLDED`."""
    fine = np.linspace(curve.x[0], curve.x[-1], 401)
    too_much = np.interp(fine, curve.x, curve.y) > TOO_FOLDED
    edges = np.flatnonzero(np.diff(np.concatenate([[False], too_much, [False]]).astype(np.int8)))
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        left = box.left() + box.width() * fine[a]
        right = box.left() + box.width() * fine[b - 1]
        color = QColor(_FOLDED)
        color.setAlphaF(0.55)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        brush = painter.brush()
        brush.setStyle(Qt.BrushStyle.BDiagPattern)
        painter.fillRect(QRectF(left, box.top(), max(2.0, right - left), box.height()), brush)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _mark_best(painter: QPainter, curve: Curve, box: QRectF) -> None:
    x = box.left() + box.width() * float(curve.x[int(np.argmax(curve.y))])
    painter.setPen(QPen(QColor("#e8c15a"), 1.0, Qt.PenStyle.DashLine))
    painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))
    metrics = painter.fontMetrics()
    room = metrics.horizontalAdvance(curve.best) + 6
    left = x + 4 if x + 4 + room < box.right() else x - room
    painter.drawText(QPointF(left, box.bottom() - 5), curve.best)


def tick_values(scale: LambdaScale) -> list[float]:
    """Round λ for the axis, rising."""
    if scale.kind == "log":
        decades = [m * 10.0**d for d in range(-4, 5) for m in (1, 2, 5)]
        inside = [v for v in decades if scale.low * 0.999 <= v <= scale.high * 1.001]
        return inside or [scale.low, scale.high]
    shares = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
    return [scale.low + (scale.high - scale.low) * s for s in shares]
