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
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.reading import damaged, reading, require_memory
from napari_voxelmorph.engine.files.writing import folder_writing
from napari_voxelmorph.engine.model_card import FORMAT, SCHEMA, ModelCard, from_values, to_text
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.registry import build

INDEX, WEIGHTS, NOTES = "model.json", "weights.safetensors", "README.md"
_WHAT = "a napari-voxelmorph model"
LARGEST_INDEX = 4 * 2**20
#: What the list of tensors in front of the weights may take.
_LARGEST_HEADER = 2**20
_PRECISIONS = ("F32", "F16", "BF16")


def save_model(
    network: RegistrationNetwork, card: ModelCard, folder: str | os.PathLike[str]
) -> ModelCard:
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
        _keep_notes(Path(folder), temporary)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        digest = _sha256(temporary / WEIGHTS)
        card = replace(card, created=card.created or now, sha256=digest)
        text = to_text(card)
        (temporary / INDEX).write_text(text, encoding="utf-8")
    return card


def _keep_notes(folder: Path, temporary: Path) -> None:
    """What somebody has written about an earlier state of the model stays with it."""
    notes = folder / NOTES
    if notes.is_file() and not notes.is_symlink():
        shutil.copyfile(notes, temporary / NOTES)


def load_model(folder: str | os.PathLike[str]) -> tuple[RegistrationNetwork, ModelCard]:
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
    with reading(path, _WHAT):
        network, wanted = _outline(card)
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
        if path.stat().st_size > LARGEST_INDEX:
            raise damaged(path, _WHAT, "it is far too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise damaged(path, _WHAT, "it was not written by napari-voxelmorph")
        schema = values.get("schema")
        if type(schema) is not int or schema < 1:
            raise damaged(path, _WHAT, "it does not give its schema")
        if schema > SCHEMA:
            raise FileFormatError(
                f"The model “{folder.name}” was saved by a newer napari-voxelmorph (schema {schema}; "
                f"this one reads up to {SCHEMA}). Update napari-voxelmorph."
            )
        try:
            return from_values(values)
        except InputError as error:
            raise damaged(path, _WHAT, str(error).rstrip(".")) from error


def largest_weights(folder: Path) -> int:
    """Bytes that the weights beside a `model.json` can have; errors as `read_card`."""
    _, wanted = _outline(read_card(folder))
    return 4 * sum(math.prod(shape) for shape in wanted.values()) + _LARGEST_HEADER


def _outline(card: ModelCard) -> tuple[RegistrationNetwork, dict[str, tuple[int, ...]]]:
    """The network of a card without memory for its numbers, and their names and shapes."""
    with torch.device("meta"):
        network = build(card.architecture)
    return network, {name: tuple(t.shape) for name, t in network.state_dict().items()}


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
