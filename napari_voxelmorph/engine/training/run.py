"""A training between its start and its end: steps recorded, validated and saved."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.checkpoints import load_model, save_model
from napari_voxelmorph.engine.errors import Cancelled, InputError
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.hyper import set_condition
from napari_voxelmorph.engine.training.batch import Batch
from napari_voxelmorph.engine.training.conditions import Balance, balance, draw_condition
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.culprit import blame
from napari_voxelmorph.engine.training.distributed import Team
from napari_voxelmorph.engine.training.events import TrainedModel, TrainingStep, Validation
from napari_voxelmorph.engine.training.memory import SAVING_MEMORY, is_lack_of_memory
from napari_voxelmorph.engine.training.objective import loss_terms, predict_fields
from napari_voxelmorph.engine.training.run_folder import BEST, History
from napari_voxelmorph.engine.training.samples import PairSource
from napari_voxelmorph.engine.training.saving import card_of, scores_of, with_curves
from napari_voxelmorph.engine.training.state import State, save_best, save_last, usable
from napari_voxelmorph.engine.training.validation import rank, validate


@dataclass
class Run:
    """What `engine.training.loop.train` drives; `engine.training.start` makes one.

    Parameters
    ----------
    precision : torch.dtype
        Of the convolutions.
    history : History or None
        None in a process that does not write.
    stop : callable
        Whether this process is told to stop.
    """

    source: PairSource
    config: TrainingConfig
    folder: Path
    team: Team
    state: State
    precision: torch.dtype
    history: History | None
    stop: Callable[[], bool]
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=51))
    seconds_validating: float = 0.0
    saved: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def scale(self) -> int:
        return self.state.network.architecture.scale

    @property
    def labels(self) -> int:
        return len(self.source.labels)

    def set_condition(self) -> Balance:
        """Draw the hyperparameters of the coming step, where the network has some."""
        condition = draw_condition(self.config, self.state.step)
        if condition:
            set_condition(self.state.network, condition)
        return balance(condition)

    def noise(self) -> list[torch.Generator] | None:
        """For each pair of the coming step, its own random numbers; None where none are drawn."""
        if not self.state.network.architecture.probabilistic:
            return None
        step = self.state.step
        numbers = self.team.pair_numbers(step, step + 1, self.config.batch)
        return [_generator(self.config.seed, n, self.team.device) for n in numbers]

    def gradient(self, batch: Batch, shares: Balance) -> dict[str, Tensor]:
        """Compute the gradient of a step, and return the terms of its loss.

        Where the memory does not suffice, the step is done again, and all that follow, with
        parts computed twice instead of kept: that changes no number.
        """
        network = self.state.network
        try:
            return self._gradient(batch, shares)
        except (RuntimeError, MemoryError) as error:
            if network.checkpointing or not is_lack_of_memory(error):
                raise
        # Out of the block above: the error holds on to what had been computed.
        network.checkpointing = True
        network.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        terms = self._gradient(batch, shares)
        self.notes.append(SAVING_MEMORY)
        return terms

    def _gradient(self, batch: Batch, shares: Balance) -> dict[str, Tensor]:
        fields = predict_fields(
            self.state.network, batch, self.config, noise=self.noise(), precision=self.precision
        )
        terms = loss_terms(fields, batch, self.config, self.scale, self.labels, shares)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        return terms

    def mean_terms(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """The terms as numbers, averaged over the processes."""
        values = torch.stack([t.detach().float() for t in terms.values()])
        self.team.average([values])
        return dict(zip(terms, values.tolist(), strict=True))

    def check_finite(self, values: Mapping[str, float], norm: Tensor, batch: Batch) -> None:
        """Raise `InputError`, with the culprit, unless loss and gradient are finite."""
        if math.isfinite(sum(values.values())) and bool(torch.isfinite(norm)):
            return
        step, network = self.state.step + 1, self.state.network
        found = self.team.gather(blame(step, network, batch, self.config, values, self.labels))
        raise InputError(next((text for guilty, text in found if guilty), found[0][1]))

    def record(self, values: Mapping[str, float], seconds: float) -> TrainingStep:
        """Note an update, and tell of it."""
        self.seconds.append(seconds)
        self.values = dict(values)
        step = self._step("Training")
        if self.history is not None:
            self.history.append(
                {"step": step.step, "loss": step.loss, "terms": dict(values), "seconds": seconds}
            )
        return step

    def validation_if_due(self) -> Generator[TrainingStep, None, None]:
        """At every interval and at the end: judge the weights, save the last and the best."""
        state = self.state
        interval = state.step % self.config.validate_every == 0 or state.step == self.config.steps
        if state.step == 0 or not interval or state.validated == state.step:
            return
        if self.history is None:
            state.validated = state.step
        elif self.source.validation_count:
            yield from self._validate(self.history)
        else:
            state.validated = state.step
            save_best(state, self._card(), self.folder)
            self.save_last()

    def _validate(self, history: History) -> Generator[TrainingStep, None, None]:
        state, began = self.state, time.perf_counter()
        network = usable(state).to(self.team.device)
        judging = validate(
            network, self.source, self.config, state.step, state.best, self.team.device
        )
        while True:
            try:
                phase = next(judging)
            except StopIteration as finished:
                found: Validation = finished.value
                break
            yield self._step(phase)
            if self.stop():  # a resumed training validates first
                return
        state.validated = state.step
        if self.config.fit == "uncertainty":  # what is scored is the field, which stays
            found = dataclasses.replace(found, best=True)
        if found.best:
            state.best, self.scores = rank(found), scores_of(found)
            save_best(state, self._card(), self.folder)
        history.append({"step": found.step, "validation": dataclasses.asdict(found)})
        self.save_last()
        self.seconds_validating = time.perf_counter() - began
        yield dataclasses.replace(self._step("Training"), validation=found)

    @contextmanager
    def saved_when_closed(self) -> Iterator[None]:
        """Whoever closes the training loses nothing."""
        try:
            yield
        except (GeneratorExit, Cancelled):
            if self.history is not None and self.state.step > self.saved:
                self.save_last()
            raise

    def stop_if_told(self) -> None:
        """Raise `Cancelled`, in all processes, when one is told to stop before the end."""
        state, steps = self.state, self.config.steps
        finished = state.step == steps == state.validated
        if self.team.any(self.stop() and not finished):
            raise Cancelled(f"Stopped after step {state.step} of {steps}.")

    def save_last(self) -> None:
        save_last(self.state, self._card(), self.folder)
        self.saved = self.state.step

    def trained(self) -> TrainedModel:
        """The best model, its card with the curves of the whole run."""
        self.team.gather(None)  # the others wait until all is written
        folder = self.folder / BEST
        if self.history is None:
            return TrainedModel(usable(self.state), self._card(), folder)
        network, card = load_model(folder)
        card = save_model(network, with_curves(card, self.folder), folder)
        return TrainedModel(network, card, folder)

    def _card(self) -> ModelCard:
        architecture = self.state.network.architecture
        return card_of(
            self.folder.name, architecture, self.source, self.config, self.state.step, self.scores
        )

    def _step(self, phase: str) -> TrainingStep:
        state, steps = self.state, self.config.steps
        pairs = state.step * self.config.batch * self.team.size
        median = statistics.median(self.seconds) if self.seconds else 0.0
        left = None
        if len(self.seconds) > 2:
            validations = math.ceil((steps - state.step) / self.config.validate_every)
            left = median * (steps - state.step) + self.seconds_validating * validations
        return TrainingStep(
            state.step,
            steps,
            max(0, pairs - 1) // max(1, self.source.pairs_per_epoch) + 1,
            sum(self.values.values()),
            median,
            left,
            phase,
            lambda: usable(state),
            self.values,
            notes=tuple(self.notes),
        )


def _generator(seed: int, number: int, device: torch.device) -> torch.Generator:
    entropy = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(entropy) % 2**63)
