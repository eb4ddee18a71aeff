"""The start of a training: its folder, its network, and where it left off."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from napari_voxelmorph.engine.errors import InputError, NotEnoughMemoryError
from napari_voxelmorph.engine.provenance import installed
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.distributed import Team
from napari_voxelmorph.engine.training.first_network import first_network
from napari_voxelmorph.engine.training.memory import is_lack_of_memory
from napari_voxelmorph.engine.training.precision import NAMES, choose_precision
from napari_voxelmorph.engine.training.run import Run
from napari_voxelmorph.engine.training.run_folder import (
    History,
    free_of_runs,
    locked,
    read_record,
    write_record,
)
from napari_voxelmorph.engine.training.samples import PairSource
from napari_voxelmorph.engine.training.state import fresh, resume_state, same_for_all

#: May differ when a run is resumed; the pairs per step of all processes together may not.
FREE = {"steps", "validate_every", "device", "checkpointing", "batch", "precision"}


@contextmanager
def opened(
    source: PairSource,
    config: TrainingConfig,
    folder: Path,
    resume: bool,
    team: Team,
    stop: Callable[[], bool],
) -> Iterator[Run]:
    """A run in its locked folder, begun or taken up again; errors as `train`."""
    with ExitStack() as stack:
        stack.enter_context(_memory_in_words(config))
        check_recipe(source, config)
        record: dict[str, Any] = {}
        if team.chief:
            record = read_record(folder) if resume else {}
            stack.enter_context(locked(folder))
            if not resume:
                free_of_runs(folder)
        network = first_network(source, config).to(team.device)
        layout = torch.channels_last_3d if len(source.shape) == 3 else torch.channels_last
        network = network.to(memory_format=layout)  # type: ignore[call-overload]
        if hasattr(network, "checkpointing"):
            network.checkpointing = config.checkpointing
        state, history = fresh(network.train(), config), None
        if team.chief:
            if resume:
                _check_same(record, _record(source, config, team, ""))
                state = resume_state(state, folder)
            else:
                chosen = choose_precision(network, source.shape, team.device, config)
                record = _record(source, config, team, chosen)
                write_record(folder, record)
            history = History(folder, state.step)
        precision = team.from_chief(record.get("precision"))
        state = same_for_all(state, team)
        yield Run(
            source, config, folder, team, state, NAMES[precision], history, stop, saved=state.step
        )


def check_recipe(source: PairSource, config: TrainingConfig) -> None:
    """Raise `InputError` when the recipe asks for what the data do not have, or for nothing."""
    if config.segmentation_weight > 0 and not source.labels:
        raise InputError(
            "The recipe uses segmentations and the data have none. Give segmentations, or set "
            "“Segmentation weight” to 0."
        )
    if config.hyper == "smoothness and segmentations" and not config.segmentation_weight:
        raise InputError(
            "The segmentations' weight is to vary and is 0: set “Segmentation weight” above 0, or "
            "“Hyperparameters” to smoothness."
        )
    weights = (config.segmentation_weight, config.landmark_weight, config.field_weight)
    if config.similarity == "none" and not any(weights):
        raise InputError(
            "Nothing is left to train on: choose a similarity, or a weight above 0 for "
            "segmentations, landmarks or known fields."
        )


def _record(
    source: PairSource, config: TrainingConfig, team: Team, precision: str
) -> dict[str, Any]:
    names = ("napari-voxelmorph", "torch", "numpy", "numba")
    return {
        "config": dataclasses.asdict(config),
        "pairs_per_step": config.batch * team.size,
        "precision": precision,
        "data": dict(source.description),
        "space": source.space.to_json(),
        "shape": list(source.shape),
        "labels": list(source.labels),
        "versions": {name: installed(name) for name in names},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _check_same(record: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise `InputError` where a resumed run would no longer be the one that was started."""
    pairs = {k: (record["config"].get(k, v), v) for k, v in now["config"].items() if k not in FREE}
    pairs |= {k: (record.get(k), now[k]) for k in ("pairs_per_step", "shape", "labels")}
    unlike = [f"{k} was {was!r} and is {v!r}" for k, (was, v) in pairs.items() if was != v]
    if unlike:
        raise InputError(
            f"This is not the training that was interrupted: {', '.join(unlike)}. Resume it as it "
            "was, or start a new one (from its weights, with “Start from”)."
        )


@contextmanager
def _memory_in_words(config: TrainingConfig) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
        raise NotEnoughMemoryError(_memory_words(config)) from error


def _memory_words(config: TrainingConfig) -> str:
    cures = ["a coarser or smaller grid"]
    if config.batch > 1:
        cures.insert(0, f"fewer than {config.batch} pairs per step")
    return (
        "The device has not enough memory for a training step, even when parts are computed twice "
        f"instead of kept. Try {', or '.join(cures)}. The last checkpoint is as it was."
    )
