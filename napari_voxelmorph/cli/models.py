"""``napari-voxelmorph models``: what is on the shelf, and what comes and goes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.model_transfer import add, export
from napari_voxelmorph.engine.model_words import (
    hash_text,
    page,
    score_text,
    size_text,
    space_text,
)
from napari_voxelmorph.engine.shelf import Entry, entry_of, remove, rename, shelf, user_folder

_EMPTY = (
    "No model is on the shelf ({folder}). Train one, or import a model folder, a zip file of one, "
    "or a Keras file of the VoxelMorph papers: napari-voxelmorph models import FILE"
)


def models(arguments: argparse.Namespace) -> None:
    """Run the command."""
    actions = {
        "list": _list,
        "show": _show,
        "import": _import,
        "export": _export,
        "rename": _rename,
        "remove": _remove,
    }
    actions[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> None:
    entries = shelf()
    if arguments.json:
        print(json.dumps([described(e) for e in entries], indent=1, ensure_ascii=False))
    elif entries:
        print("\n".join(table(entries)))
    else:
        print(_EMPTY.format(folder=user_folder()))


def _show(arguments: argparse.Namespace) -> None:
    entry = entry_of(arguments.name)
    if arguments.json:
        print(json.dumps(described(entry, whole=True), indent=1, ensure_ascii=False))
        return
    print(entry.name)
    for heading, text in page(entry):
        first, *rest = text.splitlines()
        print(f"  {heading:<16}{first}")
        for line in rest:
            print(f"  {'':<16}{line}")


def _import(arguments: argparse.Namespace) -> None:
    if arguments.name is not None and len(arguments.sources) > 1:
        raise InputError(f"--name is for one model, and there are {len(arguments.sources)}.")
    found = [add(Path(source), arguments.name) for source in arguments.sources]
    if arguments.json:
        print(json.dumps([described(e) for e in found], indent=1, ensure_ascii=False))
        return
    for entry in found:
        print(
            f"“{entry.name}” is on the shelf: napari-voxelmorph register ... --model {_quoted(entry)}"
        )


def _export(arguments: argparse.Namespace) -> None:
    target = Path(arguments.out or f"{arguments.name}.zip")
    if target.exists() and target.suffix.lower() == ".zip" and not arguments.force:
        raise InputError(f"There is already a file “{target}”. Add --force to replace it.")
    _done(arguments, export(entry_of(arguments.name), target), "“{name}” is in {place}")


def _rename(arguments: argparse.Namespace) -> None:
    entry = rename(entry_of(arguments.name), arguments.new_name)
    _done(arguments, entry.folder, f"“{arguments.name}” is now called “{entry.name}”")


def _remove(arguments: argparse.Namespace) -> None:
    entry = entry_of(arguments.name)
    if not arguments.yes and not _agreed(entry):
        raise InputError(f"“{entry.name}” was not removed. Add --yes to remove without a question.")
    place = remove(entry)
    words = "“{name}” is in the trash; to have it back: napari-voxelmorph models import '{place}'"
    _done(arguments, place, words)


def _agreed(entry: Entry) -> bool:
    """Ask on a terminal; elsewhere there is nobody to ask."""
    if not sys.stdin.isatty():
        return False
    answer = input(f"Remove the model “{entry.name}” ({size_text(entry.nbytes)})? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def _done(arguments: argparse.Namespace, place: Path, words: str) -> None:
    if arguments.json:
        print(json.dumps({"name": arguments.name, "path": str(place)}, ensure_ascii=False))
    else:
        print(words.format(name=arguments.name, place=place))


def described(entry: Entry, whole: bool = False) -> dict[str, Any]:
    """A model as plain values; `whole`: with its architecture and training."""
    values: dict[str, Any] = {
        "name": entry.name,
        "folder": str(entry.folder),
        "bytes": entry.nbytes,
        "own": entry.own,
        "problem": entry.problem or None,
    }
    card = entry.card
    if card is None:
        return values
    values |= {
        "description": card.description,
        "domain": card.domain,
        "licence": card.licence,
        "ndim": card.architecture.ndim,
        "space": card.space.to_json(),
        "scores": _finite(card.scores),
        "created": card.created,
        "sha256": card.sha256,
    }
    if whole:
        values |= {"architecture": card.architecture.to_json(), "training": _finite(card.training)}
    return values


def _finite(value: Any) -> Any:
    """JSON of strangers may hold NaN, which no other parser reads."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def table(entries: Sequence[Entry]) -> list[str]:
    """A line per model under a head, in columns."""
    rows: list[tuple[str, ...]] = [
        ("NAME", "SPACE", "SCORE", "SIZE", "LICENCE", "HASH", "TRAINED ON")
    ]
    rows += [(e.name, *_cells(e.card, e)) for e in entries]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _cells(card: ModelCard | None, entry: Entry) -> tuple[str, ...]:
    size = size_text(entry.nbytes)
    if card is None:
        return ("damaged", "", size, "", "", entry.problem)
    about = (card.domain or card.description).replace("\n", " ")
    licence = card.licence.split(":")[0] or "not stated"
    return (space_text(card), score_text(card), size, licence, hash_text(card), about)


def _quoted(entry: Entry) -> str:
    return f"'{entry.name}'" if " " in entry.name else entry.name
