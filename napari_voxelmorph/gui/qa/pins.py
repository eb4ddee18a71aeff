"""Pinned results, and what the table compares: the shown result with A, or B with A."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.engine.review.rows import Row
from napari_voxelmorph.gui.qa.qa_jobs import overlap
from napari_voxelmorph.gui.views.shown_pair import same_images, same_pair

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.gui.qa.judging import Judging
    from napari_voxelmorph.gui.register.jobs import Pair

_NAMES = ("A", "B")


@dataclass(frozen=True, eq=False)
class Pinned:
    """A result to compare with.

    Parameters
    ----------
    words : str
        What it is, such as “λ 0.2”; may be empty.
    dice : dict
        Of its structures; empty while it is being measured.
    tuned : bool
        Whether it was pinned on the λ strip, and goes when the pins there go.
    """

    result: Registration
    words: str
    dice: dict[int, float]
    tuned: bool


@dataclass(frozen=True)
class Comparison:
    """Differences of Dice, structure by structure.

    Parameters
    ----------
    base : dict
        Dice of what is compared with.
    other : dict or None
        Dice of the other pin; None: of what is shown.
    title, words, help : str
        For the head of the column (two lines), the line above the table, and a tooltip.
    """

    base: dict[int, float]
    other: dict[int, float] | None
    title: str
    words: str
    help: str

    def delta(self, row: Row) -> float:
        """Above 0: better than the base; NaN where one of the two is unknown."""
        now = row.value("dice") if self.other is None else self.other.get(row.id, math.nan)
        return now - self.base.get(row.id, math.nan)

    def mean(self, rows: Sequence[Row]) -> float:
        """Mean over the structures that both have; NaN when there is none."""
        known = [d for d in map(self.delta, rows) if math.isfinite(d)]
        return sum(known) / len(known) if known else math.nan


class Pins(QObject):
    """Up to two pinned results of the pair that is judged.  Main thread only."""

    changed = Signal()

    def __init__(self, judging: Judging, parent: QObject) -> None:
        super().__init__(parent)
        self._judging = judging
        self._pins: dict[str, Pinned] = {}
        #: Whose Dice the pins have.
        self._pair: Pair | None = None
        judging.changed.connect(self._follow)

    def _follow(self) -> None:
        """Pins of another pair say nothing of this one; on other segmentations they are others."""
        outcome, before = self._judging.outcome, self._pair
        if not self._pins or before is None or outcome is None or same_pair(outcome.pair, before):
            return
        if same_images(outcome.pair, before) and outcome.pair.moving_labels is not None:
            self.measure_again()
        else:
            self.clear()

    def __bool__(self) -> bool:
        return bool(self._pins)

    @property
    def comparison(self) -> Comparison | None:
        """What the table compares; None without a pin whose Dice is known."""
        known = {name: self._pins[name] for name in _NAMES if self._dice(name)}
        if len(known) == 2:
            a, b = known["A"], known["B"]
            help = (
                f"Dice of {_called('B', b)} minus that of {_called('A', a)}: above 0 B is better."
            )
            return Comparison(a.dice, b.dice, "Dice\nB − A", "of B against A", help)
        for name, pin in known.items():
            called = _called(name, pin)
            help = f"Dice of the result shown minus that of {called}: above 0 better."
            return Comparison(pin.dice, None, f"Δ Dice\nto {name}", f"against {called}", help)
        return None

    def _dice(self, name: str) -> dict[int, float]:
        return self._pins[name].dice if name in self._pins else {}

    def pin_shown(self) -> None:
        """Hold the result that is shown as A, as it is in the table."""
        outcome = self._judging.outcome
        if outcome is not None:
            dice = {row.id: row.value("dice") for row in self._judging.rows}
            self._pair = outcome.pair
            self._put("A", Pinned(outcome.registration, "", dice, tuned=False))
            self.changed.emit()

    def pin_tuned(self, name: str, words: str, result: Registration) -> None:
        """Hold what was pinned on the λ strip under a name; its Dice follows."""
        if name in _NAMES and self._judging.outcome is not None:
            self._put(name, Pinned(result, words, {}, tuned=True))
            self._measure(name)

    def _put(self, name: str, pin: Pinned) -> None:
        # A of one kind and B of the other may be of different runs.
        self._pins = {n: p for n, p in self._pins.items() if p.tuned == pin.tuned} | {name: pin}

    def _measure(self, name: str) -> None:
        judging, pin = self._judging, self._pins[name]
        outcome, nearest = judging.outcome, judging.nearest
        if outcome is None:
            return
        pair = self._pair = outcome.pair

        def done(dice: dict[int, float]) -> None:
            if self._pins.get(name) is pin:
                self._pins[name] = replace(pin, dice=dice)
                self.changed.emit()

        judging.engine.submit(
            lambda: overlap(pin.result, pair, nearest), lane=f"qa pin {name}", gives_way=1,
            on_done=done, on_error=judging.failed.emit,
        )  # fmt: skip

    def measure_again(self) -> None:
        """Labels are carried in another way now: so are those of the pins."""
        for name in tuple(self._pins):
            self._measure(name)

    def clear(self) -> None:
        """Compare no more."""
        if self._pins:
            self._pins = {}
            self.changed.emit()

    def forget_tuned(self) -> None:
        """The pins of the λ strip are gone."""
        if any(pin.tuned for pin in self._pins.values()):
            self.clear()


def _called(name: str, pin: Pinned) -> str:
    return f"{name} ({pin.words})" if pin.words else name
