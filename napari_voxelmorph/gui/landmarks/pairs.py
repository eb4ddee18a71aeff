"""Matching points of two scans, in the order in which they are clicked.  No Qt here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError

Point = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landmark:
    """A point of the fixed scan and, once it is placed, of the moving scan; world RAS mm."""

    name: str
    fixed: Point
    moving: Point | None = None


class Landmarks:
    """Pairs; the last one may still wait for its moving point."""

    def __init__(self) -> None:
        self.items: list[Landmark] = []

    @property
    def waiting(self) -> bool:
        """Whether the next point belongs to the moving scan."""
        return bool(self.items) and self.items[-1].moving is None

    def place(self, fixed: Point, moving: Point) -> None:
        """Add the next point of a pair.

        Parameters
        ----------
        fixed, moving : ndarray (D,)
            Where the click lies in each world; which one is taken depends on whose turn it is.
        """
        if self.waiting:
            self.items[-1] = replace(self.items[-1], moving=np.array(moving, float))
            return
        taken = {item.name for item in self.items}
        number = next(n for n in range(1, len(taken) + 2) if str(n) not in taken)
        self.items.append(Landmark(str(number), np.array(fixed, float)))

    def undo(self) -> None:
        """Take the last point back."""
        if self.waiting:
            self.items.pop()
        elif self.items:
            self.items[-1] = replace(self.items[-1], moving=None)

    def remove(self, numbers: list[int]) -> None:
        """Take whole pairs away, by their places in the list."""
        self.items = [item for n, item in enumerate(self.items) if n not in set(numbers)]

    def set(self, fixed: Point, moving: Point, names: list[str]) -> None:
        """Take pairs from lists (N, D) of both scans.

        Raises
        ------
        InputError
            When there are not as many of both.
        """
        if len(fixed) != len(moving):
            raise InputError(
                f"There are {len(fixed)} fixed and {len(moving)} moving landmarks. Landmarks are "
                "paired by their order: give the same number of both."
            )
        self.items = [Landmark(*parts) for parts in zip(names, fixed, moving, strict=True)]

    def complete(self) -> tuple[Point, Point, list[str]]:
        """Fixed points, moving points (N, D) and names of all whole pairs."""
        whole = [item for item in self.items if item.moving is not None]
        if not whole:
            return np.zeros((0, 3)), np.zeros((0, 3)), []
        fixed = np.stack([item.fixed for item in whole])
        moving = np.stack([item.moving for item in whole if item.moving is not None])
        return fixed, moving, [item.name for item in whole]
