"""Which structures deserve a look, with the reason in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_voxelmorph.engine.evaluation.certainty import Certainty
from napari_voxelmorph.engine.evaluation.plausibility import Plausibility
from napari_voxelmorph.engine.evaluation.structures import Structure


@dataclass(frozen=True)
class Limits:
    """Beyond these a structure is flagged."""

    dice: float = field(
        default=0.4,
        metadata={
            "label": "Dice below", "min": 0.0, "max": 1.0, "step": 0.05, "advanced": False,
            "help": "Overlap with the fixed segmentation under which a structure is flagged. "
            "Thin structures reach less than bulky ones.",
        },
    )  # fmt: skip
    hd95: float = field(
        default=10.0,
        metadata={
            "label": "HD95 above (mm)", "min": 0.0, "max": 100.0, "step": 0.5, "advanced": False,
            "help": "Distance that 95 percent of the surface keep to the fixed segmentation.",
        },
    )  # fmt: skip
    difference: float = field(
        default=50.0,
        metadata={
            "label": "Volume differs by (%)", "min": 0.0, "max": 1000.0, "step": 5.0,
            "advanced": False, "help": "From the volume in the fixed segmentation.",
        },
    )  # fmt: skip
    growth: float = field(
        default=1.5,
        metadata={
            "label": "Grows or shrinks by a factor", "min": 1.0, "max": 10.0, "step": 0.1,
            "advanced": True,
            "help": "Change of volume from the moving scan, beyond that of all structures. "
            "Structures of less than 0.2 ml may change by the square of it.",
        },
    )  # fmt: skip
    edge: float = field(
        default=0.6,
        metadata={
            "label": "Edge strength below", "min": 0.0, "max": 1.0, "step": 0.05, "advanced": True,
            "help": "Sharpness of the fixed image along the moved surface over that of the moving "
            "image along the original one.",
        },
    )  # fmt: skip
    entropy: float = field(
        default=1.0,
        metadata={
            "label": "Label entropy above (bits)", "min": 0.0, "max": 3.0, "step": 0.1,
            "advanced": True,
            "help": "1 bit: in a typical voxel two labels have about the same share.",
        },
    )  # fmt: skip
    uncertainty: float = field(
        default=2.0,
        metadata={
            "label": "Uncertainty above (mm)", "min": 0.0, "max": 100.0, "step": 0.1,
            "advanced": True,
            "help": "Standard deviation of the displacement along its surface, once it has been "
            "measured.",
        },
    )  # fmt: skip
    confidence: float = field(
        default=0.5,
        metadata={
            "label": "Confidence below", "min": 0.0, "max": 1.0, "step": 0.05, "advanced": True,
            "help": "Share of its voxels that another answer of the model gives the same label, "
            "once it has been measured.",
        },
    )  # fmt: skip


#: Below this size (ml or square cm) a voxel more or less is a large change.
_SMALL = 0.2
#: Only surfaces at least this sharp in the moving scan can lose their edge.
_MARKED = 0.7


def flags_of(
    structure: Structure | None,
    own: Plausibility | None,
    limits: Limits | None = None,
    certainty: Certainty | None = None,
) -> list[str]:
    """Reasons to look at a structure, as sentences, the gravest first; empty when there is none.

    Parameters
    ----------
    structure : Structure or None
        Against the fixed segmentation, if there is one.
    own : Plausibility or None
        Against the moving scan.
    certainty : Certainty, optional
        By the model's own account.
    """
    limits = limits or Limits()
    found = [] if structure is None else _against_fixed(structure, limits)
    if own is not None:
        found += _against_moving(own, limits)
    if certainty is not None:
        found += _unsure(certainty, limits)
    return found


def _against_fixed(s: Structure, limits: Limits) -> list[str]:
    if not s.moved_size:
        return ["Missing: the fixed segmentation has it, the moved one does not."]
    if not s.fixed_size:
        return ["Not in the fixed segmentation, so it cannot be compared."]
    found = []
    if s.dice < limits.dice:
        found.append(f"Overlaps little with the fixed segmentation: Dice {s.dice:.2f}.")
    if s.hd95 > limits.hd95:
        found.append(f"Its surface lies far off: 95 % of it within {s.hd95:.1f} mm.")
    if abs(s.difference) > limits.difference:
        more = "larger" if s.difference > 0 else "smaller"
        found.append(f"{abs(s.difference):.0f} % {more} than in the fixed segmentation.")
    return found


def _against_moving(p: Plausibility, limits: Limits) -> list[str]:
    if not p.moved_size:
        return ["Lost: the moving segmentation has it, the moved one does not."]
    if not p.moving_size:
        return ["New: the moving segmentation does not have it."]
    found = []
    if p.cut_off:
        found.append("It reaches the edge of the fixed image: a part may be cut off.")
    allowed = limits.growth**2 if p.moving_size < _SMALL else limits.growth
    if np.isfinite(p.growth) and not 1 / allowed <= p.growth <= allowed:
        times = p.growth if p.growth > 1 else 1 / p.growth
        change = "grew" if p.growth > 1 else "shrank"
        found.append(f"It {change} {times:.1f} times compared with the other structures.")
    if p.sharpness >= _MARKED and p.edge < limits.edge:
        found.append(
            f"Its surface is {100 * p.edge:.0f} % as sharp in the fixed image as in the moving one: "
            "it may lie beside the edge."
        )
    if p.pieces[1] > p.pieces[0]:
        found.append(f"It is in {p.pieces[1]} pieces; before there were {p.pieces[0]}.")
    if p.entropy > limits.entropy:
        found.append("Most of its voxels could as well belong to a neighbour (label entropy).")
    return found


def _unsure(c: Certainty, limits: Limits) -> list[str]:
    found = []
    if c.uncertainty > limits.uncertainty:
        found.append(f"The model is unsure where its surface lies: ± {c.uncertainty:.1f} mm.")
    if c.confidence < limits.confidence:
        found.append(
            f"Another answer of the model would give only {100 * c.confidence:.0f} % of its voxels "
            "the same label."
        )
    return found
