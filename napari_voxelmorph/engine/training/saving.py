"""What is told of a trained model, and its way to the shelf."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from napari_voxelmorph.engine.checkpoints import INDEX, load_model, save_model
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.shelf import Entry, new_folder, shelf
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.events import Validation
from napari_voxelmorph.engine.training.run_folder import BEST, LAST, RECORD, curves
from napari_voxelmorph.engine.training.samples import PairSource


def card_of(
    name: str,
    architecture: Architecture,
    source: PairSource,
    config: TrainingConfig,
    step: int,
    scores: dict[str, float],
) -> ModelCard:
    """The card of a model after `step` updates."""
    data = dict(source.description)
    profile = tuple(data.pop("profile", ()))
    space = dataclasses.replace(source.space, shape=tuple(source.shape))
    training: dict[str, Any] = {
        "recipe": dataclasses.asdict(config),
        "data": data,
        "labels": list(source.labels),
        "steps": step,
    }
    return ModelCard(
        name,
        architecture,
        space,
        description=_purpose(data),
        domain=str(data.get("domain", "")),
        licence=str(data.get("licence", "")),
        training=training,
        scores=scores,
        profile=profile,
    )


def _purpose(data: dict[str, Any]) -> str:
    """What the model is for, as far as the data tell; whoever saves it may say it better."""
    counts = data.get("counts")
    count = counts.get("train") if isinstance(counts, dict) else None
    pairs = f", {data['pairs']}" if isinstance(data.get("pairs"), str) else ""
    like = f" like the {count} that it learned from" if count else ""
    return f"Registers scans{like}{pairs}."


def scores_of(validation: Validation | None) -> dict[str, float]:
    """A validation as a card's scores: what is unknown is left out."""
    if validation is None:
        return {}
    names = ("dice", "dice_before", "ndv", "similarity", "similarity_before", "loss")
    values = {name: getattr(validation, name) for name in names}
    return {name: float(value) for name, value in values.items() if value is not None}


def with_curves(card: ModelCard, folder: Path) -> ModelCard:
    """The card with the thinned curves of the run in `folder`."""
    return dataclasses.replace(card, training={**card.training, "curves": curves(folder)})


def model_of_run(folder: str | os.PathLike[str]) -> Path:
    """The best model of a run folder (the last, before the first validation), or `folder` itself.

    Raises
    ------
    InputError
        When there is none yet.
    """
    path = Path(folder)
    for candidate in (path, path / BEST, path / LAST):
        if (candidate / INDEX).is_file():
            return candidate
    raise InputError(
        f"The training in “{path.name}” has not saved a model yet. Wait for its first validation, "
        "or stop it, which saves the present state."
    )


def to_shelf(
    folder: str | os.PathLike[str],
    name: str,
    *,
    licence: str = "",
    description: str = "",
    domain: str = "",
) -> Entry:
    """Put the best model of a run onto the shelf; the run may still be going.

    Parameters
    ----------
    folder : path
        A run folder, or a model folder.
    name : str
        On the shelf.
    licence, description, domain : str
        For its card; empty: as the run has them.

    Raises
    ------
    InputError
        When the name is taken or cannot be a folder's, or there is no model yet.
    FileFormatError, OutputError
        When it cannot be read or written.
    """
    path = Path(folder)
    network, card = load_model(model_of_run(path))
    if (path / RECORD).is_file():
        card = with_curves(card, path)
    card = dataclasses.replace(
        card,
        name=name,
        licence=licence or card.licence,
        description=description or card.description,
        domain=domain or card.domain,
        created="",
    )
    target = new_folder(name)
    save_model(network, card, target)
    return next(entry for entry in shelf() if entry.folder == target)
