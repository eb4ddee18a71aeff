"""What the window knows of each model on the shelf, in words; made in the engine thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.background.preloading import preload_torch

if TYPE_CHECKING:
    from napari_voxelmorph.engine.shelf import Entry

Curves = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class ModelLine:
    """A model on the shelf.

    Parameters
    ----------
    problem : str
        Why it is damaged; empty when it is whole.
    unsuited : mapping
        Number of axes of a pair -> why this model cannot register it, empty when it can.
    page : list
        Headings and texts of the card.
    has_lambda : bool
        Trained for every λ.
    """

    name: str
    about: str
    space: str = ""
    score: str = ""
    size: str = ""
    licence: str = ""
    hash: str = ""
    own: bool = True
    problem: str = ""
    unsuited: Mapping[int, str] = field(default_factory=dict)
    page: list[tuple[str, str]] = field(default_factory=list)
    curves: Curves = field(default_factory=dict)
    has_lambda: bool = False

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        return " · ".join(part for part in (self.about, self.space, self.score) if part)


def read_lines() -> list[ModelLine]:
    """All models on the shelf; runs in the engine thread."""
    preload_torch()
    from napari_voxelmorph.engine.shelf import shelf

    return [line_of(entry) for entry in shelf()]


def line_of(entry: Entry) -> ModelLine:
    """One model in words."""
    from napari_voxelmorph.engine import model_words as words
    from napari_voxelmorph.engine.model_checks import misfit

    card, size = entry.card, words.size_text(entry.nbytes)
    if card is None:
        return ModelLine(
            entry.name,
            "damaged",
            size=size,
            own=entry.own,
            problem=entry.problem,
            unsuited=dict.fromkeys((2, 3), "damaged"),
            page=words.page(entry),
        )
    about = " ".join((card.domain or card.description or "no description").split())
    return ModelLine(
        entry.name,
        about,
        words.space_text(card),
        words.score_text(card),
        size,
        (card.licence or "licence not stated").split(":")[0],
        words.hash_text(card),
        entry.own,
        unsuited={ndim: misfit(card, ndim) for ndim in (2, 3)},
        page=words.page(entry),
        curves=curves_of(card.training),
        has_lambda=card.architecture.hyper > 0,
    )


def curves_of(training: Mapping[str, Any]) -> Curves:
    """The curves of a card; whatever else a stranger wrote there is left out."""
    given = training.get("curves")
    if not isinstance(given, Mapping):
        return {}
    found: Curves = {}
    for name, points in given.items():
        if not isinstance(points, list):
            continue
        kept = [(float(p[0]), float(p[1])) for p in points if _is_point(p)]
        steps = [x for x, _ in kept]
        if len(kept) > 1 and steps == sorted(steps):
            found[str(name)] = kept
    return found


def _is_point(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    return numbers and all(type(v) in (int, float) and abs(v) < 1e30 for v in value)


# Work on the shelf, for the engine thread ------------------------------------------------


def importing(paths: list[str]) -> Callable[[], list[str]]:
    """Return the job that puts models onto the shelf; it gives their names."""

    def work() -> list[str]:
        preload_torch()
        from napari_voxelmorph.engine.model_transfer import add

        return [add(Path(path)).name for path in paths]

    return work


def exporting(name: str, target: str) -> Callable[[], str]:
    """Return the job that writes a model to a zip file or a folder; it gives where."""

    def work() -> str:
        from napari_voxelmorph.engine.model_transfer import export
        from napari_voxelmorph.engine.shelf import entry_of

        return str(export(entry_of(name), Path(target)))

    return work


def renaming(name: str, new: str) -> Callable[[], str]:
    """Return the job that gives a model another name; it gives that name."""

    def work() -> str:
        from napari_voxelmorph.engine.shelf import entry_of, rename

        return rename(entry_of(name), new).name

    return work


def removing(name: str) -> Callable[[], Path]:
    """Return the job that moves a model to the trash; it gives its place there."""

    def work() -> Path:
        from napari_voxelmorph.engine.shelf import entry_of, remove

        return remove(entry_of(name))

    return work


def restoring(place: Path) -> Callable[[], str]:
    """Return the job that brings a model back from the trash; it gives its name."""

    def work() -> str:
        from napari_voxelmorph.engine.shelf import restore

        return restore(place).name

    return work
