"""Registrations and images for the tests of files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

from .grids import CASES, Case, grid_affine, smooth_field, smooth_image, world_affine


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def make_registration() -> Callable[..., Registration]:
    """A registration with an affine stage and a velocity on a coarser grid of its own."""

    def make(case: Case, kind="velocity", affine=True, field=True, **changes) -> Registration:
        fixed = Volume(smooth_image(case.fixed[0], 1), case.fixed[1], name="fixed", **changes)
        moving = Volume(smooth_image(case.moving[0], 2), case.moving[1], name="moving", **changes)
        matrix = world_affine(fixed.ndim) if affine else np.eye(fixed.ndim + 1)
        # Middle on middle, and a little off.
        middle = matrix[:-1, :-1] @ fixed.center
        matrix[:-1, -1] = moving.center - middle + np.arange(1, fixed.ndim + 1)
        coarse = tuple(n // 2 + 1 for n in fixed.shape)
        scale = np.full(fixed.ndim, 2.0)
        motion = Field(smooth_field(coarse, 1.0), scale, scale * 0.25, kind) if field else None
        return Registration(
            fixed,
            moving,
            matrix,
            motion,
            metrics={"similarity": 0.5, "none": float("nan")},
            timings={"affine": 1.25},
            provenance={"device": "cpu", "start": None},
        )

    return make


@pytest.fixture
def marked_head() -> Volume:
    """An oblique head-like block whose *left* side, by its affine, is bright; values tell where."""
    affine = grid_affine((2, 1.5, 3), (8, -6, 11), (-17, 12, 4), (1, 0, 2), (1, -1, 1))
    shape = (14, 17, 11)
    index = np.indices(shape).reshape(3, -1)
    world = affine[:3, :3] @ index + affine[:3, 3:]
    left = (world[0] < world[0].mean()).reshape(shape)
    data = np.where(left, 200, 10).astype(np.int16)
    return Volume(data, affine, name="head")
