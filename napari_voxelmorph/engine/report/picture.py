"""One page that shows a result: before and after, warped grid, folding, displacement, numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.report.colors import Picture
from napari_voxelmorph.engine.report.findings import Findings, Stages
from napari_voxelmorph.engine.report.page import FAINT, Page
from napari_voxelmorph.engine.report.panels import JACOBIAN_RANGE, Panels, window_of
from napari_voxelmorph.engine.report.planes import planes_of
from napari_voxelmorph.engine.result import Registration

_MARGIN, _GAP, _CELL, _TOP = 36, 10, 348, 150


def draw_report(registration: Registration, findings: Findings | None = None) -> Image.Image:
    """Draw the page: a row of five pictures per plane, scales below them, numbers at the foot."""
    planes = planes_of(registration.fixed)
    windows = (window_of(registration.fixed.data), window_of(registration.moving.data))
    panels = [Panels(registration, plane, windows) for plane in planes]
    below = _TOP + len(panels) * (_CELL + _GAP)
    rows = _rows(registration, findings or Findings())
    page = Page(2 * _MARGIN + 5 * _CELL + 4 * _GAP, below + 96 + _table_height(rows))
    _head(page, registration)
    spacing = _grid_spacing(registration)
    largest = max(float(np.percentile(p.millimetres, 99.8)) for p in panels)
    columns: list[tuple[str, Callable[[Panels], Picture]]] = [
        ("Before", Panels.before),
        ("After", Panels.after),
        (f"Warped grid, {spacing:g} mm", lambda p: p.grid(spacing)),
        ("Local volume (Jacobian)", Panels.jacobian),
        (_displacement_title(registration), lambda p: p.magnitude(largest)),
    ]
    for number, (title, draw) in enumerate(columns):
        x = _MARGIN + number * (_CELL + _GAP)
        page.text((x, _TOP - 34), title, 22)
        for row, panel in enumerate(panels):
            at = (x, _TOP + row * (_CELL + _GAP))
            area = page.picture(at, (_CELL, _CELL), draw(panel), panel.plane.aspect)
            page.edges(area, panel.plane.edges)
    _scales(page, below + 6, largest)
    _numbers(page, below + 76, rows)
    return page.image


def save_report(
    registration: Registration, path: Path | str, findings: Findings | None = None
) -> None:
    """Draw the page and write it as PNG.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with writing(path) as temporary:
        draw_report(registration, findings).save(temporary)


def _head(page: Page, registration: Registration) -> None:
    fixed, moving = registration.fixed, registration.moving
    page.text((_MARGIN, 24), f"{moving.name}  registered to  {fixed.name}", 32)
    size = " x ".join(map(str, fixed.shape))
    voxel = " x ".join(f"{s:.3g}" for s in fixed.spacing)
    story = registration.provenance
    config = registration.config
    parts = [
        f"grid {size}, {voxel} mm",
        f"{config.affine} + {config.transform}, {config.similarity}",
        f"smoothness {config.smoothness:g}",
        str(story.get("device", "")),
        str(story.get("created", ""))[:16].replace("T", " "),
        "research use only",
    ]
    page.text((_MARGIN, 68), "   |   ".join(p for p in parts if p), 18, FAINT)


def _scales(page: Page, y: int, largest: float) -> None:
    def left(column: int) -> int:
        return _MARGIN + column * (_CELL + _GAP)

    page.text((left(0), y), "magenta: fixed   green: moving   grey: both agree", 16, FAINT)
    page.text((left(2), y), "a straight grid of the moving image", 16, FAINT)
    low, high = f"1/{2**JACOBIAN_RANGE:g}", f"{2**JACOBIAN_RANGE:g}"
    marks = [(0.0, low), (0.5, "1"), (1.0, high)]
    page.color_bar((left(3), y), _CELL, "diverging", marks)
    page.text((left(3) + _CELL // 2, y + 38), "yellow: folded", 16, FAINT, "ma")
    middle = [(0.0, "0"), (0.5, f"{largest / 2:.2g}"), (1.0, f"{largest:.2g} mm")]
    page.color_bar((left(4), y), _CELL, "viridis", middle)


def _displacement_title(registration: Registration) -> str:
    return "Displacement" if registration.field is not None else "Displacement (affine)"


def _grid_spacing(registration: Registration) -> float:
    """A round distance (mm) that puts about twenty lines across the image."""
    extent = min(
        n * s for n, s in zip(registration.fixed.shape, registration.fixed.spacing, strict=True)
    )
    return float(min((0.5, 1, 2, 4, 5, 8, 10, 16, 20, 32), key=lambda d: abs(extent / d - 20)))


Rows = list[tuple[str, str, str, str]]


def _rows(registration: Registration, findings: Findings) -> tuple[Rows, Rows]:
    """Two tables: what changed by registration, and what describes the result."""
    metrics = registration.metrics
    changes: Rows = [("", "before", "pre-aligned", "after")]
    if "similarity_before" in metrics:
        changes.append(
            ("Similarity (local correlation)", _digits(metrics, "similarity_before", "{:.3f}"), "",
             _digits(metrics, "similarity_after", "{:.3f}"))
        )  # fmt: skip
    if findings.dice is not None:
        count = len(findings.dice_per_label)
        changes.append((f"Dice, mean of {count} structures", *_stages(findings.dice, "{:.3f}")))
    if findings.landmark_error_mm is not None:
        words = findings.landmark_words
        changes.append(
            (f"Landmark error, {words}", *_stages(findings.landmark_error_mm, "{:.2f} mm"))
        )
    facts: Rows = [("", "", "", "")]
    for words, key, form in (
        ("Largest displacement", "max_displacement_mm", "{:.1f} mm"),
        ("Mean displacement", "mean_displacement_mm", "{:.1f} mm"),
        ("Folded volume (NDV)", "ndv_percent", "{:.4f} %"),
    ):
        if key in metrics:
            facts.append((words, "", "", _digits(metrics, key, form)))
    if "total" in registration.timings:
        facts.append(("Time", "", "", f"{registration.timings['total']:.1f} s"))
    return changes, facts


def _stages(stages: Stages, form: str) -> tuple[str, str, str]:
    return form.format(stages.before), form.format(stages.aligned), form.format(stages.after)


def _digits(metrics: Mapping[str, float], key: str, form: str) -> str:
    value = metrics.get(key)
    return form.format(value) if value is not None and np.isfinite(value) else "-"


def _table_height(rows: tuple[Rows, Rows]) -> int:
    return 30 * max(len(r) for r in rows) + 30


def _numbers(page: Page, y: int, rows: tuple[Rows, Rows]) -> None:
    page.table((_MARGIN, y), list(rows[0]), (0, 500, 660, 800), 20)
    page.table((_MARGIN + 3 * (_CELL + _GAP), y), list(rows[1]), (0, 300, 400, 560), 20)
