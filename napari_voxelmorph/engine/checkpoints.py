"""Trained models: one folder each, with the weights and everything needed to use them again.

``weights.safetensors`` holds the numbers, ``model.json`` what they mean: architecture, space,
training, licence, scores and the checksum.  No pickle and no code: opening a stranger's model
can fail, but it cannot run anything.  A folder appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.reading import damaged, reading, require_memory
from napari_voxelmorph.engine.files.writing import folder_writing
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.networks.voxelmorph import VoxelMorph
from napari_voxelmorph.engine.provenance import installed

INDEX, WEIGHTS = "model.json", "weights.safetensors"
_FORMAT, _SCHEMA = "napari-voxelmorph model", 1
_WHAT = "a napari-voxelmorph model"
_VERSIONS = ("napari-voxelmorph", "torch", "safetensors")
_LARGEST_INDEX = 4 * 2**20
#: What the list of tensors in front of the weights may take.
_LARGEST_HEADER = 2**20
_PRECISIONS = ("F32", "F16", "BF16")


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


def save_model(network: VoxelMorph, card: ModelCard, folder: str | os.PathLike[str]) -> ModelCard:
    """Write a model folder; an earlier model of that name is replaced when all is written.

    Returns
    -------
    ModelCard
        With date and checksum.

    Raises
    ------
    OutputError
        Nothing half-written remains, and an earlier model is unchanged.
    InputError
        When the weights are not finite, or the card cannot be written as JSON.
    """
    if network.architecture != card.architecture:
        raise InputError("save_model: the card describes another architecture than the network's.")
    tensors = {
        name: tensor.detach().to("cpu").contiguous()
        for name, tensor in network.state_dict().items()
    }
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"The model “{card.name}” was not saved: its weights “{name}” hold NaN or infinite "
                "numbers. Go back to an earlier checkpoint, or train with a smaller learning rate."
            )
    with folder_writing(folder, INDEX) as temporary:
        save_file(tensors, temporary / WEIGHTS)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        digest = _sha256(temporary / WEIGHTS)
        card = replace(card, created=card.created or now, sha256=digest)
        text = _to_text(card)
        (temporary / INDEX).write_text(text, encoding="utf-8")
    return card


def load_model(folder: str | os.PathLike[str]) -> tuple[VoxelMorph, ModelCard]:
    """Read a model folder: the network on the CPU in float32, ready to register, and its card.

    Raises
    ------
    FileFormatError
        No model, damaged, changed since it was saved, or made by a newer version.
    NotEnoughMemoryError
        When the weights do not fit.
    """
    folder = _folder(folder)
    card = read_card(folder)
    path = _inside(folder, WEIGHTS)
    with torch.device("meta"):
        network = build(card.architecture)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    with reading(path, _WHAT):
        numbers = sum(math.prod(shape) for shape in wanted.values())
        if not 2 * numbers < path.stat().st_size <= 4 * numbers + _LARGEST_HEADER:
            raise damaged(path, _WHAT, "its size is not what the architecture asks for")
        require_memory(8 * numbers, path)
        if _sha256(path) != card.sha256:
            raise damaged(path, _WHAT, "it has changed since it was saved (its checksum differs)")
        state = _read_tensors(path, wanted)
    network.load_state_dict(state, assign=True)
    return network.eval(), card


def read_card(folder: str | os.PathLike[str]) -> ModelCard:
    """What `model.json` says, without reading the weights; errors as `load_model`."""
    folder = _folder(folder)
    path = _inside(folder, INDEX)
    with reading(path, _WHAT):
        if path.stat().st_size > _LARGEST_INDEX:
            raise damaged(path, _WHAT, "it is far too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            raise damaged(path, _WHAT, "it was not written by napari-voxelmorph")
        schema = values.get("schema")
        if type(schema) is not int or schema < 1:
            raise damaged(path, _WHAT, "it does not give its schema")
        if schema > _SCHEMA:
            raise FileFormatError(
                f"The model “{folder.name}” was saved by a newer napari-voxelmorph (schema {schema}; "
                f"this one reads up to {_SCHEMA}). Update napari-voxelmorph."
            )
        try:
            return _from_values(values)
        except InputError as error:
            raise damaged(path, _WHAT, str(error).rstrip(".")) from error


def _to_text(card: ModelCard) -> str:
    values = {
        "format": _FORMAT,
        "schema": _SCHEMA,
        "name": card.name,
        "description": card.description,
        "domain": card.domain,
        "licence": card.licence,
        "architecture": card.architecture.to_json(),
        "space": card.space.to_json(),
        "training": dict(card.training),
        "scores": dict(card.scores),
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


def _from_values(values: dict[str, Any]) -> ModelCard:
    texts = {
        key: values.get(key, "")
        for key in ("name", "description", "domain", "licence", "created", "sha256")
    }
    for key, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f"“{key}” must be text, got {text!r}")
    scores, training = values.get("scores", {}), values.get("training", {})
    if not isinstance(training, dict) or not isinstance(scores, dict):
        raise InputError("“training” and “scores” must be dictionaries")
    if any(type(v) not in (int, float) or not math.isfinite(v) for v in scores.values()):
        raise InputError("“scores” must hold finite numbers")
    architecture = Architecture.from_json(values["architecture"])
    space = Space.from_json(values["space"])
    if space.shape is not None and len(space.shape) != architecture.ndim:
        raise InputError("“space” and “architecture” differ in the number of axes")
    return ModelCard(
        architecture=architecture, space=space, training=training, scores=scores, **texts
    )


def _read_tensors(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Float32 tensors of exactly the wanted names and shapes, all finite."""
    state = {}
    try:
        with safe_open(path, framework="pt") as file:
            if set(file.keys()) != set(wanted):
                raise damaged(path, _WHAT, "it holds other layers than the architecture has")
            for name, shape in wanted.items():
                part = file.get_slice(name)
                if tuple(part.get_shape()) != shape or part.get_dtype() not in _PRECISIONS:
                    raise damaged(path, _WHAT, f"“{name}” has another shape or type than it should")
                state[name] = file.get_tensor(name).float()
                if not torch.isfinite(state[name]).all():
                    raise damaged(path, _WHAT, f"“{name}” holds NaN or infinite numbers")
    except SafetensorError as error:
        raise damaged(path, _WHAT, str(error)) from error
    return state


def _folder(folder: str | os.PathLike[str]) -> Path:
    path = Path(folder)
    return path.parent if path.name in (INDEX, WEIGHTS) else path


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise FileFormatError(
            f"“{folder.name}” is not {_WHAT}: a folder with the files {INDEX} and {WEIGHTS} is "
            "expected."
        )
    if path.resolve().parent != folder.resolve():
        raise FileFormatError(
            f"The model “{folder.name}” holds a link “{name}” that leads out of its folder. Put "
            "the file itself there."
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
