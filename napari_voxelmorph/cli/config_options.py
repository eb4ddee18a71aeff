"""Every field of a config class as an option, built from its metadata."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from napari_voxelmorph.engine.config import DEFAULT, PRESETS, RegistrationConfig

Config = TypeVar("Config", bound=Any)


def preset_names() -> dict[str, str]:
    """Names to type -> names in the window: "same-contrast" -> "Same contrast"."""
    return {name.lower().replace(",", "").replace(" ", "-"): name for name in PRESETS}


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset`` and one option per parameter, the advanced ones in a group of their own."""
    method = parser.add_argument_group("method")
    rest = parser.add_argument_group("method, more settings")
    lines = (f"{typed}: {PRESETS[name][1]}" for typed, name in preset_names().items())
    method.add_argument(
        "--preset",
        choices=list(preset_names()),
        metavar="NAME",
        help="A set of settings to begin with; single options below override it. "
        + " ".join(lines),
    )
    add_fields(method, rest, DEFAULT)


def config_from(arguments: argparse.Namespace) -> RegistrationConfig:
    """The preset with the options that were given on top.

    Raises
    ------
    InputError
        When a value is out of bounds.
    """
    config = DEFAULT if arguments.preset is None else PRESETS[preset_names()[arguments.preset]][0]
    return with_given(config, arguments)


def add_fields(group: Any, advanced: Any, config: Any) -> None:
    """One option per field of a config; those marked as advanced go into a group of their own.

    Parameters
    ----------
    group, advanced : argparse groups
    config : dataclass
        Its values are shown as defaults.
    """
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        flag = "--" + field.name.replace("_", "-")
        default = getattr(config, field.name)
        shown = "" if default == "" else f" (default: {_shown(default)})"
        text = f"{field.metadata['help']}{shown}".replace("%", "%%")
        (advanced if field.metadata.get("advanced") else group).add_argument(
            flag, dest=field.name, default=None, help=text, **_kind(hints[field.name])
        )


def with_given(config: Config, arguments: argparse.Namespace) -> Config:
    """The config with the options that were given; `InputError` when a value is out of bounds."""
    names = (field.name for field in dataclasses.fields(config))
    given = {name: getattr(arguments, name) for name in names}
    return dataclasses.replace(config, **{k: v for k, v in given.items() if v is not None})


def _kind(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"choices": list(get_args(hint))}
    if get_origin(hint) is tuple:
        return {"type": _whole_numbers, "metavar": "N,N,..."}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    metavar = {int: "N", float: "X"}.get(hint, "NAME")
    return {"type": hint, "metavar": metavar}


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers such as 100,60,20, got {text!r}"
        ) from None


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
