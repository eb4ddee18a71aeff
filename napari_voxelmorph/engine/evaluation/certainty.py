"""How sure a result is of one structure, as numbers and as a word."""

from __future__ import annotations

import math
from dataclasses import dataclass

_NAN = float("nan")
#: From so large a confidence on it is called so.
GRADES = ((0.9, "high"), (0.75, "fair"), (0.0, "low"))


@dataclass(frozen=True)
class Certainty:
    """What the spread of the answers means for one moved structure; NaN where unknown.

    It says how far the answers of the model (or of other starts) differ, not how far they are
    from the truth: all of them can be wrong together.

    Parameters
    ----------
    uncertainty : float
        mm: standard deviation of the displacement per direction, mean over the structure's
        surface by area.
    confidence : float
        Share of its voxels, 0 to 1, that another answer of the model gives the same label:
        about the Dice to expect between the two answers.  A voxel that most answers give another
        label counts with what these leave.
    size_deviation : float
        Standard deviation of its volume over the answers, ml (2-D: square centimetres).
    """

    uncertainty: float = _NAN
    confidence: float = _NAN
    size_deviation: float = _NAN


def grade(confidence: float) -> str:
    """“high”, “fair” or “low”; empty for NaN."""
    if not math.isfinite(confidence):
        return ""
    return next(word for least, word in GRADES if confidence >= least)
