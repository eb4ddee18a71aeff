"""The steps of a run as they are told to whoever watches: place, time left, state so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial as bind
from typing import Any

from napari_voxelmorph.engine.result import Registration


@dataclass(frozen=True)
class Step:
    """One iteration of a run, told to whoever watches.

    Parameters
    ----------
    phase : str
        What is being done, in plain words.
    fraction : float
        How much of the whole run is done, 0 to 1.
    seconds_left : float or None
        Estimate; None while nothing is known.
    level, iteration : where the optimiser stands.
    similarity : float or None
        Larger is better; comparable within one phase only.
    partial : callable
        Returns the state so far as a `Registration` without metrics; cheap.
    """

    phase: str
    fraction: float
    seconds_left: float | None
    level: str
    iteration: int
    similarity: float | None
    partial: Callable[[], Registration]


@contextmanager
def timed(timings: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - began


class Clock:
    """Seconds left, from the fraction done so far."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    def left(self, fraction: float) -> float | None:
        spent = time.perf_counter() - self.began
        return None if fraction < 0.02 or spent < 0.5 else spent * (1 - fraction) / fraction


def relay(
    stage: Generator[Any, None, Any],
    clock: Clock,
    phase: str,
    span: tuple[float, float],
    snapshot: Callable[[Any], Registration],
) -> Generator[Step, None, Any]:
    """Pass a stage's own steps on as `Step`s; return what the stage returns."""
    low, high = span
    count = 0
    try:
        while True:
            try:
                inner = next(stage)
            except StopIteration as finished:
                return finished.value
            count += 1
            fraction = low + (high - low) * inner.fraction
            yield Step(
                phase=f"{phase} ({inner.level})",
                fraction=fraction,
                seconds_left=clock.left(fraction),
                level=str(inner.level),
                iteration=count,
                similarity=inner.similarity,
                partial=bind(snapshot, inner),
            )
    finally:
        stage.close()
