"""λ from a family of models that were trained alike but for the weight of smoothness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale
from napari_voxelmorph.engine.lambda_sweep.source import FieldSteps, Kind, SweepStep
from napari_voxelmorph.engine.loaded_model import load
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.shelf import Entry

#: Of a training's recipe: what may differ between two of a family.
_MAY_DIFFER = ("smoothness", "steps", "seed", "start_from")


class FamilySource:
    """See `LambdaSource`; only the members' own λ are exact.

    Parameters
    ----------
    models : mapping
        Smoothness -> name on the shelf; at least two.
    base : Registration
    device : torch.device
    registered : float
        Of the model that gave the base.
    """

    kind: Kind = "models"

    def __init__(
        self,
        models: Mapping[float, str],
        base: Registration,
        device: torch.device,
        registered: float,
    ) -> None:
        self._models = dict(sorted(models.items()))
        self.members = tuple(self._models)
        self.name = f"{len(self.members)} models"
        self.scale = LambdaScale(self.members[0], self.members[-1], "log", name="smoothness")
        self.registered = registered
        self._base, self._device = base, device

    def field(self, value: float) -> FieldSteps:
        """See `LambdaSource.field`."""
        value = self.scale.checked(value)
        if value not in self._models:
            trained = ", ".join(f"{m:g}" for m in self.members)
            raise InputError(
                f"No model was trained with smoothness {value:g}; there are models for {trained}."
            )
        name, base = self._models[value], self._base
        yield SweepStep(f"loading {name}", 0.0)
        model = load(name, self._device)
        yield SweepStep(f"network {name}", 0.3)
        found = predict(model.network, model.card.space, base.moving, base.fixed, base.affine)
        assert found.field is not None
        return found.field

    def path(self, positions: NDArray[np.float64]) -> None:
        """See `LambdaSource.path`: nothing is known before."""
        return None


def smoothness_of(card: ModelCard) -> float | None:
    """The weight of smoothness that a model was trained with; None where nobody wrote it down."""
    value = _recipe(card).get("smoothness")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if value > 0 else None


def family(name: str, entries: list[Entry]) -> dict[float, str]:
    """Smoothness -> name of the models that differ from model `name` in nothing else.

    Of two with the same smoothness the named one counts, else the newer one.
    """
    card = next((e.card for e in entries if e.name == name and e.card is not None), None)
    if card is None or smoothness_of(card) is None:
        return {}
    alike: dict[float, tuple[bool, str, str]] = {}
    for entry in entries:
        if entry.card is None or not _alike(card, entry.card):
            continue
        smoothness = smoothness_of(entry.card)
        if smoothness is not None:
            candidate = (entry.name == name, entry.card.created, entry.name)
            alike[smoothness] = max(alike.get(smoothness, candidate), candidate)
    return {smoothness: found[2] for smoothness, found in alike.items()}


def _alike(card: ModelCard, other: ModelCard) -> bool:
    if (card.architecture, card.space) != (other.architecture, other.space):
        return False
    one, two = _recipe(card), _recipe(other)
    names = (one.keys() | two.keys()) - set(_MAY_DIFFER)
    return all(one.get(n) == two.get(n) for n in names)


def _recipe(card: ModelCard) -> Mapping[str, Any]:
    recipe = card.training.get("recipe", {})
    return recipe if isinstance(recipe, Mapping) else {}
