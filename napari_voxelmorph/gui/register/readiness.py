"""What the Register button says: the next thing that is missing, or that all is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Readiness:
    """Text of the button, and whether it can be pressed."""

    text: str
    enabled: bool


REGISTER = Readiness("Register", True)
CANCEL = Readiness("Cancel", True)
CANCELLING = Readiness("Cancelling…", False)


def readiness(moving: Any, fixed: Any, problem: str = "") -> Readiness:
    """Judge two layers (or None) and what a closer look found wrong with them.

    Parameters
    ----------
    moving, fixed : napari layer or None
    problem : str
        Non-empty when the inputs or settings cannot be used; it is shown above the button.
    """
    if moving is None and fixed is None:
        return Readiness("Choose two images", False)
    if moving is None:
        return Readiness("Choose a moving image", False)
    if fixed is None:
        return Readiness("Choose a fixed image", False)
    if moving is fixed:
        return Readiness("Choose two different images", False)
    for layer in (moving, fixed):
        if getattr(layer, "rgb", False):
            return Readiness(f"“{_short(layer.name)}” is a colour image: choose a grey one", False)
        if layer.ndim not in (2, 3):
            return Readiness(f"“{_short(layer.name)}” is {layer.ndim}-D: choose 2-D or 3-D", False)
    if moving.ndim != fixed.ndim:
        return Readiness(f"Moving is {moving.ndim}-D, fixed is {fixed.ndim}-D", False)
    if problem:
        return Readiness("Mend the inputs first (see above)", False)
    return REGISTER


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
