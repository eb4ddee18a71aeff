"""What the engine thread does for the Register dock.  No Qt here; heavy imports come late."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.background.garbage import Hold
from napari_voxelmorph.gui.background.preloading import preload_torch, preload_window
from napari_voxelmorph.gui.register.spread_job import prepare_spread

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
    from napari_voxelmorph.engine.registration import Registrar, Registration, Step
    from napari_voxelmorph.engine.report.findings import Stages

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """All that was chosen in the dock; landmarks are world millimetres, shape (N, D)."""

    moving: Volume
    fixed: Volume
    moving_mask: Volume | None = None
    fixed_mask: Volume | None = None
    moving_labels: Volume | None = None
    fixed_labels: Volume | None = None
    moving_landmarks: Points | None = None
    fixed_landmarks: Points | None = None


@dataclass(frozen=True)
class Check:
    """What is known of a pair before it is registered."""

    warnings: list[str] = field(default_factory=list)
    about_model: list[str] = field(default_factory=list)
    problem: str = ""
    device: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Outcome:
    """A finished run, with what the segmentations and landmarks say about it."""

    registration: Registration
    pair: Pair
    start: Matrix
    dice: Stages | None = None
    structures: int = 0
    landmarks: Stages | None = None
    #: What the network alone gave, where the result refined it.
    unrefined: Outcome | None = None
    #: The result that another λ was chosen for, where this one came about so.
    tuned_from: Outcome | None = None


class RegistrationJobs:
    """Keeps the registrar of a window.  Its methods run in the engine thread only."""

    def __init__(self) -> None:
        self._registrars: dict[str, Registrar] = {}

    def warm_up(self) -> Generator[Step | None, None, list[str]]:
        """Load the numerical libraries and register two specks, so that all is compiled.

        Returns the devices of this machine, best first.
        """
        preload_torch()
        yield None
        with Hold():
            from napari_voxelmorph.engine.device import available_devices
        yield None
        with Hold():
            registrar = self._registrar("auto")
        yield None
        preload_window()
        yield None
        registrar.set_pair(_speck(0), _speck(1))
        yield from registrar.steps(RegistrationConfig(iterations=(1, 1), device="cpu"))
        return available_devices()

    def check(self, pair: Pair, config: RegistrationConfig) -> Check:
        """Look at a pair: warnings, what cannot work, memory and time."""
        from napari_voxelmorph.engine.device import describe_device
        from napari_voxelmorph.engine.errors import VoxelMorphError
        from napari_voxelmorph.engine.pair_checks import reader_notes, warnings_for

        try:
            registrar = self._ready(pair, config.device)
            about_model = _model_warnings(pair, config)
            needs = registrar.estimate(config).text
        except VoxelMorphError as error:
            return Check(problem=str(error))
        told = [note for v in (pair.moving, pair.fixed) for note in reader_notes(v)]
        warnings = told + warnings_for(pair.moving, pair.fixed)
        return Check(warnings, about_model, "", describe_device(registrar.device), needs)

    def register(
        self,
        pair: Pair,
        config: RegistrationConfig,
        start: Matrix | None,
        stopped: Callable[[], bool],
    ) -> Generator[Step, None, Outcome]:
        """Run, and measure the result against what was given with the pair.

        Once `stopped` says True, the run ends with the best deformation so far.
        """
        registrar = self._ready(pair, config.device)
        registration = yield from _shown_ready(registrar.steps(config, start, stopped))
        for result in (registration, registration.unrefined):
            if result is not None:
                prepare_spread(result)
        if start is None:
            from napari_voxelmorph.engine.pair_checks import beginning

            start = beginning(registration.fixed, registration.moving, config.start)
        outcome = measured(registration, pair, start)
        if registration.unrefined is None:
            return outcome
        # From here on the history keeps the network's result.
        alone = measured(registration.unrefined, pair, start)
        return replace(outcome, registration=replace(registration, unrefined=None), unrefined=alone)

    def _ready(self, pair: Pair, device: str) -> Registrar:
        check_companions(pair)
        registrar = self._registrar(device)
        registrar.set_pair(
            pair.moving, pair.fixed, moving_mask=pair.moving_mask, fixed_mask=pair.fixed_mask,
            moving_landmarks=pair.moving_landmarks, fixed_landmarks=pair.fixed_landmarks,
        )  # fmt: skip
        return registrar

    def _registrar(self, device: str) -> Registrar:
        from napari_voxelmorph.engine.device import pick_device
        from napari_voxelmorph.engine.registration import Registrar

        name = str(pick_device(device))  # what “auto” means follows the preferences
        if name not in self._registrars:
            self._registrars[name] = Registrar(name)
        return self._registrars[name]


def _model_warnings(pair: Pair, config: RegistrationConfig) -> list[str]:
    """What is to be known before the chosen model registers the pair."""
    if not config.model:
        return []
    from napari_voxelmorph.engine.loaded_model import card_of
    from napari_voxelmorph.engine.model_checks import check_fits, warnings_for_model

    card = card_of(config.model)
    check_fits(card, pair.fixed)
    return warnings_for_model(card, pair.moving, pair.fixed)


def _shown_ready(
    steps: Generator[Step, None, Registration],
) -> Generator[Step, None, Registration]:
    """Pass steps on; their pictures do the heavy part here, not in the window's thread."""

    def picture(step: Step) -> Registration:
        state = step.partial()
        corner = (slice(0, 1),) * state.ndim
        state.warp(state.moving, index=corner)  # integrates the field, once
        return state

    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            yield replace(step, partial=partial(picture, step))


def _speck(shift: int) -> Volume:
    from napari_voxelmorph.engine.geometry.volume import Volume

    data = np.zeros((20, 20, 20), np.float32)
    data[6 + shift : 14, 5:13, 7:15] = np.random.default_rng(0).random((8, 8, 8))[shift:]
    return Volume(data, name="warm-up")


def check_companions(pair: Pair) -> None:
    """Raise `InputError` when segmentations or landmarks do not fit their images."""
    from napari_voxelmorph.engine.pair_checks import check_same_grid

    for labels, image in ((pair.moving_labels, pair.moving), (pair.fixed_labels, pair.fixed)):
        if labels is not None:
            check_same_grid(labels, image, "segmentation")
    moving, fixed = pair.moving_landmarks, pair.fixed_landmarks
    if moving is not None and fixed is not None and len(moving) != len(fixed):
        raise InputError(
            f"There are {len(moving)} moving and {len(fixed)} fixed landmarks. Landmarks are "
            "compared in pairs, in their order: place the same number in both."
        )


def measured(registration: Registration, pair: Pair, start: Matrix) -> Outcome:
    """Compare a result with the segmentations and landmarks of its pair.

    `start` is how the images lay when the run began (fixed world to moving world).
    """
    from napari_voxelmorph.engine.report.findings import find

    labels, landmarks = None, None
    if pair.moving_labels is not None and pair.fixed_labels is not None:
        labels = pair.moving_labels, pair.fixed_labels
    if pair.moving_landmarks is not None and pair.fixed_landmarks is not None:
        landmarks = pair.moving_landmarks, pair.fixed_landmarks
    found = find(registration, labels, landmarks, start)
    structures = len(found.dice_per_label)
    return Outcome(registration, pair, start, found.dice, structures, found.landmark_error_mm)
