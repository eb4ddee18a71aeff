"""Painters that end when they should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.QtGui import QPainter


@contextmanager
def painter_on(device: Any, kind: type[QPainter] = QPainter) -> Iterator[Any]:
    """A painter for one paint event or picture.

    It ends even when drawing fails: one that outlives its paint event (an error's traceback
    holds it, or a profiler) takes the whole program down.
    """
    painter = kind(device)
    try:
        yield painter
    finally:
        painter.end()
