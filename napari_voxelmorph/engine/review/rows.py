"""A line per structure, for the table in the window, the exported files and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_voxelmorph.engine.evaluation.certainty import GRADES, Certainty, grade
from napari_voxelmorph.engine.evaluation.flags import Limits, flags_of
from napari_voxelmorph.engine.evaluation.plausibility import Plausibility
from napari_voxelmorph.engine.evaluation.structures import Structure, Voxel
from napari_voxelmorph.engine.files.label_tables import Color, LabelName, name_of

_NAN = float("nan")


@dataclass(frozen=True)
class Column:
    """A number that every structure has.

    Parameters
    ----------
    key : str
        Its name in exported files.
    title : str
        Its name in the window, short.
    unit : str
    help : str
        What it means, in a sentence or two.
    digits : int
        Behind the point.
    best : "high", "low", "zero", "one" or None
        Which values are good; None: it says nothing of quality.
    needs_fixed : bool
        Whether it compares with a fixed segmentation.
    """

    key: str
    title: str
    unit: str
    help: str
    digits: int
    best: Literal["high", "low", "zero", "one"] | None
    needs_fixed: bool

    @property
    def needs_spread(self) -> bool:
        """Whether it comes from the uncertainty map."""
        return hasattr(Certainty, self.key)

    def text(self, value: float) -> str:
        """A value as it is shown: with a sign, or a word, where that helps; “–” for none."""
        if not math.isfinite(value):
            return "–"
        sign = "+" if self.best == "zero" else ""
        word = f" {grade(value)}" if self.key == "confidence" else ""
        return f"{value:{sign}.{self.digits}f}{word}"


#: How confidence is called, for the help.
_GRADED = ", ".join(f"{word} from {least:g}" for least, word in GRADES[:-1])

COLUMNS: tuple[Column, ...] = (
    Column(
        "dice", "Dice", "", "Overlap with the fixed segmentation: 1 the same, 0 nothing shared. "
        "Small and thin structures reach less.", 3, "high", True,
    ),
    Column(
        "hd95", "HD95", "mm", "95 percent of the two surfaces lie nearer to each other than this "
        "(robust Hausdorff distance).", 1, "low", True,
    ),
    Column(
        "assd", "ASSD", "mm", "Mean distance between the two surfaces (average symmetric surface "
        "distance).", 2, "low", True,
    ),
    Column(
        "difference", "Δ vol", "%", "Moved minus fixed volume, in percent of the fixed.", 0, "zero",
        True,
    ),
    Column(
        "uncertainty", "Unsure", "± mm", "Standard deviation of the displacement (per direction) "
        "along the structure's surface: how far the model's answers differ, not how far they are "
        "from the truth.", 2, "low", False,
    ),
    Column(
        "confidence", "Confidence", "", "Share of its voxels that another answer of the model gives "
        "the same label, about the Dice to expect between two answers: "
        f"{_GRADED}, else {GRADES[-1][1]}. High for bulky structures, and no accuracy.",
        2, "high", False,
    ),
    Column("fixed_size", "Fixed", "ml", "Volume in the fixed segmentation.", 2, None, True),
    Column("moved_size", "Moved", "ml", "Volume of the moved structure.", 2, None, False),
    Column(
        "size_deviation", "Vol SD", "± ml", "Standard deviation of the moved structure's volume "
        "over the model's answers.", 3, None, False,
    ),
    Column(
        "growth", "Growth", "×", "Volume here over volume in the moving scan, over the same of a "
        "typical structure: 1 grew as the whole did.", 2, "one", False,
    ),
    Column(
        "edge", "Edge", "", "Sharpness of the fixed image along the moved surface, over that of the "
        "moving image along the original one: below 1 it may lie beside the edge.", 2, "high", False,
    ),
    Column(
        "entropy", "Entropy", "bits", "How undecided the interpolated labels are in its voxels: 0 "
        "clear, 1 half and half. High for thin structures.", 2, "low", False,
    ),
)  # fmt: skip
BY_KEY = {column.key: column for column in COLUMNS}


@dataclass(frozen=True)
class Row:
    """All that is known of one structure; `compared`: with a fixed segmentation."""

    id: int
    name: str
    color: Color | None = None
    structure: Structure | None = None
    own: Plausibility | None = None
    certainty: Certainty | None = None
    flags: tuple[str, ...] = ()
    compared: bool = True

    def value(self, key: str) -> float:
        """The number of a column; NaN when there is none."""
        if not self.compared and BY_KEY[key].needs_fixed:
            return _NAN
        for part in (self.structure, self.own, self.certainty):
            if part is not None and hasattr(part, key):
                return float(getattr(part, key))
        return _NAN

    @property
    def place(self) -> Voxel:
        """A voxel of the fixed grid inside the structure; empty when it is nowhere."""
        return self.structure.centre if self.structure is not None else ()

    @property
    def badness(self) -> float:
        """Larger for structures that deserve a look first."""
        dice = self.value("dice")
        if np.isfinite(dice):
            return 1 - dice
        if self.compared and self.structure is not None:
            return 3.0 if not self.structure.moved_size else 0.0
        entropy = self.value("entropy")
        return len(self.flags) + (entropy / 3 if np.isfinite(entropy) else 0.0)


def rows_of(
    structures: Mapping[int, Structure],
    own: Mapping[int, Plausibility],
    names: Mapping[int, LabelName],
    limits: Limits | None = None,
    compared: bool = True,
    certainty: Mapping[int, Certainty] | None = None,
) -> list[Row]:
    """Put everything known of each structure into a row, the worst first.

    Parameters
    ----------
    compared : bool
        Whether `structures` compares with a fixed segmentation; else it holds sizes and places
        of the moved one only.
    certainty : mapping, optional
        What is known of the spread of the answers.
    """
    table, sure = dict(names), certainty or {}
    rows = []
    for label in sorted(structures.keys() | own.keys()):
        found, alone = structures.get(label), own.get(label)
        flags = flags_of(found if compared else None, alone, limits, sure.get(label))
        color = table[label].color if label in table else None
        name = name_of(label, table)
        rows.append(Row(label, name, color, found, alone, sure.get(label), tuple(flags), compared))
    return sorted(rows, key=lambda row: (-row.badness, row.id))


def mean_of(rows: list[Row], key: str) -> float:
    """Mean of a column over the structures that have it; NaN when none has."""
    values = [row.value(key) for row in rows]
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else _NAN
