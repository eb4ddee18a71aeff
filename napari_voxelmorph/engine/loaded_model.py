"""Models ready to run: read and checked once, then kept."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_voxelmorph.engine.checkpoints import WEIGHTS, load_model, read_card
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.hyper import MIDDLE
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.precision import for_inference
from napari_voxelmorph.engine.shelf import find

#: Models kept at once; the one that was used longest ago goes first.
_MOST = 2
_lock = threading.Lock()
_Key = tuple[Path, str, int, int, str, float]
_kept: dict[_Key, LoadedModel] = {}


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network on its device, in the precision that suits it, and what is known of it."""

    name: str
    folder: Path
    card: ModelCard
    network: RegistrationNetwork


def card_of(name: str | os.PathLike[str]) -> ModelCard:
    """The card of a model, by its name on the shelf or its folder; errors as `load`."""
    return read_card(find(name))


def load(name: str | os.PathLike[str], device: torch.device, lam: float = MIDDLE) -> LoadedModel:
    """A model by its name on the shelf or its folder; read anew only when its files changed.

    Parameters
    ----------
    name : str or path
    device : torch.device
    lam : float
        λ from 0 to 1, of a model that was trained for all; without effect on others.

    Raises
    ------
    InputError
        When there is no such model, with the names there are.
    FileFormatError, NotEnoughMemoryError
        As `checkpoints.load_model`.
    """
    folder = find(name).resolve()
    card = read_card(folder)
    key = (*_key(folder, card.sha256, device), lam if card.architecture.hyper else MIDDLE)
    with _lock:
        if key in _kept:
            _kept[key] = _kept.pop(key)
            return _kept[key]
    network, card = load_model(folder)
    if network.architecture.hyper:
        network = network.at(lam, *network.middle[1:])
    model = LoadedModel(folder.name, folder, card, for_inference(network, device))
    with _lock:
        _kept[key] = model
        while len(_kept) > _MOST:
            del _kept[next(iter(_kept))]
    return model


def _key(folder: Path, sha256: str, device: torch.device) -> tuple[Path, str, int, int, str]:
    weights = folder / WEIGHTS
    # A missing file is told by `load_model`, in its own words.
    state = weights.stat() if weights.is_file() else None
    stamp, size = (0, 0) if state is None else (state.st_mtime_ns, state.st_size)
    return folder, sha256, stamp, size, str(device)
