"""Which sources of λ there are for a result."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.family_source import FamilySource, family, smoothness_of
from napari_voxelmorph.engine.lambda_sweep.hyper_source import HyperSource
from napari_voxelmorph.engine.lambda_sweep.optimizer_source import OptimizerSource
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale
from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource
from napari_voxelmorph.engine.loaded_model import card_of
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.shelf import find, shelf

_REFINED = (
    "λ moves what the network gives by itself; the registered result was refined on top of it. "
    "To tune that one, choose “optimiser”."
)


@dataclass(frozen=True)
class Sources:
    """What can tune a result, best first, and what is to be said of it."""

    sources: tuple[LambdaSource, ...]
    note: str = ""


def sources_for(
    base: Registration,
    masks: tuple[Volume | None, Volume | None] = (None, None),
    device: torch.device | None = None,
) -> Sources:
    """The model's own λ, models that differ in λ, and the optimiser, as far as there are.

    Parameters
    ----------
    base : Registration
        A result; one without a deformation has nothing to tune.
    masks : (moving, fixed)
    device : torch.device, optional
    """
    device = torch.device("cpu") if device is None else device
    if base.field is None:
        return Sources((), "This result has no deformation, so there is no λ to tune.")
    found: list[LambdaSource] = []
    note = ""
    if base.config.model:
        try:
            of_model = _of_model(base, device)
        except VoxelMorphError as error:
            of_model, note = None, f"{error} The optimiser tunes this pair instead."
        else:
            if of_model is None:
                note = (
                    f"The model “{base.config.model}” was trained for one λ only: the optimiser "
                    "tunes this pair instead, beginning from its result."
                )
        if of_model is not None:
            found.append(of_model)
            if base.config.refine:
                note = _REFINED
    return Sources((*found, OptimizerSource(base, masks, device)), note)


def _of_model(base: Registration, device: torch.device) -> LambdaSource | None:
    name = base.config.model
    card = card_of(name)
    if card.architecture.hyper:
        folder = find(name)
        scale = LambdaScale()
        registered = _number(base.provenance.get("lambda"), base.config.model_lambda)
        return HyperSource(
            folder.name, lambda: load_model(folder)[0], card.space, base, device, scale, registered
        )
    members = family(name, shelf())
    smoothness = smoothness_of(card)
    if len(members) < 2 or smoothness is None:
        return None
    return FamilySource(members, base, device, smoothness)


def _number(told: object, otherwise: float) -> float:
    value = told.get("value") if isinstance(told, dict) else told
    return float(value) if isinstance(value, int | float) else otherwise
