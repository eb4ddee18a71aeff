"""A result in words and numbers, so that nobody has to know what NDV means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_voxelmorph.engine.config import NOTHING_FOUND
from napari_voxelmorph.engine.landmarks import landmarks_of
from napari_voxelmorph.gui.register.jobs import Outcome

if TYPE_CHECKING:
    from napari_voxelmorph.engine.report.findings import Stages


@dataclass(frozen=True)
class Row:
    """One line of the table: what, before, after, and what it means."""

    what: str
    before: str
    after: str
    help: str


def verdict(outcome: Outcome) -> str:
    """One or two sentences: is it better, does it fold, how far does it go, how long it took."""
    metrics = outcome.registration.metrics
    parts = [
        _model(outcome),
        _agreement(metrics),
        _folding(outcome),
        _reach(metrics),
        _time(outcome),
    ]
    return " ".join(part for part in parts if part)


def rows_of(outcome: Outcome) -> list[Row]:
    """Lines for the table; the first is the head."""
    metrics = outcome.registration.metrics
    rows = [Row("", "before", "after", "")]
    rows.append(
        Row(
            "Similarity",
            _number(metrics, "similarity_before"),
            _number(metrics, "similarity_after"),
            "How well small windows of the two images explain each other (squared local "
            "correlation): 1 is perfect, 0 is none, whatever the contrasts.",
        )
    )
    if outcome.dice is not None:
        rows += _agreement_rows(
            f"Dice, {outcome.structures} structures",
            outcome.dice,
            "{:.3f}",
            "Mean overlap of the structures in both segmentations: 1 is perfect, 0 is apart.",
        )
    if outcome.landmarks is not None:
        rows += _agreement_rows(
            _landmark_words(outcome),
            outcome.landmarks,
            "{:.1f} mm",
            _USED if landmarks_of(outcome.registration.provenance) is not None else _MEASURED,
        )
    if outcome.registration.field is not None:
        largest, mean = _mm(metrics, "max_displacement_mm"), _mm(metrics, "mean_displacement_mm")
        rows.append(Row("Folding", "", _folds(metrics), _FOLDING_HELP))
        rows.append(Row("Largest displacement", "", largest, _REACH_HELP))
        rows.append(Row("Mean displacement", "", mean, _REACH_HELP))
    rows.append(Row("Time", "", _seconds(outcome), "Whole run, without opening and saving."))
    return rows


_MEASURED = "Mean distance between matching landmarks."
_USED = (
    f"{_MEASURED} They took part in the registration, so this is no test of it: leave some pairs "
    "out for that."
)
_FOLDING_HELP = (
    "Share of the volume where the deformation turns inside out (non-diffeomorphic volume). "
    "0 % means that it can be inverted everywhere."
)
_REACH_HELP = "How far tissue is shifted locally, beyond the pre-alignment."


def _landmark_words(outcome: Outcome) -> str:
    used = landmarks_of(outcome.registration.provenance) is not None
    return "Landmark distance (used)" if used else "Landmark distance"


def _agreement_rows(what: str, value: Stages, form: str, help: str) -> list[Row]:
    help = f"{help} After pre-alignment alone: {form.format(value.aligned)}."
    return [Row(what, form.format(value.before), form.format(value.after), help)]


def _model(outcome: Outcome) -> str:
    """By which model, if any, and whether it was refined."""
    model = outcome.registration.provenance.get("model")
    if model is None:
        return ""
    how = " and refined for this pair" if "refinement" in outcome.registration.timings else " alone"
    return f"Registered by the model “{model['name']}”{how}."


def _agreement(metrics: Mapping[str, float]) -> str:
    before, after = metrics.get("similarity_before"), metrics.get("similarity_after")
    if before is None or after is None or math.isnan(before) or math.isnan(after):
        return ""
    if after < before - 1e-3:
        return "The images agree less than before: undo this, or try another start."
    if after < before + 0.01:
        return "The images agree about as well as before."
    much = " much" if after > before + 0.2 else ""
    return f"The images agree{much} better than before."


def _folding(outcome: Outcome) -> str:
    if outcome.registration.field is None:
        return "Pre-alignment only: nothing was deformed."
    if outcome.registration.metrics.get("max_displacement_mm") == 0:
        return NOTHING_FOUND
    percent = outcome.registration.metrics.get("ndv_percent")
    if percent is None:
        return ""
    if percent <= 0:
        return "The deformation does not fold."
    if percent < 0.01:
        return "The deformation hardly folds (less than 0.01 %)."
    return f"The deformation folds in {percent:.2g} % of the volume: more smoothness helps."


def _reach(metrics: Mapping[str, float]) -> str:
    reach = metrics.get("max_displacement_mm")
    return f"It shifts tissue by up to {reach:.1f} mm." if reach else ""


def _time(outcome: Outcome) -> str:
    seconds = _seconds(outcome)
    return f"It took {seconds}." if seconds else ""


def _seconds(outcome: Outcome) -> str:
    total = outcome.registration.timings.get("total")
    if total is None:
        return ""
    return f"{total:.1f} s" if total < 90 else f"{total / 60:.1f} min"


def _folds(metrics: Mapping[str, float]) -> str:
    percent = metrics.get("ndv_percent")
    if percent is None:
        return ""
    if percent <= 0:
        return "none"
    return f"{percent:.2g} %" if percent >= 0.001 else "< 0.001 %"


def _number(metrics: Mapping[str, float], key: str) -> str:
    value = metrics.get(key)
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _mm(metrics: Mapping[str, float], key: str) -> str:
    value = metrics.get(key)
    return "" if value is None or math.isnan(value) else f"{value:.1f} mm"
