"""``napari-voxelmorph preferences``: show and set what the window and all commands follow."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_voxelmorph.cli.config_options import add_fields, with_given
from napari_voxelmorph.engine import preferences as kept
from napari_voxelmorph.engine.preferences import SECTIONS, Preferences

_TEXT = """\
What is set once, for the window and for all commands: device, memory, threads, display, folders.

Without options it shows them. Options of a single run (--device, --threads) and environment
variables go first.
"""
_EXAMPLES = """\
examples:
  napari-voxelmorph preferences
  napari-voxelmorph preferences --memory-gb 8 --threads 4
  napari-voxelmorph preferences --models-folder ~/models
  napari-voxelmorph preferences --reset
"""


def add_command(make: Callable[[str, str, str, str], argparse.ArgumentParser]) -> None:
    """Add the command; `make(name, summary, text, more)` gives its parser."""
    parser = make("preferences", "show and set preferences", _TEXT, _EXAMPLES)
    group = parser.add_argument_group("preferences")
    add_fields(group, group, Preferences())
    parser.add_argument(
        "--reset", action="store_true", help="back to the defaults, before the rest"
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--debug", action="store_true", help="on an error, print the traceback")
    parser.set_defaults(command=preferences)


def preferences(arguments: argparse.Namespace) -> None:
    """Run the command."""
    before = kept.current()
    for name in SECTIONS["folders"][1]:
        given = getattr(arguments, name)
        if given:  # it means the same from wherever the next command is run
            setattr(arguments, name, str(Path(given).expanduser().absolute()))
    wanted = with_given(Preferences() if arguments.reset else before, arguments)
    if wanted != before or arguments.reset:
        kept.save(wanted)
    if arguments.json:
        about = {"file": str(kept.place()), "overridden": kept.overridden()}
        print(json.dumps({"preferences": dataclasses.asdict(wanted), **about}, indent=2))
    else:
        print(as_text(wanted))


def as_text(wanted: Preferences) -> str:
    """All preferences, one a line, by section."""
    known = {f.name: f for f in dataclasses.fields(wanted)}
    overridden = kept.overridden()
    lines = []
    for title, names in SECTIONS.values():
        lines.append(title)
        for name in names:
            label = known[name].metadata["label"]
            lines.append(f"  {label:<22}{_shown(known[name], getattr(wanted, name))}")
            if name in overridden:
                lines.append(f"  {'':<22}but {overridden[name]} is set, and goes first")
    return "\n".join([*lines, f"Kept in {kept.place()}"])


def _shown(field: dataclasses.Field[Any], value: Any) -> str:
    if not value:
        return str(field.metadata["zero"])
    return f"{value:g}" if isinstance(value, float) else str(value)
