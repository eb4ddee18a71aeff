"""The results of a window, so that one can go back: to the one before, or to none."""

from __future__ import annotations

from napari_voxelmorph.gui.register.jobs import Outcome

#: Each result keeps its field in memory.
_MOST = 6


class History:
    """Results in the order in which they came; position 0 is “before any result”."""

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []
        self._position = 0

    def add(self, outcome: Outcome) -> None:
        """Append a result after the present one; what was undone is forgotten."""
        self._outcomes = [*self._outcomes[: self._position], outcome][-_MOST:]
        self._position = len(self._outcomes)

    def replace(self, outcome: Outcome) -> bool:
        """Put a new judgement of the present result in its place; False if it is another."""
        present = self.present
        if present is None or present.registration is not outcome.registration:
            return False
        self._outcomes[self._position - 1] = outcome
        return True

    def add_tuned(self, outcome: Outcome) -> None:
        """Append a result with another λ; one that was tuned from the same makes room for it."""
        now = None if self.present is None else self.present.tuned_from
        new = outcome.tuned_from
        if now is not None and new is not None and now.registration is new.registration:
            self._position -= 1
        self.add(outcome)

    @property
    def present(self) -> Outcome | None:
        """The result that is shown, or None."""
        return self._outcomes[self._position - 1] if self._position else None

    def can_undo(self) -> bool:
        """Whether there is something to go back from."""
        return self._position > 0

    def can_redo(self) -> bool:
        """Whether something was undone."""
        return self._position < len(self._outcomes)

    def undo(self) -> Outcome | None:
        """Go back one; return what is shown now."""
        self._position = max(0, self._position - 1)
        return self.present

    def redo(self) -> Outcome | None:
        """Go forward one; return what is shown now."""
        self._position = min(len(self._outcomes), self._position + 1)
        return self.present
