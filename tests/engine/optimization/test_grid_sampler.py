"""The moving image on the work grid, inside and beyond its field of view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.optimization.field_ops import CpuOps
from napari_voxelmorph.engine.optimization.terms import Balanced, MutualInformation, make_term
from napari_voxelmorph.engine.optimization.work_grid import prepare


@pytest.mark.parametrize("shape, small", [((14, 15, 16), (14, 9, 16)), ((18, 17), (9, 17))])
def test_the_border_of_the_field_of_view_is_no_edge(shape, small):
    """Beyond the moving image its nearest values stand, and they do not count."""
    rng = np.random.default_rng(0)
    ndim = len(shape)
    fixed = Volume(rng.random(shape, dtype=np.float32) + 1, np.eye(ndim + 1))
    shift = np.eye(ndim + 1)
    shift[:ndim, ndim] = [2.0, 3.0, 1.0][:ndim]
    moving = Volume(rng.random(small, dtype=np.float32) + 1, shift)
    grid = prepare(fixed, moving, np.eye(ndim + 1), DEFAULT)
    places = np.indices(grid.moving.shape).astype(float)
    places += grid.origin.reshape(3, 1, 1, 1)
    offset = np.concatenate([np.zeros(3 - ndim), shift[:ndim, ndim]]).reshape(3, 1, 1, 1)
    padded = moving.data if ndim == 3 else moving.data[None]
    wanted = map_coordinates(padded, places - offset, order=1, mode="nearest")
    beyond = grid.weight == 0
    assert beyond.any() and not beyond.all()
    # The grid's intensities are normalised: the same up to scale and shift (and clipped ends).
    inner = (wanted > np.percentile(wanted, 2)) & (wanted < np.percentile(wanted, 98))
    slope, start = np.polyfit(wanted[inner], grid.moving[inner], 1)
    np.testing.assert_allclose(grid.moving[inner], slope * wanted[inner] + start, atol=1e-4)


def test_mind_is_led_by_mutual_information():
    """Alone on the coarse level, then together, pulling equally."""
    config, ops = replace(DEFAULT, similarity="mind"), CpuOps()
    arrays = [np.random.default_rng(i).random((1, 12, 13), dtype=np.float32) for i in range(2)]
    weight, ratio = np.ones_like(arrays[0]), np.array([1, 1, 1])
    first = make_term(config, ops, *arrays, weight, ratio, True)
    second = make_term(config, ops, *arrays, weight, ratio, False)
    assert isinstance(first, MutualInformation) and isinstance(second, Balanced)
    field = np.zeros((3, 1, 12, 13), np.float32)
    strengths = []
    second.force(field, field.copy())
    for term, share in ((second.first, 1.0), (second.second, second.share)):
        _, force = term.force(field, field.copy())
        strengths.append(share * ops.high_value(ops.length(force)))
    assert strengths[0] == pytest.approx(strengths[1], rel=1e-5)
