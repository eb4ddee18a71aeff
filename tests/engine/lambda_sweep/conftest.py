"""A pair whose field is known for every λ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale
from napari_voxelmorph.engine.lambda_sweep.source import FieldSteps, SweepStep
from napari_voxelmorph.engine.result import Registration


class KnownSource:
    """Displacement ``bend(s) · shape`` at slider position s, and a count of what was asked."""

    kind = "optimiser"
    name = "known"

    def __init__(self, base: Registration, bend: Any, members: tuple[float, ...] = ()) -> None:
        self.scale = LambdaScale(0.1, 10.0, "log", name="smoothness")
        self.members, self.registered = members, 1.0
        self.bend, self.asked = bend, []
        rng = np.random.default_rng(3)
        shape = [-(-n // 2) for n in base.fixed.shape]
        self._data = rng.normal(0, 1, (base.ndim, *shape)).astype(np.float32)
        self._ndim = base.ndim

    def at(self, value: float) -> Field:
        data = np.float32(self.bend(self.scale.position(value))) * self._data
        return Field(data, np.full(self._ndim, 2.0), np.full(self._ndim, 0.5), "displacement")

    def path(self, positions):
        return None

    def field(self, value: float) -> FieldSteps:
        self.asked.append(value)
        yield SweepStep("known", 0.5)
        return self.at(self.scale.checked(value))


@pytest.fixture(params=[2, 3])
def base(request: pytest.FixtureRequest) -> Registration:
    """Two noise images in a bright block; odd shapes, unequal spacing, different grids."""
    rng = np.random.default_rng(0)
    ndim = request.param
    shape = (21, 18, 15)[:ndim]
    place = np.diag([*[1.0, 1.5, 2.0][:ndim], 1.0])
    fixed = np.zeros(shape, np.float32)
    inner = tuple(slice(2, n - 2) for n in shape)
    fixed[inner] = 0.5 + rng.random(fixed[inner].shape, np.float32)
    moving = rng.random([n + 3 for n in shape], np.float32)
    return Registration(Volume(fixed, place), Volume(moving, place), np.eye(ndim + 1))


@pytest.fixture
def make_source(base: Registration) -> Any:
    """`make_source(bend, members)`."""
    return lambda bend, members=(): KnownSource(base, bend, members)
