"""The scores of many pairs, as a table for people and as files."""

from __future__ import annotations

import csv
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_voxelmorph.cli.progress import duration
from napari_voxelmorph.cli.results import write_json
from napari_voxelmorph.engine.files.writing import writing


@dataclass(frozen=True)
class Row:
    """The scores of one pair; None where there is nothing to compare.

    `dice_before` is after the affine alignment, which the network starts from.
    """

    moving: str
    fixed: str
    dice_headers: float | None
    dice_before: float | None
    dice: float | None
    landmarks_before_mm: float | None
    landmarks_mm: float | None
    ndv_percent: float | None
    similarity_before: float | None
    similarity: float | None
    seconds: float
    seconds_network: float | None


#: What the table shows: field -> (head, format).
_COLUMNS = {
    "dice_before": ("Dice before", "{:.3f}"),
    "dice": ("after", "{:.3f}"),
    "landmarks_before_mm": ("mm before", "{:.2f}"),
    "landmarks_mm": ("after", "{:.2f}"),
    "ndv_percent": ("folded %", "{:.4f}"),
    "similarity_before": ("simil. before", "{:.3f}"),
    "similarity": ("after", "{:.3f}"),
    "seconds": ("seconds", "{:.1f}"),
}


def mean_row(rows: list[Row]) -> dict[str, float | None]:
    """Mean of each column over the pairs that have it."""
    means: dict[str, float | None] = {}
    for name in asdict(rows[0]):
        values = [v for v in (getattr(row, name) for row in rows) if isinstance(v, float)]
        if name not in ("moving", "fixed"):
            means[name] = statistics.fmean(values) if values else None
    return means


def table(rows: list[Row], means: dict[str, float | None]) -> str:
    """The rows and their mean, as text."""
    shown = {k: v for k, v in _COLUMNS.items() if means.get(k) is not None}
    width = max(len(name) for row in rows for name in (row.moving, row.fixed, "moving", "mean"))
    lines = [["moving", "fixed", *(head for head, _ in shown.values())]]
    for values in [*map(asdict, rows), {"moving": "mean", "fixed": "", **means}]:
        cells = [
            "-" if values[k] is None else form.format(values[k]) for k, (_, form) in shown.items()
        ]
        lines.append([values["moving"], values["fixed"], *cells])
    text = []
    for line in lines:
        names = "  ".join(cell.ljust(width) for cell in line[:2])
        heads = zip(line[2:], lines[0][2:], strict=True)
        text.append(f"{names}  " + "  ".join(cell.rjust(max(len(h), 6)) for cell, h in heads))
    total = duration(sum(row.seconds for row in rows))
    return "\n".join([*text, f"{len(rows)} pairs in {total}"])


def write_table(
    folder: Path, rows: list[Row], means: dict[str, float | None], story: dict[str, Any]
) -> None:
    """Write `results.csv` and `results.json`; `OutputError` when that fails."""
    with (
        writing(folder / "results.csv") as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(map(asdict, rows))
    values = {**story, "mean": means, "pairs": [asdict(row) for row in rows]}
    write_json(values, folder / "results.json")
