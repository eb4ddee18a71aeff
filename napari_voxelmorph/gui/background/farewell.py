"""What is to be done when Qt destroys a widget, kept where Python's garbage collector leaves it.

A function connected to `destroyed` that knows its widget is part of the widget's own circle of
references.  When the collector finds the circle first, it takes the function apart and then the
widget; Qt says good-bye, and calls what is left of the function: the process crashes.  Held
here, the function and its widget live until Qt has destroyed the widget.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject

_waiting: dict[int, Callable[[], None]] = {}
_numbers = itertools.count()


def when_destroyed(widget: QObject, leave: Callable[[], None]) -> None:
    """Call `leave` once, when Qt destroys `widget`."""
    number = next(_numbers)
    _waiting[number] = leave
    widget.destroyed.connect(partial(_say_goodbye, number))


def _say_goodbye(number: int, *_: Any) -> None:
    leave = _waiting.pop(number, None)
    if leave is not None:
        leave()
