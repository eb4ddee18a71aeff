"""What the user may show and set, by name."""

from __future__ import annotations

from dataclasses import dataclass

#: Overlay -> the layers behind it.
OVERLAYS: dict[str, tuple[str, ...]] = {
    "grid": ("grid",),
    "grid at rest": ("grid at rest",),
    "arrows": ("arrows",),
    "displacement": ("displacement",),
    "jacobian": ("jacobian",),
    "uncertainty": ("uncertainty", "unsure"),
    "label entropy": ("label entropy",),
    "fixed labels": ("fixed labels",),
    "moved labels": ("moved labels",),
    "landmarks": ("fixed landmarks", "moved landmarks"),
}


@dataclass(frozen=True)
class ViewSettings:
    """Lengths in mm, times in ms, and a share of the screen."""

    grid_spacing: float = 8.0
    arrow_spacing: float = 8.0
    checker_size: float = 20.0
    swipe: float = 0.5
    flicker_interval: int = 500
    unsure_above: float = 1.0
    hide_unsure: bool = False
