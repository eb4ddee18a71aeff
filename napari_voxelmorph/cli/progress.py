"""A progress line on stderr: phase, bar, time left."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from napari_voxelmorph.cli.exits import stop_if_told

_WIDTH = 24


class Step(Protocol):
    """What a step must tell: the phase in words, the share of the whole, and the time left."""

    @property
    def phase(self) -> str: ...

    @property
    def fraction(self) -> float: ...

    @property
    def seconds_left(self) -> float | None: ...


class Progress:
    """Shows steps: one line that is rewritten on a terminal, a line per phase elsewhere.

    Use as a context manager, so that the line is finished whatever happens.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._phase = ""
        self._shown = 0.0
        self._length = 0

    @property
    def live(self) -> bool:
        """Whether one line is rewritten."""
        return self._live

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.note("")

    def __call__(self, step: Step) -> None:
        """Show one step; at most ten times a second.  The place to stop when told to."""
        stop_if_told()
        if self._quiet:
            return
        now = time.monotonic()
        if self._live and (now - self._shown > 0.1 or step.phase != self._phase):
            self._shown = now
            self._rewrite(line(step))
        elif not self._live and step.phase != self._phase:
            print(f"{100 * step.fraction:3.0f} %  {step.phase}", file=self._stream, flush=True)
        self._phase = step.phase

    def note(self, words: str) -> None:
        """Replace the line by a plain message (empty: just clear the line)."""
        if self._quiet:
            return
        if self._live and self._length:
            self._rewrite("")
        if words:
            print(words, file=self._stream, flush=True)

    def _rewrite(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._length) + ("\r" if not text else ""))
        self._stream.flush()
        self._length = len(text)


def line(step: Step) -> str:
    """The text of one step."""
    full = round(_WIDTH * min(max(step.fraction, 0), 1))
    bar = "█" * full + "░" * (_WIDTH - full)
    left = "" if step.seconds_left is None else f"  {duration(step.seconds_left)} left"
    return f"{bar} {100 * step.fraction:3.0f} %{left}  {step.phase}"


def duration(seconds: float) -> str:
    """``12 s``, ``3 min 20 s``, ``1 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
