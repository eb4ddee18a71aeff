"""What a preparation tells whoever watches."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class PreparationStep:
    """One scan is about to be done.

    Parameters
    ----------
    phase : str
        In plain words: "Reading the scans", "Aligning", "Preparing".
    done, total : int
        Scans of this phase.
    subject : str
        The scan at hand.
    seconds_left : float or None
        Of this phase.
    """

    phase: str
    done: int
    total: int
    subject: str
    seconds_left: float | None

    @property
    def fraction(self) -> float:
        """How much of this phase is done, 0 to 1."""
        return self.done / max(self.total, 1)


class Clock:
    """Makes the steps of one phase."""

    def __init__(self, phase: str, total: int) -> None:
        self.phase, self.total = phase, total
        self._began = time.perf_counter()

    def step(self, done: int, subject: str) -> PreparationStep:
        """The step before scan number `done` (from 0)."""
        spent = time.perf_counter() - self._began
        left = spent * (self.total - done) / done if done and spent > 0.5 else None
        return PreparationStep(self.phase, done, self.total, subject, left)


def in_turn(count: int) -> Iterator[int]:
    """0 to `count` - 1, each process of a torchrun beginning at another place.

    All need everything, and what one has finished the others find on the disk: so they share
    the work without a word.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    first = rank * count // max(size, 1)
    yield from range(first, count)
    yield from range(first)
