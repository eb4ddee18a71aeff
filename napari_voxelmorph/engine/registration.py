"""Register a pair: heavy preparation once, then as many runs as wanted.

>>> registrar = Registrar()
>>> registrar.set_pair(moving, fixed)
>>> result = registrar.register()
>>> result.moved.data          # the moving image on the fixed grid
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import torch

from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.device import describe_device, pick_device
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.estimate import Estimate, check_memory, estimate
from napari_voxelmorph.engine.evaluation.quality import measuring, quality
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.optimization.affine import align
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.pair_checks import beginning, check_pair, mask_of
from napari_voxelmorph.engine.provenance import provenance
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.steps import Clock, Step, relay, timed

__all__ = ["Registrar", "Registration", "Step"]

#: Share of the whole run that pre-alignment takes when a deformation follows.
_AFFINE_SHARE = 0.2
#: The last part of a run: the moved image and the numbers.
_MEASURE_FROM = 0.95
#: A volume thinner than this may be left as it lay (see `_kept_if_better`).
_FEW_SLICES = 8


Run = Generator[Step, None, Registration]


class Registrar:
    """Registers one pair of images, as often as wanted.

    Parameters
    ----------
    device : str
        "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = pick_device(device)
        self._pair: tuple[Volume, Volume] | None = None
        self._masks: tuple[Volume | None, Volume | None] = (None, None)

    def set_pair(
        self,
        moving: Volume,
        fixed: Volume,
        *,
        moving_mask: Volume | None = None,
        fixed_mask: Volume | None = None,
    ) -> None:
        """Check a pair and keep it.

        Parameters
        ----------
        moving, fixed : Volume
            The image that is moved, and the one it is moved to.
        moving_mask, fixed_mask : Volume, optional
            Non-zero where the image counts; on the grid of its image.

        Raises
        ------
        InputError
            When the pair cannot be registered, with the reason and the cure.
        """
        moving, fixed = check_pair(moving, fixed, moving_mask, fixed_mask)
        self._pair = (moving, fixed)
        self._masks = (
            None if moving_mask is None else mask_of(moving_mask),
            None if fixed_mask is None else mask_of(fixed_mask),
        )

    def register(
        self,
        config: RegistrationConfig = DEFAULT,
        start: Matrix | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> Registration:
        """Run to the end and return the result; `on_step` is called after every iteration."""
        run = self.steps(config, start)
        while True:
            try:
                step = next(run)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            if on_step is not None:
                on_step(step)

    def estimate(self, config: RegistrationConfig = DEFAULT) -> Estimate:
        """Memory (bytes) and time (seconds) that a run will take, roughly."""
        moving, fixed = self._need_pair()
        return estimate(fixed, moving, config, self.device)

    def steps(self, config: RegistrationConfig = DEFAULT, start: Matrix | None = None) -> Run:
        """Run as a generator of `Step`; its return value is the `Registration`.

        Closing the generator stops the run within one iteration.

        Parameters
        ----------
        config : RegistrationConfig
        start : ndarray (D + 1, D + 1), optional
            Fixed world to moving world (mm) to begin with, instead of ``config.start``.
        """
        moving, fixed = self._need_pair()
        if start is not None:
            start = np.array(start, dtype=np.float64)
            check_affine(start, fixed.ndim, "start matrix")
        device = pick_device(config.device) if config.device != "auto" else self.device
        check_memory(fixed, moving, config, device)
        return self._run(fixed, moving, config, start, device)

    def _need_pair(self) -> tuple[Volume, Volume]:
        if self._pair is None:
            raise InputError("No pair yet: call set_pair(moving, fixed) before register().")
        return self._pair

    def _run(
        self,
        fixed: Volume,
        moving: Volume,
        config: RegistrationConfig,
        start: Matrix | None,
        device: torch.device,
    ) -> Run:
        """Align, deform, measure; every stage's own steps are passed on."""
        began = beginning(fixed, moving, config.start) if start is None else start
        base = Registration(fixed, moving, began, None, config)
        timings: dict[str, float] = {}
        clock = Clock()
        share = _MEASURE_FROM if config.transform == "none" else _AFFINE_SHARE
        affine = began
        if config.affine != "none":
            stage = self._aligning(fixed, moving, config, start)
            with timed(timings, "affine"):
                affine = yield from relay(
                    stage,
                    clock,
                    "Pre-aligning",
                    (0.0, share),
                    lambda s: replace(base, affine=s.matrix),
                )
            affine = _kept_if_better(base, affine)
        field = None
        if config.transform != "none":
            stage = self._deforming(fixed, moving, affine, config, device)
            with timed(timings, "deformable"):
                field = yield from relay(
                    stage,
                    clock,
                    "Deforming",
                    (share, _MEASURE_FROM),
                    lambda s: replace(base, affine=affine, field=s.field()),
                )
        result = replace(base, affine=affine, field=field)
        with timed(timings, "resampling and metrics"):
            metrics = yield from relay(
                measuring(result, base, self._masks[1]),
                clock,
                "Measuring",
                (_MEASURE_FROM, 1.0),
                lambda s: result,
            )
        timings["total"] = sum(timings.values())
        story = provenance(fixed, moving, describe_device(device), datetime.now(UTC), start)
        final = replace(result, metrics=metrics, timings=timings, provenance=story)
        # The moved image was made for the metrics; do not make it twice.
        final.__dict__["moved"] = result.moved
        return final

    def _aligning(
        self, fixed: Volume, moving: Volume, config: RegistrationConfig, start: Matrix | None
    ) -> Generator[Any, None, Any]:
        moving_mask, fixed_mask = self._masks
        kind: Literal["rigid", "affine"] = "rigid" if config.affine == "rigid" else "affine"
        return align(
            fixed,
            moving,
            kind=kind,
            similarity=config.affine_similarity,
            start=config.start if start is None else start,
            fixed_mask=fixed_mask,
            moving_mask=moving_mask,
        )

    def _deforming(
        self,
        fixed: Volume,
        moving: Volume,
        affine: Matrix,
        config: RegistrationConfig,
        device: torch.device,
    ) -> Generator[Any, None, Any]:
        moving_mask, fixed_mask = self._masks
        return deform(
            fixed,
            moving,
            affine,
            config,
            device=device,
            fixed_mask=fixed_mask,
            moving_mask=moving_mask,
        )


def _kept_if_better(begun: Registration, affine: Matrix) -> Matrix:
    """The pre-alignment found; for a stack of few slices, the start where that agrees better.

    Few slices hold too little across them to pin a 3-D rotation: the search can slide off.
    """
    if begun.ndim == 2 or min(*begun.fixed.shape, *begun.moving.shape) >= _FEW_SLICES:
        return affine
    found = quality(replace(begun, affine=affine), begun)
    worse = found["similarity_after"] < found["similarity_before"]
    return begun.affine if worse else affine
