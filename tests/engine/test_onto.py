"""Warping onto a grid of one's own agrees with warping onto the fixed or moving grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.onto import onto
from napari_voxelmorph.engine.result import Registration


def registration(ndim: int, kind: str, seed: int = 0) -> Registration:
    rng = np.random.default_rng(seed)
    shape = (22, 26, 24)[:ndim]
    data = rng.random((ndim, *(n // 2 for n in shape))).astype(np.float32)
    field = Field(data - 0.5, np.full(ndim, 2.0), np.zeros(ndim), kind)
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] += 0.05 * rng.normal(size=(ndim, ndim))
    affine[:-1, -1] = rng.normal(size=ndim)
    fixed = Volume(rng.random(shape), np.diag([*[1.2] * ndim, 1.0]))
    moving = Volume(rng.random(shape[::-1]), np.diag([*[0.9] * ndim, 1.0]))
    return Registration(fixed, moving, affine, field)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", ["velocity", "displacement"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_onto_the_own_grid_changes_nothing(ndim: int, kind: str, mode: str) -> None:
    result = registration(ndim, kind)
    straight = result.warp(result.moving, mode)
    assert np.allclose(
        onto(result, result.fixed).warp(result.moving, mode, inverse=True), straight, atol=1e-4
    )
    back = result.warp(result.fixed, mode, inverse=True)
    through = onto(result, result.moving, inverse=True).warp(result.fixed, mode, inverse=True)
    assert np.allclose(through, back, atol=1e-4)


def test_onto_a_shifted_finer_grid_samples_the_same_world_points() -> None:
    result = registration(3, "velocity")
    affine = result.fixed.affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    grid = Volume(np.zeros((43, 51, 47)), affine)
    fine = onto(result, grid).warp(result.moving, "linear", inverse=True)
    assert np.allclose(fine[::2, ::2, ::2], result.warp(result.moving, "linear"), atol=1e-4)


def test_another_dimension_is_refused() -> None:
    with pytest.raises(InputError, match="2-D"):
        onto(registration(3, "velocity"), Volume(np.zeros((4, 4))))
    assert replace(registration(2, "velocity"), field=None).field is None
