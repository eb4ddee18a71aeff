"""What the window remembers between sessions: which sections are open, the last preset."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSettings


def _settings() -> QSettings:
    return QSettings("napari-voxelmorph", "napari-voxelmorph")


def remember(key: str, value: Any) -> None:
    """Keep a text, number or truth value under a name."""
    settings = _settings()
    if str(settings.value(key)) != str(value):  # writing waits for the disk
        settings.setValue(key, value)


def recall_text(key: str, default: str = "") -> str:
    """Return what was remembered as text."""
    return str(_settings().value(key, default))


def recall_truth(key: str, default: bool) -> bool:
    """Return what was remembered as a truth value (settings files keep them as text)."""
    return str(_settings().value(key, default)).lower() in ("true", "1")
