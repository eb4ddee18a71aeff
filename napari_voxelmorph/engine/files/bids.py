"""What the name of a file in a BIDS data set says: whose scan it is, and in which space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Entities that say whose scan it is.
VISIT = ("sub", "ses", "run")
#: These spaces are that of the scan itself.
_OWN_SPACES = ("", "orig", "individual", "native", "T1w", "anat")


@dataclass(frozen=True)
class BidsFile:
    """A file of the tree, its suffix ("T1w") and its entities ("sub" -> "01")."""

    path: Path
    suffix: str
    entities: dict[str, str]

    @property
    def visit(self) -> tuple[str, ...]:
        """Whose scan it is; "" for what the name does not say."""
        return tuple(self.entities.get(e, "") for e in VISIT)

    @property
    def space(self) -> str:
        """The space that it lies in; empty for the scan's own."""
        space = self.entities.get("space", "")
        return "" if space in _OWN_SPACES else space
