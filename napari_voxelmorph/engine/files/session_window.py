"""What the window showed of a session: plain numbers and names, checked before anyone uses them.

The block is an extra: a session without it, or with one that cannot be read, still opens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_voxelmorph.engine.errors import FileFormatError

#: Raised when an older version would misread the block; what is added in between is ignored.
VERSION = 1
# What a field of the window can hold must fit: else a long note would cost the whole block.
_MOST, _TEXT, _NOTE = 64, 200, 100_000
_MOST_VERDICTS = 10_000
_FAR = 1e7


@dataclass(frozen=True)
class Look:
    """How an image layer is drawn; `colormap` by its name."""

    opacity: float
    low: float
    high: float
    gamma: float
    colormap: str


@dataclass(frozen=True)
class Tuned:
    """The λ strip: who computes, where λ stands, and what is pinned (name -> λ)."""

    source: str
    name: str
    value: float
    pins: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """A verdict or note; `structure` is None for the case as a whole."""

    answer: str | None
    note: str
    structure: int | None
    time: str


@dataclass(frozen=True)
class Reviewed:
    """What one reader said of the case."""

    reader: str
    verdicts: tuple[Said, ...] = ()


@dataclass(frozen=True)
class WindowState:
    """What the window shows of a pair.

    Parameters
    ----------
    mode : str
    overlays : tuple of str
    settings : mapping
        Of the modes and overlays, by name; lengths in mm.
    order : tuple of int
        Of the image's own axes on the screen, the last two are displayed.
    point : tuple of float
        Where the slices stand, canvas mm, one per axis.
    ndisplay : 2 or 3
    convention : "radiological" or "neurological"
    center, angles : three floats
    zoom : float
        Pixels per mm on a canvas of `canvas` pixels.
    canvas : (height, width)
    looks : mapping
        Role -> `Look`.
    """

    mode: str
    overlays: tuple[str, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    point: tuple[float, ...] = ()
    ndisplay: int = 2
    convention: str = "radiological"
    center: tuple[float, ...] = (0.0, 0.0, 0.0)
    angles: tuple[float, ...] = (0.0, 0.0, 90.0)
    zoom: float = 1.0
    canvas: tuple[int, ...] = (0, 0)
    looks: Mapping[str, Look] = field(default_factory=dict)
    tuned: Tuned | None = None
    reviewed: Reviewed | None = None


def window_to(state: WindowState) -> dict[str, Any]:
    """The block as it is written."""
    return {"version": VERSION, **dataclasses.asdict(state)}


def window_from(found: Any, ndim: int) -> WindowState:
    """The block that `window_to` wrote, for images of `ndim` axes.

    Raises
    ------
    FileFormatError
        Half a sentence: what is wrong with it.
    """
    block = _mapping(found, "the block")
    version = block.get("version")
    if type(version) is not int or version < 1:
        raise FileFormatError("it does not give its version")
    if version > VERSION:
        raise FileFormatError(
            f"it was written by a newer napari-voxelmorph (version {version} of the block, this one "
            f"reads up to {VERSION})"
        )
    order = tuple(_whole(n, 0, ndim - 1, "order") for n in _list(block, "order"))
    if sorted(order) != list(range(ndim)):
        raise FileFormatError(f"“order” is {list(order)}, which is no order of {ndim} axes")
    return WindowState(
        mode=_text(block.get("mode"), "mode"),
        overlays=tuple(_text(name, "overlays") for name in _list(block, "overlays")),
        settings={
            _text(name, "settings"): _number(value, -_FAR, _FAR, f"settings, {name}")
            for name, value in _mapping(block.get("settings"), "settings").items()
        },
        order=order,
        point=_numbers(block, "point", ndim),
        ndisplay=_whole(block.get("ndisplay"), 2, 3, "ndisplay"),
        convention=_text(block.get("convention"), "convention"),
        center=_numbers(block, "center", 3),
        angles=_numbers(block, "angles", 3),
        zoom=_number(block.get("zoom"), 1e-12, 1e12, "zoom"),
        canvas=tuple(_whole(n, 0, 100_000, "canvas") for n in _list(block, "canvas"))[:2],
        looks={
            _text(role, "looks"): _look(look)
            for role, look in _mapping(block.get("looks"), "looks").items()
        },
        tuned=_tuned(block.get("tuned")),
        reviewed=_reviewed(block.get("reviewed")),
    )


def _look(found: Any) -> Look:
    look = _mapping(found, "looks")
    low, high = (_number(look.get(end), -1e300, 1e300, f"looks, {end}") for end in ("low", "high"))
    if not low < high:
        raise FileFormatError(f"“looks” has the contrast limits {low:g} to {high:g}")
    return Look(
        _number(look.get("opacity"), 0, 1, "looks, opacity"), low, high,
        _number(look.get("gamma"), 0.01, 100, "looks, gamma"),
        _text(look.get("colormap"), "looks, colormap"),
    )  # fmt: skip


def _tuned(found: Any) -> Tuned | None:
    if found is None:
        return None
    tuned = _mapping(found, "tuned")
    pins = _mapping(tuned.get("pins"), "pins")
    return Tuned(
        _text(tuned.get("source"), "tuned, source"), _text(tuned.get("name"), "tuned, name"),
        _number(tuned.get("value"), -_FAR, _FAR, "tuned, value"),
        {_text(name, "pins"): _number(pin, -_FAR, _FAR, "pins") for name, pin in pins.items()},
    )  # fmt: skip


def _reviewed(found: Any) -> Reviewed | None:
    if found is None:
        return None
    reviewed = _mapping(found, "reviewed")
    said = _list(reviewed, "verdicts", _MOST_VERDICTS)
    return Reviewed(
        _text(reviewed.get("reader"), "reader", _NOTE), tuple(_said(one) for one in said)
    )


def _said(found: Any) -> Said:
    one = _mapping(found, "verdicts")
    answer, structure = one.get("answer"), one.get("structure")
    if answer not in (None, "accept", "review", "reject"):
        raise FileFormatError(f"“verdicts” has the answer {str(answer)[:40]!r}")
    if structure is not None and type(structure) is not int:
        raise FileFormatError("“verdicts” names a structure that is no number")
    return Said(answer, _text(one.get("note"), "note", _NOTE), structure,
                _text(one.get("time"), "time"))  # fmt: skip


def _mapping(found: Any, what: str) -> dict[str, Any]:
    if not isinstance(found, dict) or len(found) > _MOST:
        raise FileFormatError(f"“{what}” is not a list of names and values")
    return found


def _list(block: Mapping[str, Any], key: str, most: int = _MOST) -> list[Any]:
    found = block.get(key)
    if not isinstance(found, list) or len(found) > most:
        raise FileFormatError(f"“{key}” is not a list of at most {most}")
    return found


def _numbers(block: Mapping[str, Any], key: str, count: int) -> tuple[float, ...]:
    found = _list(block, key)
    if len(found) != count:
        raise FileFormatError(f"“{key}” has {len(found)} numbers instead of {count}")
    return tuple(_number(n, -_FAR, _FAR, key) for n in found)


def _number(found: Any, low: float, high: float, what: str) -> float:
    if not isinstance(found, int | float) or not low <= found <= high:
        raise FileFormatError(f"“{what}” is {str(found)[:40]!r}, a number is expected")
    return float(found)


def _whole(found: Any, low: int, high: int, what: str) -> int:
    if type(found) is not int or not low <= found <= high:
        raise FileFormatError(f"“{what}” is {str(found)[:40]!r}, a whole number is expected")
    return found


def _text(found: Any, what: str, most: int = _TEXT) -> str:
    if not isinstance(found, str) or len(found) > most:
        raise FileFormatError(f"“{what}” is not a text of at most {most} letters")
    return found
