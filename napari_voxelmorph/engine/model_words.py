"""A model in words, for a list, a page and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.shelf import Entry

#: How many characters of a hash tell two models apart at a glance.
_HASH = 12
_SCORES = {
    "dice": "Dice",
    "dice_before": "Dice before",
    "ndv": "folded volume (%)",
    "similarity": "similarity",
    "similarity_before": "similarity before",
    "loss": "loss",
}


def one_line(entry: Entry) -> str:
    """What a model is for, in a line; of a damaged one, why it cannot be used."""
    card = entry.card
    if card is None:
        return f"Damaged: {entry.problem}"
    parts = [card.domain or card.description, space_text(card), score_text(card)]
    return " · ".join(p for p in parts if p)


def space_text(card: ModelCard) -> str:
    """``"3-D, 160 x 192 x 224 at 1 mm"``."""
    space = card.space
    words = f"{card.architecture.ndim}-D"
    if space.shape is not None:
        words += ", " + " x ".join(map(str, space.shape))
    if space.spacing is not None:
        words += f" at {space.spacing:g} mm"
    return words


def score_text(card: ModelCard) -> str:
    """The Dice it reached, where known: ``"Dice 0.75"``."""
    dice = card.scores.get("dice")
    return "" if dice is None else f"Dice {dice:.3f}"


def size_text(nbytes: int) -> str:
    """``"1.6 MB"``."""
    return f"{nbytes / 1e6:.1f} MB" if nbytes >= 1e5 else f"{nbytes / 1e3:.0f} kB"


def hash_text(card: ModelCard) -> str:
    """The beginning of the checksum of the weights."""
    return card.sha256[:_HASH]


def page(entry: Entry) -> list[tuple[str, str]]:
    """Everything that a model's card says, as headings and texts."""
    card = entry.card
    if card is None:
        return [("Damaged", entry.problem), ("Folder", str(entry.folder))]
    rows = [
        ("What it is for", card.description),
        ("Trained on", card.domain),
        ("Network", network_text(card.architecture)),
        ("Sees", _sees(card.space, card.architecture)),
        ("Scores", scores_text(card.scores)),
        ("Licence", card.licence or "not stated"),
        ("Training", _training(card.training)),
        ("Made", card.created.replace("T", " ")),
        ("Size", size_text(entry.nbytes)),
        ("SHA-256", card.sha256),
        ("Folder", str(entry.folder)),
    ]
    return [(heading, text) for heading, text in rows if text]


def network_text(architecture: Architecture) -> str:
    """The network in a sentence."""
    kind = {"unet": "U-Net", "pyramid": "coarse-to-fine pyramid"}[architecture.design]
    gives = "a velocity (invertible)"
    if architecture.output == "displacement":
        gives = "a displacement (may fold)"
    parts = [f"{kind}, gives {gives}"]
    if architecture.scale > 1:
        parts.append(f"at 1/{architecture.scale} of the resolution")
    if architecture.hyper:
        parts.append("for every λ")
    if architecture.probabilistic:
        parts.append("with its uncertainty")
    if architecture.symmetric:
        parts.append("the same both ways")
    return ", ".join(parts)


def scores_text(scores: Mapping[str, float]) -> str:
    """``"Dice 0.751, similarity 0.62"``."""
    words = (f"{_SCORES.get(name, name)} {value:.4g}" for name, value in scores.items())
    return _printable(", ".join(words))


def _sees(space: Space, architecture: Architecture) -> str:
    shape = "any size"
    if space.shape is not None:
        shape = " x ".join(map(str, space.shape)) + " voxels"
    spacing = "of any size" if space.spacing is None else f"of {space.spacing:g} mm"
    turned = f", turned to {space.orientation}" if space.orientation else ""
    return f"{architecture.ndim}-D images, {shape} {spacing}{turned}"


def _training(training: Mapping[str, Any]) -> str:
    """The recipe, as far as it is made of plain values; curves and long lists left out."""
    lines = []
    for name, value in training.items():
        if isinstance(value, Mapping) and name != "curves":
            inner = (f"{k.replace('_', ' ')} {_plain(v)}" for k, v in value.items() if _short(v))
            lines.append(f"{name}: {', '.join(inner)}")
        elif _short(value):
            lines.append(f"{name.replace('_', ' ')}: {_plain(value)}")
    # A stranger's recipe may hold anything, such as the codes that move a terminal's cursor.
    return "\n".join(_printable(line) for line in lines if not line.endswith(": "))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)


def _short(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(_short(v) for v in value)
    return isinstance(value, str | int | float) and value != "" and len(str(value)) <= 200


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
