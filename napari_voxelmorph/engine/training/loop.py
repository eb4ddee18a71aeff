"""Training, from top to bottom.

`train` is a generator: whoever iterates sees every step, stops by closing it, and resumes by
calling it again with ``resume=True``.  What it computes depends on the numbers of the steps
alone, so a resumed training goes on as if it had never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path

import torch

from napari_voxelmorph.engine.training.batch import stack
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.distributed import team
from napari_voxelmorph.engine.training.events import TrainedModel, TrainingStep
from napari_voxelmorph.engine.training.prefetch import prefetched
from napari_voxelmorph.engine.training.samples import PairSource
from napari_voxelmorph.engine.training.schedule import learning_rate
from napari_voxelmorph.engine.training.start import opened
from napari_voxelmorph.engine.training.state import update_average


def train(
    source: PairSource,
    config: TrainingConfig,
    folder: Path,
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[TrainingStep, None, TrainedModel]:
    """Train a network; returns the best one.

    Parameters
    ----------
    source : PairSource
    config : TrainingConfig
    folder : Path
        Of this run: new or empty, or with `resume` the one of an interrupted run.
    resume : bool
        Go on from the last checkpoint.  `steps`, `validate_every`, `device` and what saves
        memory may then differ from before, the rest may not.
    stop : callable
        Asked after every step: whether to save the present state and end with `Cancelled`.
        Of several processes it is enough that one is told to stop: all end at the same step
        (closing the generator ends this process alone).

    Yields
    ------
    TrainingStep
        After every update, and before every held-out pair of a validation.

    Raises
    ------
    InputError
        On data or parameters that cannot be trained with, and when a number is no longer
        finite: the culprit is named.
    NotEnoughMemoryError
    OutputError
        When a checkpoint cannot be written; the former one is then unchanged.
    Cancelled
        When `stop` said so.
    """
    with (
        team(config.device) as processes,
        opened(source, config, Path(folder), resume, processes, stop) as run,
    ):
        state = run.state
        network, optimizer = state.network, state.optimizer
        numbers = processes.pair_numbers(state.step, config.steps, config.batch)
        with prefetched(source.draw, numbers) as samples, run.saved_when_closed():
            yield from run.validation_if_due()
            run.stop_if_told()
            while state.step < config.steps:
                began = time.perf_counter()
                shares = run.set_condition()
                batch = stack([next(samples) for _ in range(config.batch)], processes.device)
                terms = run.gradient(batch, shares)
                processes.average(p.grad for p in network.parameters() if p.grad is not None)

                norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip or 1e30)
                values = run.mean_terms(terms)
                run.check_finite(values, norm, batch)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(state.step + 1, config)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                state.step += 1
                update_average(state, config.average)

                yield run.record(values, time.perf_counter() - began)
                yield from run.validation_if_due()
                run.stop_if_told()
        return run.trained()
