"""How a judged result came about, as a short table for the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from html import escape
from typing import Any

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.evaluation.flags import Limits

_DIGEST = 12


def origin_rows(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What, and its value; only what is known (`about` may be of an older version, or empty)."""
    story, config = _part(about, "provenance"), _part(about, "config")
    rows = [
        ("Moving image", _image(_part(story, "moving"))),
        ("Fixed image", _image(_part(story, "fixed"))),
        ("Registered", _words(story.get("created"), story.get("device"), separator=" on ")),
        ("λ", _lambda(_part(story, "lambda"))),
        ("Settings", _settings(config)),
        ("Result", _numbers(_part(about, "metrics"))),
        ("Versions", ", ".join(f"{n} {v}" for n, v in _part(story, "versions").items() if v)),
        ("Flagged beyond", _limits(_part(about, "limits"))),
    ]
    return [(what, told) for what, told in rows if told]


def origin_table(about: Mapping[str, Any]) -> str:
    """`origin_rows` in HTML; empty when nothing is known."""
    lines = [
        f"<tr><td class='faint'>{escape(what)}</td><td>{escape(told)}</td></tr>"
        for what, told in origin_rows(about)
    ]
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _words(*parts: Any, separator: str = ", ") -> str:
    return separator.join(str(part) for part in parts if part)


def _image(told: Mapping[str, Any]) -> str:
    shape, spacing = told.get("shape"), told.get("spacing_mm")
    grid = " x ".join(map(str, shape)) if isinstance(shape, list | tuple) else ""
    step = " x ".join(f"{s:g}" for s in spacing) if isinstance(spacing, list | tuple) else ""
    digest = str(told.get("sha256") or "")[:_DIGEST]
    return _words(
        told.get("path") or told.get("name"),
        f"{grid} voxels" if grid else "",
        f"{step} mm" if step else "",
        f"SHA-256 {digest}…" if digest else "",
    )


def _lambda(told: Mapping[str, Any]) -> str:
    value = told.get("value")
    if not isinstance(value, int | float):
        return ""
    return _words(f"{told.get('called', 'λ')} {value:.4g}", told.get("name"), told.get("chosen"))


def _settings(config: Mapping[str, Any]) -> str:
    """Parameters that are not as they are at first, by the names that the form gives them."""
    if not config:
        return ""
    told = []
    for item in dataclasses.fields(DEFAULT):
        usual, value = getattr(DEFAULT, item.name), config.get(item.name)
        value = tuple(value) if isinstance(value, list) else value
        if item.name in config and value != usual:
            told.append(f"{item.metadata.get('label', item.name)}: {_plain(value)}")
    return "; ".join(told) or "as they are at first"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _numbers(metrics: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4g}"
        for name, value in metrics.items()
        if isinstance(value, int | float)
    )


def _limits(told: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{item.metadata['label']} {told[item.name]:g}"
        for item in dataclasses.fields(Limits)
        if isinstance(told.get(item.name), int | float)
    )
