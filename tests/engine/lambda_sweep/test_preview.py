"""Between two knots: linear, block by block the same as the whole, exact at the knots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.knots import Knot, Knots, PreviewGrid
from napari_voxelmorph.engine.lambda_sweep.preview import preview
from napari_voxelmorph.engine.result import Registration

HALF = 2e-3  # of float16, at about 2 voxels


def knots_of(base, source, values):
    grid = PreviewGrid.of(source.at(values[0]), base.fixed)
    place = source.scale.position
    made = [Knot(v, place(v), grid.displacement(source.at(v))) for v in sorted(values)]
    return Knots(grid, tuple(made))


@pytest.fixture
def source(make_source):
    return make_source(lambda s: 1 - s * s)


@pytest.fixture
def knots(base, source):
    return knots_of(base, source, (0.1, 1.0, 10.0))


def test_at_a_knot_it_is_the_exact_result(base, source, knots):
    exact = replace(base, field=source.at(1.0))
    shown = preview(base, knots.blend(source.scale.position(1.0)))
    np.testing.assert_allclose(shown.displacement, exact.displacement, atol=HALF)
    np.testing.assert_allclose(shown.warp(base.moving), exact.warp(base.moving), atol=0.02)


def test_between_knots_it_is_linear(base, source, knots):
    below, above = (replace(base, field=source.at(v)).displacement for v in (0.1, 1.0))
    at = source.scale.position(1.0) * 0.3
    shown = preview(base, knots.blend(at)).displacement
    np.testing.assert_allclose(shown, 0.7 * below + 0.3 * above, atol=HALF)


@pytest.mark.parametrize("seed", range(6))
def test_a_block_is_a_part_of_the_whole(base, knots, seed):
    rng = np.random.default_rng(seed)
    shown = preview(base, knots.blend(0.41))
    whole_u, whole_image = shown.displacement, shown.warp(base.moving)
    index = []
    for n in base.fixed.shape:
        start = int(rng.integers(n))
        index.append(slice(start, int(rng.integers(start, n)) + 1, int(rng.integers(1, 4))))
    index = tuple(index)
    np.testing.assert_allclose(
        shown.displacement_block(index), whole_u[(slice(None), *index)], atol=1e-5
    )
    np.testing.assert_allclose(shown.warp(base.moving, index=index), whole_image[index], atol=1e-4)


def test_beyond_the_last_knot_and_beside_them(knots):
    assert knots.blend(-0.2).below is knots.knots[0] and knots.blend(1.0).above is knots.knots[-1]
    assert knots.beside(0.5, 1) is knots.knots[2] and knots.beside(0.5, -1) is knots.knots[0]
    assert knots.beside(1.0, 1) is None and knots.beside(0.0, -1) is None
    single = Knots(knots.grid, knots.knots[:1])
    assert single.blend(0.7).below is single.blend(0.7).above


def test_points_go_with_the_picture(base, knots):
    shown = preview(base, knots.blend(0.3))
    voxels = np.array([[9.3, 8.1, 7.2], [5.5, 7.7, 9.9]])[:, : base.ndim]
    world = voxels @ base.fixed.affine[:-1, :-1].T + base.fixed.affine[:-1, -1]
    same = replace(base, field=knots.blend(0.3).field(base.ndim))
    np.testing.assert_allclose(shown.fixed_to_moving(world), same.fixed_to_moving(world))
    np.testing.assert_allclose(shown.moving_to_fixed(world), same.moving_to_fixed(world))


def test_it_offers_no_field_and_no_inverse_image_to_be_saved(base, knots):
    shown = preview(base, knots.blend(0.3))
    assert shown.field is None and not shown.metrics and not shown.provenance
    with pytest.raises(InputError, match="exact"):
        shown.warp(base.fixed, inverse=True)


def test_fields_of_another_grid_are_brought_onto_that_of_the_knots(base, source, knots):
    smooth = np.zeros((base.ndim, *[5] * base.ndim), np.float32)
    smooth[0] += np.linspace(-1, 1, 5).reshape(-1, *[1] * (base.ndim - 1))
    field = Field(smooth, np.full(base.ndim, 4.0), np.full(base.ndim, 1.5), "displacement")
    knot = Knot(1.0, 0.5, knots.grid.displacement(field))
    shown = preview(base, Knots(knots.grid, (knot,)).blend(0.5))
    wanted = replace(base, field=field).displacement
    inner = (slice(None), *[slice(4, -5)] * base.ndim)
    np.testing.assert_allclose(shown.displacement[inner], wanted[inner], atol=2 * HALF)


def test_a_field_as_fine_as_a_large_volume_is_kept_at_half_resolution():
    fixed = Volume(np.zeros((90, 82, 70), np.float32))
    u = np.zeros((3, 90, 82, 70), np.float32)
    u[1] = 0.1 * np.arange(90, dtype=np.float32).reshape(-1, 1, 1)
    field = Field(u, np.ones(3), np.zeros(3), "displacement")
    grid = PreviewGrid.of(field, fixed)
    assert grid.shape == (45, 41, 35) and grid.nbytes == 45 * 41 * 35 * 6
    base = Registration(fixed, fixed, np.eye(4))
    shown = preview(base, Knots(grid, (Knot(1, 0.5, grid.displacement(field)),)).blend(0.5))
    inner = (slice(None), *[slice(2, -2)] * 3)
    np.testing.assert_allclose(shown.displacement[inner], u[inner], atol=5e-3)
