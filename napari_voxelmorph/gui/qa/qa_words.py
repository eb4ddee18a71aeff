"""What the QA dock says."""

from __future__ import annotations

import math

from napari_voxelmorph.engine.review.rows import Row, mean_of
from napari_voxelmorph.gui.qa.judging import Judging
from napari_voxelmorph.gui.qa.pins import Comparison

NOTHING = (
    "Here the structures of a moved segmentation are measured, looked at, corrected and judged.\n\n"
    "Register a pair in the Register dock, with a segmentation of the moving image and, if there is "
    "one, of the fixed image; or open a worklist of results: a table, a folder of saved sessions, "
    "or a BIDS data set."
)
NO_SEGMENTATION = (
    "This pair has no segmentation to judge. Choose the moving image's segmentation in the Register "
    "dock (under “segmentations, masks, landmarks”) and register again."
)
NO_STRUCTURES = "The moved segmentation is empty: no structure of it lies in the fixed image."
SIGNS = "Means over the structures. ⚑ there is a reason to look; ✎ corrected by hand."
_NO_WORKLIST = "Open a worklist (above) to keep verdicts and notes."


def state_of(judging: Judging) -> str:
    """Why there is no table; empty when there is one."""
    if judging.rows:
        return ""
    outcome = judging.outcome
    if judging.present.running:
        return "The registration is running; its structures are measured when it is done."
    if outcome is None:
        return NOTHING
    if outcome.pair.moving_labels is None:
        return NO_SEGMENTATION
    if judging.measuring:
        return "Measuring the structures…"
    return NO_STRUCTURES if judging.judged is not None else ""


def summary_of(judging: Judging, comparison: Comparison | None = None) -> str:
    """One line over the table."""
    rows = judging.rows
    flagged = sum(bool(row.flags) for row in rows)
    parts = [f"{len(rows)} structures"]
    dice, hd95 = mean_of(rows, "dice"), mean_of(rows, "hd95")
    if math.isfinite(dice):
        parts.append(f"Dice {dice:.3f}")
        delta = math.nan if comparison is None else comparison.mean(rows)
        if comparison is not None and math.isfinite(delta):
            parts[-1] += f" ({delta:+.3f} {comparison.words})"
        parts.append(f"HD95 {hd95:.1f} mm")
    parts.append(f"⚑ {flagged}")
    if judging.edits:
        parts.append(f"✎ {len(judging.edits)}")
    if judging.measuring:
        parts.append("measuring…")
    elif judging.looking_alone:
        parts.append("looking closer…")
    if judging.certainty.measuring:
        parts.append("uncertainty…")
    return " · ".join(parts)


def advice_of(row: Row | None, judging: Judging) -> str:
    """What is to be said of the structure that is looked at."""
    if row is not None:
        told = [*row.flags, *([judging.edits[row.id]] if row.id in judging.edits else [])]
        return f"{row.name}: {' '.join(told) or 'nothing stands out.'}"
    judged = judging.judged
    if judged is not None and not judged.compared:
        return (
            "There is no segmentation of the fixed image to compare with. ⚑ marks structures that "
            "look wrong by themselves; none of these numbers is an accuracy."
        )
    return "Click a structure to fly to it; double click: where it is worst."


def closed_for(has_case: bool) -> str:
    """Why no verdict can be given; empty when one can."""
    return "" if has_case else _NO_WORKLIST
