"""Where λ lies on a slider: its range, and a scale that spreads what is useful."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from napari_voxelmorph.engine.errors import InputError


@dataclass(frozen=True)
class LambdaScale:
    """From a position s in [0, 1] (0 loose, 1 stiff) to λ, rising.

    Parameters
    ----------
    low, high : float
        What the source was made for.
    kind : "odds" or "log"
        odds: ``λ = low + (high - low) · s / (s + balance · (1 - s))``; log: equal factors in
        equal steps.
    balance : float
        Of odds: 1 is linear, less gives more of the slider to stiff fields.
    name : str
        What λ is called there.
    """

    low: float = 0.0
    high: float = 1.0
    kind: Literal["odds", "log"] = "odds"
    balance: float = 1.0
    name: str = "λ"

    def __post_init__(self) -> None:
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not finite or self.high <= self.low or self.balance <= 0:
            raise InputError(
                f"The range of {self.name} must go from a smaller to a larger number; got "
                f"{self.low:g} to {self.high:g}."
            )
        if self.kind == "log" and self.low <= 0:
            raise InputError(f"A logarithmic scale must begin above 0; got {self.low:g}.")

    def value(self, position: float) -> float:
        """λ at a position; positions beyond the ends count as the ends."""
        s = min(max(float(position), 0.0), 1.0)
        if self.kind == "log":
            return float(self.low * (self.high / self.low) ** s)
        return float(self.low + (self.high - self.low) * s / (s + self.balance * (1 - s)))

    def position(self, value: float) -> float:
        """Where λ lies; values outside the range lie at its ends."""
        value = min(max(float(value), self.low), self.high)
        if self.kind == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        share = (value - self.low) / (self.high - self.low)
        return self.balance * share / (1 - share + self.balance * share)

    def checked(self, value: float) -> float:
        """λ itself.

        Raises
        ------
        InputError
            When it is not a number, or outside the range, with the range.
        """
        if not math.isfinite(value):
            raise InputError(f"{self.name} must be a number from {self.low:g} to {self.high:g}.")
        room = 1e-9 * (self.high - self.low)
        if not self.low - room <= value <= self.high + room:
            raise InputError(
                f"{self.name} {value:g} lies outside the range that can be trusted here, "
                f"{self.low:g} to {self.high:g}. Choose a value within it."
            )
        return min(max(float(value), self.low), self.high)
