"""The spread of a result in words: what it is, and how large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.uncertainty.spread import Spread
    from napari_voxelmorph.gui.views.display_grid import Points

#: Of the map of labels.
OF_LABELS = (
    "Label entropy: how much the answers differ about which structure a voxel is, in bits; 0 where all "
    "agree, 1 where two structures are equally often. Bright borders of the moved segmentation are "
    "the ones to look at."
)
LABELS_TIP = (
    f"{OF_LABELS} It needs a moving segmentation, and the spread of the result: of a probabilistic "
    "model it is sampled when this is ticked; otherwise press “Estimate spread” first."
)
#: What every legend says.
MEANING = "Spread of the model's answers, not the error."
OF_STARTS = (
    "Spread of the answers from slightly other starts, not the error: what all starts get wrong "
    "it does not show."
)
TIP = (
    "How far the answers of a probabilistic model differ at each voxel, in mm (standard "
    "deviation per direction). It is not the error: a model can be wrong and sure of it. The "
    "pre-alignment is taken as certain."
)
_FROM = {
    "closed form": "from the posterior in closed form",
    "samples": "from {} answers drawn from the posterior",
    "perturbations": "from {} registrations with slightly other starts",
}


def meaning(spread: Spread) -> str:
    """What the map shows."""
    return OF_STARTS if spread.source == "perturbations" else MEANING


def how_large(spread: Spread, registration: Registration) -> str:
    """Median and 95th percentile, and where they come from."""
    figures = spread.summary(registration.fixed)
    how = _FROM[spread.source].format(spread.samples)
    return (
        f"{_mm(figures['median_mm'])} or less in half of the image, {_mm(figures['p95_mm'])} or less "
        f"in 95 % ({how})."
    )


def about_folding(spread: Spread) -> str:
    """How often an answer folds somewhere; empty when it is not known."""
    if spread.folding is None:
        return ""
    largest = float(spread.folding.max(initial=0.0))
    if largest <= 0:
        return "No answer folds."
    share = 100 * float((spread.folding > 0).mean())
    return (
        f"Some answers fold in {share:.2g} % of the volume, at worst {100 * largest:.0f} % of them."
    )


def structure_lines(spread: Spread) -> list[str]:
    """One line per structure: id, volume and its standard deviation."""
    found = spread.structures
    if found is None:
        return []
    unit = "ml" if spread.ndim == 3 else "cm²"
    return [
        f"structure {number}: {_with_deviation(volume, deviation)} {unit}"
        for number, volume, deviation in zip(
            found.ids, found.volume_ml, found.deviation_ml, strict=True
        )
    ]


def landmark_line(spread: Spread, registration: Registration, points: Points | None) -> str:
    """How far the landmarks may be off by the model's own account; empty without any."""
    if points is None or not len(points):
        return ""
    from napari_voxelmorph.engine.uncertainty.ellipse import ellipse

    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return ""
    radii = ellipse(spread.covariance_at(points, registration.fixed)).radii[:, 0]
    shape = "ellipsoid" if spread.ndim == 3 else "ellipse"
    return (
        f"Landmarks: the longest half-axis of the 95 % {shape} is {_mm(float(np.median(radii)))} "
        f"in the middle, {_mm(float(radii.max()))} at most."
    )


def _with_deviation(value: float, deviation: float) -> str:
    """As many digits as the deviation allows."""
    digits = 2 if deviation <= 0 else int(np.clip(1 - np.floor(np.log10(deviation)), 0, 4))
    return f"{value:.{digits}f} ± {deviation:.{digits}f}"


def _mm(value: float) -> str:
    return f"{value:.2f} mm" if value < 1 else f"{value:.1f} mm"
