"""The optimiser begins where another field ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.optimization.field_ops import CpuOps, TorchOps
from napari_voxelmorph.engine.optimization.starting_field import starting_field
from napari_voxelmorph.engine.optimization.work_grid import prepare
from napari_voxelmorph.engine.registration import Registration

CPU = torch.device("cpu")
SHAPES = {2: (60, 52), 3: (40, 44, 36)}


def scan(ndim: int) -> Volume:
    rng = np.random.default_rng(0)
    data = np.zeros(SHAPES[ndim], np.float32)
    inner = tuple(slice(5, n - 6) for n in data.shape)
    data[inner] = 1 + rng.random(data[inner].shape)
    return Volume(data, np.diag([1.0, 1.5, 2.0, 1.0])[3 - ndim :, 3 - ndim :])


def smooth_field(ndim: int, spacing: float, offset: float, kind: str) -> Field:
    """A sum of slow waves, the same in fixed voxels whatever the grid."""
    sizes = [int(np.ceil(n / spacing)) + 2 for n in SHAPES[ndim]]
    grid = np.indices(sizes) * spacing + offset
    waves = [
        1.5 * np.sin(sum(g * w for g, w in zip(grid, (0.11, 0.07, 0.09), strict=False)) + k)
        for k in range(ndim)
    ]
    data = np.stack(waves).astype(np.float32) / spacing
    return Field(data, np.full(ndim, spacing), np.full(ndim, offset), kind)  # type: ignore[arg-type]


def test_no_iterations_give_the_start_itself():
    image, start = scan(2), smooth_field(2, 2.0, 0.5, "velocity")
    config = replace(DEFAULT, iterations=(0, 0, 0))
    steps = deform(image, image, np.eye(3), config, device=CPU, start=start)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value is start


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("ops", [CpuOps(), TorchOps(CPU)])
@pytest.mark.parametrize(("spacing", "offset"), [(1.0, 0.0), (2.0, 0.5), (3.0, -1.0)])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_state_is_the_same_field(ndim, ops, spacing, offset, index):
    image = scan(ndim)
    start = smooth_field(ndim, spacing, offset, "displacement")
    grid = prepare(image, image, np.eye(ndim + 1), DEFAULT)
    level = grid.level(index, 3)
    state = ops.numpy(starting_field(ops, start, grid, level))
    factors = level.factors * level.ratio
    size = (grid.step * factors)[3 - ndim :]
    origin = (grid.origin + grid.step * (factors - 1) / 2)[3 - ndim :]
    assert state.shape[1:] == level.field_shape
    data = state if ndim == 3 else state[1:, 0]
    found = Field(data, size, origin, "displacement")
    rng = np.random.default_rng(1)
    points = rng.uniform(10, np.array(SHAPES[ndim]) - 12, size=(200, ndim))
    # Coarse cells lose a little of waves 1.5 voxels high.
    assert np.abs(found.at(points) - start.at(points)).max() < (0.12, 0.12, 0.3)[2 - index]


@pytest.mark.parametrize("kind", ["velocity", "displacement"])
def test_a_start_near_the_truth_is_kept_and_improved(pair_2d, kind):
    config = replace(DEFAULT, transform=kind, iterations=(40, 30, 20))
    args = (pair_2d.fixed, pair_2d.moving, pair_2d.truth.affine)

    def run(config, **more):
        steps, values = deform(*args, config, device=CPU, **more), []
        while True:
            try:
                values.append(next(steps).similarity)
            except StopIteration as end:
                return end.value, values

    found, _ = run(config)
    cold = run(replace(config, iterations=(0, 0, 8)))[1]
    refined, warm = run(replace(config, iterations=(0, 0, 8)), start=found)
    assert warm[0] > cold[-1] and warm[-1] >= warm[0] - 0.01
    before, after = (Registration(*args[:2], args[2], f) for f in (found, refined))
    apart = before.displacement - after.displacement
    assert np.abs(apart).max() < 2 and refined.kind == kind


def test_stopping_returns_the_best_so_far(pair_2d):
    args = (pair_2d.fixed, pair_2d.moving, pair_2d.truth.affine)
    stop = False
    steps = deform(*args, DEFAULT, device=CPU, stopped=lambda: stop)
    for _ in range(7):
        step = next(steps)
    stop = True
    with pytest.raises(StopIteration) as end:
        next(steps)
    np.testing.assert_allclose(end.value.value.data, step.field().data)
