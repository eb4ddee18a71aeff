"""The fields of a pair over λ: ends and middle first, then wherever the preview is worst."""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from napari_voxelmorph.engine.device import free_memory
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.bends import Bends
from napari_voxelmorph.engine.lambda_sweep.knots import Knot, Knots, PreviewGrid
from napari_voxelmorph.engine.lambda_sweep.scores import Ruler
from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource, SweepStep
from napari_voxelmorph.engine.result import Registration

#: As many knots as are made in any case, and at most.
LEAST, MOST = 13, 17
#: Between `LEAST` and `MOST`, knots are added until the preview is expected to be this good
#: (99th percentile, fixed voxels).
GOOD = 0.1
#: Share of the free memory that knots may take.
_SHARE = 0.25
#: Where the path of a source is looked at, and how near to each other knots may be on it.
_FINE, _NEAREST = 257, 1 / 64
#: No interval is halved that is narrower than this, in shares of the slider.
_NARROW = 1 / 20
#: These come before anything is measured: the slider works from then on.
_FIRST = 3
#: Every so many grid points are compared along each axis.
_SPARSE = 3

Sweep = Generator[SweepStep, None, Knots]


def affordable(nbytes: int, free: int) -> int:
    """How many knots of `nbytes` bytes the memory can hold, two at least."""
    return max(2, min(MOST, int(_SHARE * free / max(1, nbytes))))


def sweep(
    source: LambdaSource,
    base: Registration,
    labels: tuple[Volume, Volume] | None = None,
    free: int | None = None,
) -> Sweep:
    """Compute the knots of a pair; each step's `partial` gives those that are ready.

    Where the source knows beforehand how the field bends (`LambdaSource.path`), each knot after
    the first three lies where straight lines between the knots leave that path most (Douglas &
    Peucker, 1973).  Otherwise the first nine lie evenly on the slider, and each later one halves
    the interval in which the preview is expected to be worst: the error of linear interpolation,
    measured where a knot was put in, falls to a quarter when its interval is halved.

    Parameters
    ----------
    source : LambdaSource
    base : Registration
        The pair and its pre-alignment.
    labels : (moving, fixed), optional
        For the curves of overlap.
    free : int, optional
        Bytes; default: what the system has now.
    """
    state = _Sweep(source, base, labels, free)
    while True:
        position = state.next_position()
        if position is None:
            break
        value = _value(source, position)
        share = len(state.knots) / state.most
        steps = source.field(value)
        try:
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    field = end.value
                    break
                yield SweepStep(step.words, share, state.snapshot if state.knots else None)
        finally:
            steps.close()
        state.add(value, position, field)
        yield SweepStep(f"{len(state.knots)} of {state.most} knots", share, state.snapshot)
        while state.waiting and len(state.knots) >= min(_FIRST, state.most):
            state.measure_one()
            yield SweepStep(f"{len(state.knots)} of {state.most} knots", share, state.snapshot)
    return state.snapshot()


def _value(source: LambdaSource, position: float) -> float:
    if source.members:  # exactly, so that the source knows it
        return min(source.members, key=lambda m: abs(source.scale.position(m) - position))
    return source.scale.value(position)


class _Sweep:
    """The knots so far, and where the next one goes."""

    def __init__(
        self,
        source: LambdaSource,
        base: Registration,
        labels: tuple[Volume, Volume] | None,
        free: int | None,
    ) -> None:
        self._source, self._base, self._labels = source, base, labels
        self._free = free_memory(torch.device("cpu")) if free is None else free
        self._members = [source.scale.position(m) for m in source.members]
        self.knots: list[Knot] = []
        self.waiting: list[tuple[Knot, Field]] = []
        self.most = min(MOST, len(self._members) or MOST)
        self._grid: PreviewGrid | None = None
        self._ruler: Ruler | None = None
        self._note = ""
        #: Left end of an interval -> expected error of the preview within it.
        self._expected: dict[float, float] = {}
        self._bends: Bends | None = None

    def next_position(self) -> float | None:
        """Where the next knot goes; None when there are enough."""
        have = [k.position for k in self.knots]
        if len(have) >= self.most:
            return None
        if self._members:
            return self._next_member(have)
        if len(have) == _FIRST and self._bends is None:
            fine = np.linspace(0, 1, _FINE)
            path = self._source.path(fine)
            self._bends = None if path is None else Bends(fine, path)
        if self._bends is not None and len(have) >= _FIRST:
            return self._next_bend(have)
        for position in _evenly(9):
            if position not in have:
                return position
        if len(have) >= min(LEAST, self.most) and self.worst <= GOOD:
            return None
        ends = dict(pairwise(sorted(have)))
        wide = [p for p, q in ends.items() if q - p > _NARROW]
        left = max(wide, key=lambda p: self._expected[p], default=None)
        return None if left is None else (left + ends[left]) / 2

    def _next_bend(self, have: list[float]) -> float | None:
        """Where the path leaves the lines between knots most."""
        assert self._bends is not None
        if len(have) >= min(LEAST, self.most) and self.worst <= GOOD:
            return None
        return self._bends.worst_place(have, _NEAREST)

    def _next_member(self, have: list[float]) -> float | None:
        """Ends first, then always the one farthest from those that are ready."""
        rest = [m for m in self._members if m not in have]
        if not have:
            return rest[0]
        return max(rest, key=lambda m: min(abs(m - p) for p in have), default=None)

    @property
    def worst(self) -> float:
        """Expected error of the preview in its worst interval; NaN when nothing is known."""
        if self._bends is not None and self._bends.known:
            return self._bends.expected([k.position for k in self.knots])
        return max(self._expected.values(), default=float("nan"))

    def add(self, value: float, position: float, field: Field) -> None:
        """One more knot."""
        if self._grid is None:
            self._grid = PreviewGrid.of(field, self._base.fixed)
            self._afford(self._grid)
        knot = Knot(value, position, self._grid.displacement(field))
        self._compare(knot)
        self.knots = sorted([*self.knots, knot], key=lambda k: k.position)
        self.waiting.append((knot, field))

    def _afford(self, grid: PreviewGrid) -> None:
        held = affordable(grid.nbytes, self._free)
        if held < min(LEAST, self.most):
            self._note = (
                f"Memory holds {held} instead of {self.most} fields: between them the preview "
                "is coarser."
            )
            self.most = held

    def _compare(self, knot: Knot) -> None:
        """Learn from a new knot how well the preview did where it lies."""
        below = [k for k in self.knots if k.position < knot.position]
        above = [k for k in self.knots if k.position > knot.position]
        if not below or not above:
            return
        first, second = below[-1], above[0]
        weight = (knot.position - first.position) / (second.position - first.position)
        error = _difference(knot, first, second, weight)
        self._expected[first.position] = self._expected[knot.position] = error / 4
        if self._bends is not None:
            self._bends.learn([k.position for k in self.knots], knot.position, error)

    def measure_one(self) -> None:
        """Score the knot that has waited longest."""
        knot, field = self.waiting.pop(0)
        if self._ruler is None:
            self._ruler = Ruler(self._base, self._labels)
        done = self._ruler.measured(knot, field)
        self.knots = [done if k is knot else k for k in self.knots]

    def snapshot(self) -> Knots:
        """The knots so far."""
        assert self._grid is not None
        return Knots(self._grid, tuple(self.knots), self.worst, self._note)


def _evenly(n: int) -> list[float]:
    """Ends, middle, quarters, eighths …: `n` positions, 2 to a power and one more."""
    found, step = [0.0, 1.0], 1.0
    while len(found) < n:
        found += [step / 2 + i * step for i in range(round(1 / step))]
        step /= 2
    return found


def _difference(knot: Knot, first: Knot, second: Knot, weight: float) -> float:
    """99th percentile of the error, fixed voxels, of interpolating `knot` from its neighbours."""

    def thin(k: Knot) -> NDArray[np.float32]:
        return k.displacement[:, ::_SPARSE, ::_SPARSE, ::_SPARSE].astype(np.float32)

    between = (1 - weight) * thin(first) + weight * thin(second)
    error = np.sqrt(np.square(between - thin(knot)).sum(axis=0))
    return float(np.percentile(error, 99))
