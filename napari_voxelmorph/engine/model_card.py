"""What is known of a trained model apart from its weights, as the JSON beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.variational import smoothing_sigma
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.provenance import installed

FORMAT, SCHEMA = "napari-voxelmorph model", 1
#: Percentiles of the intensities that a card may hold, see `model_checks.profile`.
PROFILE = (50, 75, 90)
_LONGEST_TEXT = 4000
_VERSIONS = ("napari-voxelmorph", "torch", "safetensors")


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model apart from its weights.

    Parameters
    ----------
    name : str
        Shown to the user.
    architecture : Architecture
    space : Space
        The grid and intensities that it was trained on.
    description : str
        What it is for, in a sentence.
    domain : str
        What it was trained on: "T1 brain MR of adults, skull-stripped".
    licence : str
        Of the weights.
    training : mapping
        The recipe and its history (JSON values).
    scores : mapping
        Numbers by name, such as ``{"dice": 0.78}``.
    profile : tuple of float
        How the intensities of the training scans are spread (`model_checks.profile`, their
        mean); empty: unknown.
    temperature : float
        What the deviations of a probabilistic model are multiplied by, fitted on pairs with a
        known answer (`uncertainty.calibration`); 1: as trained.
    created : str
        Date and time, ISO; filled in when saved.
    sha256 : str
        Of the weights file; filled in when saved.
    """

    name: str
    architecture: Architecture
    space: Space = field(default_factory=Space)
    description: str = ""
    domain: str = ""
    licence: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    created: str = ""
    sha256: str = ""
    profile: tuple[float, ...] = ()
    temperature: float = 1.0


def to_text(card: ModelCard) -> str:
    """The content of `model.json`; `InputError` when it cannot be written as JSON."""
    values = {
        "format": FORMAT,
        "schema": SCHEMA,
        "name": card.name,
        "description": card.description,
        "domain": card.domain,
        "licence": card.licence,
        "architecture": card.architecture.to_json(),
        "space": card.space.to_json(),
        "training": dict(card.training),
        "scores": dict(card.scores),
        "profile": list(card.profile),
        "temperature": card.temperature,
        "created": card.created,
        "sha256": card.sha256,
        "versions": {name: installed(name) for name in _VERSIONS},
    }
    try:
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The model “{card.name}” was not saved: its card holds something other than text, "
            f"finite numbers, lists and dictionaries ({error})."
        ) from error


def from_values(values: dict[str, Any]) -> ModelCard:
    """The card that `to_text` wrote; `InputError` on what it cannot have written."""
    texts = {
        key: values.get(key, "")
        for key in ("name", "description", "domain", "licence", "created", "sha256")
    }
    for key, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f"“{key}” must be text, got {text!r}")
        if len(text) > _LONGEST_TEXT:
            raise InputError(f"“{key}” is longer than {_LONGEST_TEXT} letters")
        if not text.replace("\n", "").isprintable():
            raise InputError(f"“{key}” holds characters that cannot be shown")
    scores, training = values.get("scores", {}), values.get("training", {})
    if not isinstance(training, dict) or not isinstance(scores, dict):
        raise InputError("“training” and “scores” must be dictionaries")
    if any(type(v) not in (int, float) or not math.isfinite(v) for v in scores.values()):
        raise InputError("“scores” must hold finite numbers")
    profile = values.get("profile", [])
    if not isinstance(profile, list) or len(profile) not in (0, len(PROFILE)):
        raise InputError(f"“profile” must hold {len(PROFILE)} numbers, got {profile!r}")
    if any(type(v) not in (int, float) or not math.isfinite(v) for v in profile):
        raise InputError("“profile” must hold finite numbers")
    temperature = values.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not 1e-3 <= temperature <= 1e3:
        raise InputError(f"“temperature” must be a number from 0.001 to 1000, got {temperature!r}")
    architecture = Architecture.from_json(values["architecture"])
    space = Space.from_json(values["space"])
    if space.shape is not None and len(space.shape) != architecture.ndim:
        raise InputError("“space” and “architecture” differ in the number of axes")
    return ModelCard(
        architecture=architecture,
        space=space,
        training=training,
        scores=scores,
        profile=tuple(profile),
        temperature=float(temperature),
        **texts,
    )


def posterior_smoothing(card: ModelCard) -> float:
    """Standard deviation σ_c (voxels of the field) of the Gaussian in the model's posterior.

    By the rule that it was trained with; 0 for the diagonal posterior, and for models from
    elsewhere, whose posterior is diagonal.
    """
    recipe = card.training.get("recipe")
    smoothness = recipe.get("smoothness") if isinstance(recipe, Mapping) else None
    if not isinstance(smoothness, int | float) or recipe is None:
        return 0.0
    if recipe.get("posterior") != "smoothed" or not 0 < smoothness < 1e6:
        return 0.0
    return smoothing_sigma(float(smoothness), card.architecture.ndim)
