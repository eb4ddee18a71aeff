"""A field on its own grid, sampled in blocks and at points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field, block_of


def make(shape, kind="displacement", seed=0):
    rng = np.random.default_rng(seed)
    data = np.stack([gaussian_filter(rng.normal(size=shape), 1.5) for _ in shape]) * 5
    ndim = len(shape)
    return Field(data, np.array([2.0, 3.0, 1.5])[:ndim], np.array([-1.0, 0.5, 2.0])[:ndim], kind)


def reference(field, positions):
    """Displacement in fixed voxels at positions (D, ...) of the fixed grid."""
    column = (-1, *[1] * (positions.ndim - 1))
    local = (positions - field.offset.reshape(column)) / field.scale.reshape(column)
    return np.stack(
        [
            map_coordinates(c.astype(float) * s, local, order=1, mode="nearest")
            for c, s in zip(field.data, field.scale, strict=True)
        ]
    )


@pytest.mark.parametrize("shape", [(7, 9), (5, 6, 7)])
def test_samples_agree_with_scipy(shape):
    field = make(shape)
    start, step = np.array([1.0, -2.0, 3.0])[: len(shape)], np.array([2.0, 1.0, 3.0])[: len(shape)]
    size = (6, 8, 5)[: len(shape)]
    grid = np.indices(size)
    column = (-1, *[1] * len(shape))
    positions = start.reshape(column) + step.reshape(column) * grid
    truth = reference(field, positions)
    np.testing.assert_allclose(field.sample(start, step, size), truth, atol=1e-4)
    points = positions.reshape(len(shape), -1).T
    np.testing.assert_allclose(field.at(points), truth.reshape(len(shape), -1).T, atol=1e-4)


@pytest.mark.parametrize("kind", ["velocity", "displacement"])
@pytest.mark.parametrize("shape", [(31, 29), (17, 15, 16)])
def test_backward_undoes_forward(kind, shape):
    rng = np.random.default_rng(2)
    data = np.stack([gaussian_filter(rng.normal(size=shape), 4.0) for _ in shape])
    for axis, n in enumerate(shape):
        window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        data = data * window.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    data *= 0.8 / np.abs(data).max()
    field = Field(data, [2.0] * len(shape), [1.0] * len(shape), kind)
    rng = np.random.default_rng(1)
    points = rng.uniform(8, 2 * min(shape) - 8, (200, len(shape)))
    there = points + field.at(points)
    back = there + field.at(there, inverse=True)
    assert np.abs(there - points).max() > 0.3
    assert np.abs(back - points).max() < 0.06


def test_unknown_points_stay_unknown():
    field = make((7, 9))
    found = field.at(np.array([[np.nan, 1.0], [2.0, 3.0], [np.inf, 0.0]]))
    assert np.isnan(found[[0, 2]]).all() and np.isfinite(found[1]).all()


def test_blocks():
    shape = (10, 7)
    whole = np.arange(70).reshape(shape)
    for index in [None, (), (slice(2, 9, 3),), (slice(None), slice(5, 1, -2)), (-1, 3)]:
        start, step, size = block_of(index, shape)
        axes = [a + s * np.arange(n) for a, s, n in zip(start, step, size, strict=True)]
        keep = tuple(slice(k, k + 1 or None) if isinstance(k, int) else k for k in index or ())
        np.testing.assert_array_equal(whole[np.ix_(*[a.astype(int) for a in axes])], whole[keep])
    assert block_of((slice(4, 4),), shape)[2] == (0, 7)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"data": np.zeros((2, 4, 4, 4))}, "shape"),
        ({"data": np.full((2, 4, 4), np.nan)}, "NaN"),
        ({"scale": [1.0]}, "scale"),
        ({"scale": [1.0, 0.0]}, "above zero"),
        ({"offset": [1.0, np.inf]}, "offset"),
        ({"kind": "speed"}, "kind"),
    ],
)
def test_refusals(change, words):
    good = {"data": np.zeros((2, 4, 4)), "scale": [1, 1], "offset": [0, 0], "kind": "velocity"}
    Field(**good)
    with pytest.raises(InputError, match=words):
        Field(**(good | change))
