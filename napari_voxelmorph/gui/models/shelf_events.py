"""Tells every dock of this program that the shelf of models has changed."""

from __future__ import annotations

from psygnal import Signal, SignalGroup


class ShelfEvents(SignalGroup):
    """Emit on the main thread only."""

    changed = Signal(str)  # name of the model that is new, or ""


shelf_events = ShelfEvents()
