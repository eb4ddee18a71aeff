"""Everything that a training needs to go on as if it had never stopped, and its checkpoints.

A checkpoint is a model folder (`engine.checkpoints`) with two files more: the optimiser's
moments as safetensors, and ``state.json``.  It appears whole or not at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_voxelmorph.engine.checkpoints import INDEX, load_model, save_model
from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import folder_writing
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.distributed import Team
from napari_voxelmorph.engine.training.run_folder import BEST, LAST

MOMENTS, STATE = "optimizer.safetensors", "state.json"
_WHAT = "the state of a training"


@dataclass
class State:
    """Where a training stands.

    Parameters
    ----------
    network : RegistrationNetwork
        On the training's device.
    optimizer : AdamW
    average : dict of Tensor or None
        Running average of the weights (EMA), by parameter.
    step : int
        Updates done.
    validated : int
        The step of the last validation.
    best : float or None
        Score of the best validation, larger is better.
    """

    network: RegistrationNetwork
    optimizer: torch.optim.AdamW
    average: dict[str, Tensor] | None
    step: int = 0
    validated: int = 0
    best: float | None = None


def fresh(network: RegistrationNetwork, config: TrainingConfig) -> State:
    """Step 0 of a training of `network`, which is on its device already."""
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    average = None
    if config.average > 0:
        average = {name: p.detach().clone() for name, p in network.named_parameters()}
    return State(network, optimizer, average)


@torch.no_grad()
def update_average(state: State, decay: float) -> None:
    """Move the running average towards the present weights; quicker at the beginning."""
    if state.average is not None:
        rate = 1 - min(decay, (1 + state.step) / (10 + state.step))
        for name, p in state.network.named_parameters():
            state.average[name].lerp_(p.detach(), rate)


def usable(state: State) -> RegistrationNetwork:
    """A copy on the CPU of what registers best: the averaged weights where there are any."""
    network = build(state.network.architecture, torch.Generator())
    network.load_state_dict(
        {n: t.detach().cpu() for n, t in state.network.state_dict().items()}
        | {n: t.cpu() for n, t in (state.average or {}).items()}
    )
    return network.eval().requires_grad_(False)


def save_last(state: State, card: ModelCard, folder: Path) -> None:
    """Write ``folder/last``, replacing the former one when all is on the disk.

    Raises
    ------
    OutputError
        When it cannot be written; the former one is then unchanged.
    """
    with folder_writing(folder / LAST, INDEX) as temporary:
        save_model(usable(state), card, temporary)
        save_file(_tensors(state), temporary / MOMENTS)
        values = {
            "step": state.step,
            "validated": state.validated,
            "best": state.best,
            "sha256": _sha256(temporary / MOMENTS),
        }
        (temporary / STATE).write_text(json.dumps(values, indent=1), encoding="utf-8")


def save_best(state: State, card: ModelCard, folder: Path) -> None:
    """Write ``folder/best``, a model; errors as `save_last`."""
    save_model(usable(state), card, folder / BEST)


def resume_state(state: State, folder: Path) -> State:
    """`state` as ``folder/last`` has it; unchanged when the training had not come to a checkpoint.

    Raises
    ------
    FileFormatError
        When the checkpoint is damaged.
    """
    _recover(folder, LAST)
    _recover(folder, BEST)
    last = folder / LAST
    if not last.is_dir():
        return state
    values = _read_values(last)
    with reading(last / MOMENTS, _WHAT):
        _fill(state, load_file(last / MOMENTS))
    return dataclasses.replace(state, **values)


def same_for_all(state: State, team: Team) -> State:
    """The state that process 0 has, in every process."""
    if team.size == 1:
        return state
    values = {"step": state.step, "validated": state.validated, "best": state.best}
    values, tensors = team.from_chief((values, _tensors(state)))
    if not team.chief:
        _fill(state, tensors)
    return dataclasses.replace(state, **values)


def _read_values(last: Path) -> dict[str, Any]:
    """Step, step of the last validation and best score; checks that the moments are whole."""
    with reading(last / STATE, _WHAT):
        values = json.loads((last / STATE).read_text(encoding="utf-8"))
        if _sha256(last / MOMENTS) != values["sha256"]:
            raise damaged(last / MOMENTS, _WHAT, "its checksum differs")
        best = values["best"]
        return {
            "step": int(values["step"]),
            "validated": int(values["validated"]),
            "best": None if best is None else float(best),
        }


def _tensors(state: State) -> dict[str, Tensor]:
    """Weights, their average and the optimiser's moments, by parameter, on the CPU."""
    tensors = {}
    for name, p in state.network.named_parameters():
        tensors[f"weights/{name}"] = p.detach()
        for key, value in state.optimizer.state.get(p, {}).items():
            tensors[f"{key}/{name}"] = value
        if state.average is not None:
            tensors[f"average/{name}"] = state.average[name]
    return {name: t.to("cpu").contiguous() for name, t in tensors.items()}


@torch.no_grad()
def _fill(state: State, tensors: dict[str, Tensor]) -> None:
    """Undo `_tensors`."""
    for name, p in state.network.named_parameters():
        p.copy_(tensors[f"weights/{name}"])
        if state.average is not None:
            state.average[name].copy_(tensors[f"average/{name}"])
        if f"step/{name}" in tensors:
            moments = {"step": tensors[f"step/{name}"].clone()}
            for key in ("exp_avg", "exp_avg_sq"):
                # empty_like: in the layout of the parameter, so that sums are taken in one order.
                moments[key] = torch.empty_like(p).copy_(tensors[f"{key}/{name}"])
            state.optimizer.state[p] = moments


def _recover(folder: Path, name: str) -> None:
    """Put back a checkpoint that a killed process was about to replace, and clear the rest."""
    target = folder / name
    new = sorted(folder.glob(f".*.{name}"))
    old = sorted(folder.glob(f".*.{name}.old"))
    for candidate in (*new, *old):
        if target.exists():
            break
        with suppress(FileFormatError):  # not whole: the next
            load_model(candidate)
            if name == LAST:
                _read_values(candidate)
            candidate.rename(target)
    for leftover in (*new, *old):
        shutil.rmtree(leftover, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
