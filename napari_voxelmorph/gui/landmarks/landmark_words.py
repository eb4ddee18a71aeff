"""What the Landmarks dock says.  No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_voxelmorph.gui.landmarks.measuring import SHARE, Distances

if TYPE_CHECKING:
    from napari_voxelmorph.gui.landmarks.measuring import Predicted

NO_PAIR = (
    "Landmarks are pairs of points that mark the same place in both scans; their distance is the "
    "most direct measure of a registration.\n\nShow or register a pair in the Register dock first."
)
OFF = "Press “Place pairs”, then click the same place in the fixed and in the moved image, in turn."
FIXED = "Click a point of the FIXED image (magenta)."
MOVING = "Now click the same place in the MOVED image (green). Undo takes the fixed point back."
OTHER_SCANS = (
    "The Register dock has other scans chosen than the ones in view: choose these two there, then "
    "use the landmarks."
)
NO_SPREAD = (
    "No predicted uncertainty: for it, tick “Uncertainty” or press “Estimate spread” in the Register "
    "dock, under “3  View”."
)


def summary(found: Distances, used: int) -> str:
    """Means before and after; whether they are a test; and what the spread predicts.

    `used` is how many of the pairs took part in the registration in view.
    """
    if not len(found.after):
        return ""
    count = len(found.after)
    pairs = "1 pair" if count == 1 else f"{count} pairs"
    told = [
        f"{pairs}: {found.before.mean():.2f} mm before, {found.after.mean():.2f} mm after "
        f"(largest {found.after.max():.2f} mm)."
    ]
    if used:
        which = "All of them" if used == count else f"{used} of them"
        told.append(f"{which} took part in this registration: no test of it.")
    if found.predicted is not None:
        told.append(_predicted(found.predicted))
    return " ".join(told)


def use_words(used: bool, count: int) -> str:
    """What the next registration will do with the pairs."""
    if not count:
        return "Place or open at least one whole pair to use it in the registration."
    if used:
        pairs = "this pair" if count == 1 else f"these {count} pairs"
        return (
            f"The next run of the Register dock lets {pairs} pull. Pairs that are to test it must be "
            "left out: save all, remove those, register, and open all again."
        )
    return "They are only measured: their distance is an honest test of the registration."


def ellipse_words(predicted: Predicted, number: int) -> str:
    """The ellipse of one pair."""
    axes = " × ".join(f"{r:.1f}" for r in predicted.radii[number])
    shape = "ellipsoid" if predicted.radii.shape[1] == 3 else "ellipse"
    inside = "lies within" if predicted.within[number] else "lies outside"
    return (
        f"Half-axes of the {SHARE:.0%} {shape}: {axes} mm. The partner {inside} it. This is the "
        "spread of the result's answers, not its error."
    )


def _predicted(predicted: Predicted) -> str:
    inside, count = int(predicted.within.sum()), len(predicted.within)
    shape = "ellipsoids" if predicted.radii.shape[1] == 3 else "ellipses"
    return (
        f"Predicted standard deviation {np.median(predicted.deviation):.2f} mm in the middle; "
        f"{inside} of {count} within their {SHARE:.0%} {shape}."
    )
