"""Which FreeSurfer id is which structure, tissue and side, for training on label maps.

A training map holds dense numbers (uint8) instead of ids; a `LabelTable` says what they mean.
Left and right are one structure for the loss, and tissues say what is of like brightness.
Ids from 500 on are tissue outside the brain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Structures of the loss: name -> (ids, tissue).  The first id stands for all of them.
BRAIN: dict[str, tuple[tuple[int, ...], str]] = {
    "cerebral white matter": ((2, 41), "white"),
    "cerebral cortex": ((3, 42), "grey"),
    "lateral ventricle": ((4, 43, 5, 44), "fluid"),
    "cerebellar white matter": ((7, 46), "white"),
    "cerebellar cortex": ((8, 47), "grey"),
    "thalamus": ((10, 49), "deep"),
    "caudate": ((11, 50), "grey"),
    "putamen": ((12, 51), "grey"),
    "pallidum": ((13, 52), "deep"),
    "third ventricle": ((14, 72), "fluid"),
    "fourth ventricle": ((15,), "fluid"),
    "brain stem": ((16,), "white"),
    "hippocampus": ((17, 53), "grey"),
    "amygdala": ((18, 54), "grey"),
    "cerebrospinal fluid": ((24,), "fluid"),
    "accumbens": ((26, 58), "grey"),
    "ventral diencephalon": ((28, 60), "white"),
    "dura and sinuses": ((514,), "dura"),
    "bone": ((515, 516), "bone"),
    "eye": ((506,), "fluid"),
    "soft tissue": ((507, 508, 511), "soft"),
}
#: Painted, but within a structure or too small to score: id -> (structure or "", tissue).
_PARTS: dict[int, tuple[str, str]] = {
    25: ("cerebral white matter", "lesion"),
    57: ("cerebral white matter", "lesion"),
    30: ("", "vessel"),
    62: ("", "vessel"),
    85: ("", "white"),
    136: ("lateral ventricle", "vessel"),
    163: ("lateral ventricle", "vessel"),
    137: ("lateral ventricle", "vessel"),
    164: ("lateral ventricle", "vessel"),
    502: ("", "vessel"),
    509: ("", "mucosa"),
    512: ("", "white"),
    530: ("", "white"),
}
#: Tissue of single ids where it differs from their structure's.
_TISSUE = {516: "marrow", 511: "skin"}
_TWIN = {41: 2, 42: 3, 43: 4, 44: 5, 46: 7, 47: 8, 49: 10, 50: 11, 51: 12, 52: 13, 53: 17}
_TWIN |= {54: 18, 57: 25, 58: 26, 60: 28, 62: 30, 163: 136, 164: 137}
OUTSIDE_FROM = 500
FLUID_AROUND = 24


@dataclass(frozen=True, eq=False)
class LabelTable:
    """What the dense numbers of a label map mean; number 0 is always the background.

    Parameters
    ----------
    ids : tuple of int
        Original id of each number; ``ids[0] == 0``.
    structure : ndarray (256,) int16
        Number of the loss's structure, from 1; 0: none.
    tissue, twin : ndarray (len(ids),) int64
        Groups of like brightness, and of left and right.
    outside : ndarray (len(ids),) int64
        2: tissue outside the brain; 1: the fluid around it, which a brain mask may drop; 0: brain.
    structure_ids : tuple of int
        The id that stands for each structure of the loss.
    """

    ids: tuple[int, ...]
    structure: NDArray[np.int16]
    tissue: NDArray[np.int64]
    twin: NDArray[np.int64]
    outside: NDArray[np.int64]
    structure_ids: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers there are, background included."""
        return len(self.ids)


def anatomy_table(ids: Iterable[int]) -> LabelTable:
    """The table of FreeSurfer maps that hold `ids`; unknown ids are painted, but not scored."""
    dense = (0, *sorted({int(i) for i in ids} - {0}))
    names = list(BRAIN)
    home = {i: (name, tissue) for name, (members, tissue) in BRAIN.items() for i in members}
    home |= _PARTS
    structure = np.zeros(256, np.int16)
    tissues: list[str] = []
    for number, i in enumerate(dense):
        name, tissue = home.get(i, ("", f"id {i}"))
        structure[number] = names.index(name) + 1 if name else 0
        tissues.append(_TISSUE.get(i, tissue) if i else "background")
    kinds = sorted(set(tissues))
    twins = [_TWIN.get(i, i) for i in dense]
    return LabelTable(
        dense,
        structure,
        np.array([kinds.index(t) for t in tissues]),
        np.array(twins),
        np.array([2 if i >= OUTSIDE_FROM else int(i == FLUID_AROUND) for i in dense]),
        tuple(members[0] for members, _ in BRAIN.values()),
    )


def shapes_table(count: int) -> LabelTable:
    """The table of a map of noise shapes, numbers 1 to `count`: each is a structure of its own."""
    numbers = np.arange(count + 1)
    structure = np.zeros(256, np.int16)
    structure[: count + 1] = numbers
    return LabelTable(
        tuple(range(count + 1)),
        structure,
        numbers,
        numbers,
        np.zeros(count + 1, np.int64),
        tuple(range(1, count + 1)),
    )
