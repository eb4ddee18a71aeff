"""What the phantom head is made of: ids, names, and brightness in two contrasts.

Ids and names follow FreeSurfer's colour table where it has the structure, so that
other tools show them in familiar colours.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Contrast = Literal["T1", "T2"]


class Tissue(NamedTuple):
    """One structure: ids on the left and right (equal when there is one), brightness."""

    name: str
    left: int
    right: int
    t1: float
    t2: float


TISSUES = {
    tissue.name: tissue
    for tissue in (
        Tissue("Air", 0, 0, 0.015, 0.015),
        Tissue("Head", 258, 258, 0.42, 0.26),
        Tissue("Fat", 258, 258, 0.93, 0.60),
        Tissue("Skull", 165, 165, 0.07, 0.06),
        Tissue("Marrow", 165, 165, 0.46, 0.30),
        Tissue("Sinus air", 0, 0, 0.02, 0.02),
        Tissue("Eye", 259, 259, 0.22, 0.92),
        Tissue("Lens", 259, 259, 0.48, 0.22),
        Tissue("CSF", 24, 24, 0.17, 1.00),
        Tissue("Cerebral-Cortex", 3, 42, 0.52, 0.58),
        Tissue("Cerebral-White-Matter", 2, 41, 0.82, 0.38),
        Tissue("Lateral-Ventricle", 4, 43, 0.14, 1.00),
        Tissue("3rd-Ventricle", 14, 14, 0.15, 1.00),
        Tissue("4th-Ventricle", 15, 15, 0.15, 1.00),
        Tissue("Thalamus", 10, 49, 0.62, 0.50),
        Tissue("Caudate", 11, 50, 0.55, 0.53),
        Tissue("Putamen", 12, 51, 0.59, 0.49),
        Tissue("Pallidum", 13, 52, 0.69, 0.33),
        Tissue("Hippocampus", 17, 53, 0.54, 0.60),
        Tissue("Amygdala", 18, 54, 0.55, 0.60),
        Tissue("Cerebellum-Cortex", 8, 47, 0.53, 0.55),
        Tissue("Cerebellum-White-Matter", 7, 46, 0.79, 0.39),
        Tissue("Brain-Stem", 16, 16, 0.75, 0.42),
        Tissue("Marker", 999, 999, 1.05, 1.00),
    )
}


def _names() -> dict[int, str]:
    names: dict[int, str] = {}
    for tissue in TISSUES.values():
        if tissue.left == 0:
            continue
        if tissue.left == tissue.right:
            names.setdefault(tissue.left, tissue.name)
        else:
            names[tissue.left] = f"Left-{tissue.name}"
            names[tissue.right] = f"Right-{tissue.name}"
    return dict(sorted(names.items()))


#: Label id -> name, of everything the phantom can contain (0 is background).
LABEL_NAMES: dict[int, str] = _names()

#: Ids inside the skull that are brain, ventricles included.
BRAIN_IDS: tuple[int, ...] = tuple(i for i in LABEL_NAMES if i not in (24, 165, 258, 259, 999))
