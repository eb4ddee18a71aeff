"""The curves over λ for the report: similarity, folding and overlap, each with its own axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_voxelmorph.engine.lambda_sweep.curves import LambdaCurves

Color = tuple[int, int, int]
#: Pixels per unit of the page, so that print is sharp; and sizes in units.
SHARP = 2
_WIDE, _TALL, _GAP = 300, 190, 16
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 44, 10, 34
_INK, _FAINT, _GRID = (25, 25, 30), (110, 110, 118), (222, 222, 226)
#: Told apart with any kind of colour vision (Okabe & Ito).
_BLUE, _RED, _GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)
_TICKS, _ROOM = 4, 34


@dataclass(frozen=True)
class _Panel:
    title: str
    color: Color
    values: tuple[float, ...]
    low: float
    high: float


def curves_from(told: Any) -> LambdaCurves | None:
    """Curves as they were kept; None when there are none, or they are damaged."""
    try:
        lists = {
            name: tuple(float(v) for v in told[name])
            for name in ("values", "positions", "similarity", "folding_percent", "mean_dice")
        }
        chosen = None if told["chosen"] is None else float(told["chosen"])
        pins = {str(name): float(value) for name, value in dict(told["pins"]).items()}
        found = LambdaCurves(str(told["name"]), **lists, chosen=chosen, pins=pins)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    count, *others = (len(values) for values in lists.values())
    fits = others[:3] == [count] * 3 and others[3] in (0, count) and count > 1
    finite = all(map(math.isfinite, (v for values in lists.values() for v in values)))
    return found if fits and finite else None


def picture_of_curves(curves: LambdaCurves) -> Image.Image:
    """Draw a panel per curve, with the chosen λ and the pins as lines; `SHARP` pixels a unit."""
    panels = _panels(curves)
    size = len(panels) * (_WIDE + _GAP) - _GAP, _TALL
    page = Image.new("RGB", (size[0] * SHARP, size[1] * SHARP), "white")
    draw = ImageDraw.Draw(page)
    for n, panel in enumerate(panels):
        _draw(draw, n * (_WIDE + _GAP), panel, curves)
    return page


def told_of(curves: LambdaCurves) -> str:
    """The curves in a sentence: what was chosen, and what it reaches."""
    marks = {"chosen": curves.chosen} if curves.chosen is not None else {}
    parts = []
    for name, value in {**marks, **curves.pins}.items():
        n = int(np.abs(np.array(curves.positions) - curves.position(value)).argmin())
        dice = f", mean Dice {curves.mean_dice[n]:.3f}" if curves.mean_dice else ""
        parts.append(
            f"{name}: {curves.name} {value:.3g} (at {curves.values[n]:.3g}: similarity "
            f"{curves.similarity[n]:.3f}, folding {curves.folding_percent[n]:.2g} %{dice})"
        )
    return "; ".join(parts)


def _panels(curves: LambdaCurves) -> list[_Panel]:
    folded = max(max(curves.folding_percent), 0.1)
    found = [
        _Panel("similarity", _BLUE, curves.similarity, *_range(curves.similarity)),
        _Panel("folding, %", _RED, curves.folding_percent, 0.0, 1.05 * folded),
    ]
    if curves.mean_dice:
        found.append(_Panel("mean Dice", _GREEN, curves.mean_dice, *_range(curves.mean_dice)))
    return found


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max(0.05 * (high - low), 1e-3)
    return low - room, high + room


def _draw(draw: ImageDraw.ImageDraw, left: int, panel: _Panel, curves: LambdaCurves) -> None:
    x0, x1 = left + _LEFT, left + _WIDE - _RIGHT
    y0, y1 = _TOP, _TALL - _BOTTOM

    def across(position: float) -> float:
        return x0 + (x1 - x0) * position

    def up(value: float) -> float:
        return y1 - (y1 - y0) * (value - panel.low) / (panel.high - panel.low)

    _text(draw, (x0, 6), panel.title, panel.color, "la", 14)
    for n in range(_TICKS):
        value = panel.low + (panel.high - panel.low) * n / (_TICKS - 1)
        _line(draw, [(x0, up(value)), (x1, up(value))], _GRID)
        _text(draw, (x0 - 5, up(value)), f"{value:.3g}", _FAINT, "rm")
    for position, value in _ticks(curves, (x1 - x0) / _ROOM):
        _line(draw, [(across(position), y1), (across(position), y1 + 4)], _FAINT)
        _text(draw, (across(position), y1 + 6), f"{value:.2g}", _FAINT, "ma")
    # The font that Pillow brings has no Greek.
    _text(draw, (x1, _TALL - 1), curves.name.replace("λ", "lambda"), _FAINT, "rd")
    for name, value in _marks(curves).items():
        at = across(curves.position(value))
        _line(draw, [(at, y0), (at, y1)], _INK if name == "chosen" else _FAINT)
        _text(draw, (at, y0 - 2), name, _INK, "md" if x0 + 20 < at < x1 - 20 else
              "ld" if at <= x0 + 20 else "rd")  # fmt: skip
    places = [
        (across(p), up(v)) for p, v in zip(curves.positions, panel.values, strict=True)
    ]  # fmt: skip
    _line(draw, places, panel.color, 2)
    for x, y in places:
        box = [c * SHARP for c in (x - 2.2, y - 2.2, x + 2.2, y + 2.2)]
        draw.ellipse(box, fill=panel.color)


def _marks(curves: LambdaCurves) -> Mapping[str, float]:
    """Name -> λ; names at one λ are written together."""
    by_value: dict[float, list[str]] = {}
    chosen = {} if curves.chosen is None else {"chosen": curves.chosen}
    for name, value in {**chosen, **curves.pins}.items():
        by_value.setdefault(round(curves.position(value), 3), []).append(name)
    known = {**chosen, **curves.pins}
    return {
        names[0] if len(names) == 1 else ", ".join(names): known[names[0]]
        for names in by_value.values()
    }


def _ticks(curves: LambdaCurves, most: float) -> list[tuple[float, float]]:
    """Knots to name on the axis, from left to right, none too near to another."""
    found: list[tuple[float, float]] = []
    for position, value in zip(curves.positions, curves.values, strict=True):
        if not found or position - found[-1][0] >= 1 / most:
            found.append((position, value))
    return found


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], words: str, color: Color, anchor: str,
    size: int = 11,
) -> None:  # fmt: skip
    font = ImageFont.load_default(size * SHARP)
    draw.text((at[0] * SHARP, at[1] * SHARP), words, fill=color, font=font, anchor=anchor)


def _line(
    draw: ImageDraw.ImageDraw, places: list[tuple[float, float]], color: Color, width: float = 1
) -> None:
    points = [(x * SHARP, y * SHARP) for x, y in places]
    draw.line(points, fill=color, width=round(width * SHARP), joint="curve")
