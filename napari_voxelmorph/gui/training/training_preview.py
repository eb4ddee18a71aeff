"""A held-out pair, registered by the present weights of a training.  No Qt; heavy imports late."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.networks.network import RegistrationNetwork
    from napari_voxelmorph.engine.networks.space import Space
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.training.events import TrainingStep
    from napari_voxelmorph.engine.training.samples import PairSource, Sample

#: Share of the time that pictures may take, and the least time between two (seconds).
_SHARE, _BETWEEN = 0.1, 1.0


@dataclass(frozen=True, eq=False)
class PreviewPair:
    """A pair on the network's grid, as volumes."""

    moving: Volume
    fixed: Volume
    moving_labels: Volume | None = None
    fixed_labels: Volume | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """The pair and how the weights of a step register it."""

    pair: PreviewPair
    registration: Registration
    step: int


@dataclass
class PreviewMaker:
    """Makes pictures in the thread that trains, between two steps, and not too often."""

    source: PairSource
    wanted: threading.Event
    _pair: PreviewPair | None = None
    _sample: Sample | None = None
    _next: float = field(default=0.0)
    _step: int = -1

    def picture(self, step: TrainingStep) -> Picture | None:
        """A picture of the weights after `step`, when one is wanted and due."""
        now = time.monotonic()
        if not self.wanted.is_set() or now < self._next or step.step == self._step:
            return None
        first = self._pair is None
        if self._pair is None:
            held_out = self.source.validation_count > 0
            self._sample = self.source.validation(0) if held_out else self.source.draw(0)
            self._pair = as_pair(self._sample, self.source.space)
        assert self._sample is not None
        found = registered(step.snapshot(), self._sample, self._pair)
        self._step = step.step
        cost = time.monotonic() - now
        # The first one also compiles the kernels: by its cost the next would be a minute away.
        wait = 0.0 if first else cost * (1 / _SHARE - 1)
        self._next = time.monotonic() + max(_BETWEEN, wait)
        return Picture(self._pair, found, step.step)


def as_pair(sample: Sample, space: Space) -> PreviewPair:
    """A sample as volumes in their place, upright when the space says where its axes point."""
    from napari_voxelmorph.engine.geometry.volume import Volume

    affine = grid_affine(tuple(sample.fixed.shape[1:]), space)
    oriented = bool(space.orientation) or sample.fixed.ndim == 3

    def image(data: Tensor, name: str) -> Volume:
        return Volume(data[0].numpy(), affine, name=name, oriented=oriented)

    def labels(data: Tensor | None, name: str) -> Volume | None:
        return None if data is None else Volume(data.numpy(), affine, "labels", name, oriented)

    moving, fixed = sample.names
    return PreviewPair(
        image(sample.moving, moving),
        image(sample.fixed, fixed),
        labels(sample.moving_labels, f"{moving} labels"),
        labels(sample.fixed_labels, f"{fixed} labels"),
    )


def grid_affine(shape: tuple[int, ...], space: Space) -> np.ndarray:
    """Voxel to mm of a model's grid, its middle at 0; axes as `space.orientation` says."""
    ndim = len(shape)
    size = space.spacing or 1.0
    affine = np.eye(ndim + 1)
    if ndim == 3 and space.orientation:
        affine[:3, :3] = 0
        for axis, letter in enumerate(space.orientation):
            world = next(w for w, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
            affine[world, axis] = 1 if letter in "RAS" else -1
    affine[:-1, :-1] *= size
    affine[:-1, -1] = -affine[:-1, :-1] @ ((np.array(shape) - 1) / 2)
    return affine


def registered(network: RegistrationNetwork, sample: Sample, pair: PreviewPair) -> Registration:
    """The network's field for the pair, ready to be sliced by the window."""
    from napari_voxelmorph.engine.geometry.field import Field
    from napari_voxelmorph.engine.networks.predict import run
    from napari_voxelmorph.engine.result import Registration

    architecture, ndim = network.architecture, pair.fixed.ndim
    data = run(network.eval(), sample.moving[0].numpy(), sample.fixed[0].numpy())
    found = Field(
        data,
        np.full(ndim, float(architecture.scale)),
        np.full(ndim, float(architecture.offset)),
        architecture.output,
    )
    result = Registration(pair.fixed, pair.moving, np.eye(ndim + 1), found)
    # The heavy part (integration, conversion) is done here, not in the window's thread.
    corner = (slice(0, 1),) * ndim
    result.warp(result.moving, index=corner)
    return result
