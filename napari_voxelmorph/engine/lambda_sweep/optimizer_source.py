"""λ from the optimiser: from the registered field, a few steps under another smoothness.

It needs no trained model.  λ is the optimiser's own smoothness, on a logarithmic scale.  Every
field begins at the registered one and takes equally many steps, so that it changes smoothly with
λ; fields that begin at their neighbours have histories of their own, and jump
(benchmarks/NOTES.md).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale
from napari_voxelmorph.engine.lambda_sweep.source import FieldSteps, Kind, SweepStep
from napari_voxelmorph.engine.landmarks import landmarks_of
from napari_voxelmorph.engine.optimization.deformable import DeformStep, deform
from napari_voxelmorph.engine.optimization.work_grid import WorkGrid, prepare
from napari_voxelmorph.engine.result import Registration

#: Coarse to fine; in 3-D the finest level would take longer than a hand waits.
ITERATIONS = {3: (0, 8, 0), 2: (0, 0, 16)}
#: Half resolution is tuned to smooth more: with this share of the smoothness it smooths as
#: much as the finest level, which made the registered field.
_SHARE = {3: (0.43 / 0.6) ** 2, 2: 1.0}
#: Within the range of `RegistrationConfig.smoothness`, also after the share.
_LOW, _HIGH = 0.2, 10.0


class OptimizerSource:
    """See `LambdaSource`.

    Parameters
    ----------
    base : Registration
        With a field, to begin from.
    masks : (moving, fixed)
        As the base was registered with.
    device : torch.device
    """

    kind: Kind = "optimiser"
    name = "optimiser"
    members: tuple[float, ...] = ()

    def __init__(
        self,
        base: Registration,
        masks: tuple[Volume | None, Volume | None],
        device: torch.device,
    ) -> None:
        assert base.field is not None
        self.scale = LambdaScale(_LOW, _HIGH, "log", name="smoothness")
        self.registered = min(max(base.config.smoothness, _LOW), _HIGH)
        self._base, self._masks, self._device = base, masks, device
        self._config = replace(
            base.config,
            transform=base.field.kind,
            iterations=ITERATIONS[base.ndim],
            model="",
            tolerance=0.0,
        )
        self._grid: WorkGrid | None = None

    def field(self, value: float) -> FieldSteps:
        """See `LambdaSource.field`."""
        value = self.scale.checked(value)
        if self._grid is None:
            yield SweepStep("reading both images", 0.0)
            self._grid = self._prepared(self._config)
        words = f"optimising, {self.scale.name} {value:.3g}"
        steps = deform(
            self._base.fixed,
            self._base.moving,
            self._base.affine,
            replace(self._config, smoothness=value * _SHARE[self._base.ndim]),
            device=self._device,
            start=self._base.field,
            grid=self._grid,
            last=True,
            landmarks=landmarks_of(self._base.provenance),
        )
        return (yield from _told(steps, words))

    def path(self, positions: NDArray[np.float64]) -> None:
        """See `LambdaSource.path`: nothing is known before."""
        return None

    def _prepared(self, config: RegistrationConfig) -> WorkGrid:
        moving_mask, fixed_mask = self._masks
        base = self._base
        return prepare(base.fixed, base.moving, base.affine, config, fixed_mask, moving_mask)


def _told(steps: Generator[DeformStep, None, Field], words: str) -> FieldSteps:
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            yield SweepStep(words, step.fraction)
    finally:
        steps.close()
