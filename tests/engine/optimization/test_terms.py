"""Forces of the similarity terms against finite differences and between devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.optimization.field_ops import CpuOps, TorchOps
from napari_voxelmorph.engine.optimization.histogram_slope import mutual_information_slope
from napari_voxelmorph.engine.optimization.terms import LnccCpu, make_term

CPU, TORCH = CpuOps(), TorchOps(torch.device("cpu"))
SIMILARITIES = ["lncc", "mse", "mi", "mind"]


def image(shape, seed=0, sigma=1.5):
    found = gaussian_filter(
        np.random.default_rng(seed).normal(size=shape), [sigma * (n > 1) for n in shape]
    )
    return ((found - found.mean()) / found.std()).astype(np.float32)


def both(name, shape, weight=None, ratio=(1, 1, 1), size=0.6):
    config, ratio = replace(DEFAULT, similarity=name), np.array(ratio)
    weight = np.ones(shape, np.float32) if weight is None else weight
    cells = tuple(-(-n // int(r)) for n, r in zip(shape, ratio, strict=True))
    field = (size * np.stack([image(cells, 10 + c) for c in range(3)])).astype(np.float32)
    found = []
    for ops in (CPU, TORCH):
        arrays = [ops.array(a) for a in (image(shape), image(shape, 1), weight)]
        value, force = make_term(config, ops, *arrays, ratio).force(
            ops.array(field), ops.zeros((3, *cells))
        )
        found.append((value, ops.numpy(force)))
    return found


@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize(
    "shape, ratio", [((9, 10, 8), (1, 1, 1)), ((9, 10, 8), (2, 2, 2)), ((1, 13, 12), (1, 2, 2))]
)
def test_devices_agree(name, shape, ratio):
    (value, force), (other_value, other_force) = both(name, shape, ratio=ratio)
    # Bytes on the CPU: the weight that makes both parts of "mind" pull equally is a little off.
    assert value == pytest.approx(other_value, abs=2e-4, rel=5e-3 if name == "mind" else 5e-4)
    assert np.abs(force).max() > 0
    np.testing.assert_allclose(force, other_force, atol=1e-2 * np.abs(other_force).max())


@pytest.mark.parametrize("name", SIMILARITIES)
def test_nothing_counts_where_the_weight_is_zero(name):
    shape = (10, 9, 8)
    weight = np.ones(shape, np.float32)
    weight[6:] = 0
    for value, force in both(name, shape, weight):
        assert np.isfinite(value)
        assert np.abs(force[:, 6:]).max() == 0 and np.abs(force[:, :5]).max() > 0
    for value, force in both(name, shape, np.zeros(shape, np.float32)):
        assert np.isfinite(value) and (force == 0).all()


@pytest.mark.parametrize("name", ["lncc", "mse", "mi"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_force_points_uphill_as_finite_differences_do(name, masked):
    """The force of a uniform shift, summed, is the slope of the similarity along it.

    Central differences of a smooth moved image stand for its gradient, hence the tolerance.
    """
    shape, ratio = (1, 40, 44), np.array([1, 1, 1])
    weight = np.ones(shape, np.float32)
    if masked:
        weight[:, 5:20, 7:30] = 0
    weight[:, [0, 1, -2, -1]] = 0
    weight[:, :, [0, 1, -2, -1]] = 0
    fixed, moving = image(shape, 0, 3.0), image(shape, 0, 3.0)
    moving = (np.roll(moving, 2, 1) + 0.3 * image(shape, 1, 3.0)).astype(np.float32)
    term = make_term(replace(DEFAULT, similarity=name), CPU, fixed, moving, weight, ratio)
    for axis in (1, 2):
        shifts, values = 0.05, []
        for s in (-shifts, shifts):
            field = np.zeros((3, *shape), np.float32)
            field[axis] = 0.4 + s
            values.append(term.force(field, np.zeros_like(field))[0])
        field = np.zeros((3, *shape), np.float32)
        field[axis] = 0.4
        _, force = term.force(field, np.zeros_like(field))
        slope = (values[1] - values[0]) / (2 * shifts) * weight.sum()
        assert float(force[axis].sum()) == pytest.approx(
            float(slope), rel=0.1, abs=0.01 * float(np.abs(force[axis]).sum())
        )


def test_slope_of_mutual_information_against_finite_differences():
    fixed, moved = (torch.from_numpy(image((20, 22, 12), s)) for s in (0, 1))
    moved = 0.6 * fixed + 0.5 * moved
    weight = (torch.rand(fixed.shape, generator=torch.Generator().manual_seed(0)) > 0.3).float()
    _, slope = mutual_information_slope(fixed, moved, weight)
    assert (slope[weight == 0] == 0).all()
    for direction in (moved**2, torch.sin(2 * moved) * fixed):
        ahead, behind = (
            mutual_information_slope(fixed, moved + s * direction, weight)[0] for s in (1e-3, -1e-3)
        )
        expected = (ahead - behind) / 2e-3 * float(weight.sum())
        assert float((slope * direction).sum()) == pytest.approx(expected, rel=0.06)


def test_mutual_information_of_nothing_and_of_outliers():
    shape = (6, 7, 5)
    value, slope = mutual_information_slope(
        torch.randn(shape), torch.randn(shape), torch.zeros(shape)
    )
    assert np.isfinite(value) and (slope == 0).all()
    value, slope = mutual_information_slope(
        1e6 * torch.randn(shape), -1e6 * torch.randn(shape), torch.ones(shape)
    )
    assert np.isfinite(value) and torch.isfinite(slope).all()


def test_thin_masks_do_not_bring_nan():
    shape = (9, 10, 8)
    weight = np.zeros(shape, np.float32)
    weight[4, 4, 4] = 1
    term = LnccCpu(CPU, image(shape), image(shape, 1), weight, np.array([1, 1, 1]), 2)
    value, force = term.force(np.zeros((3, *shape), np.float32), np.zeros((3, *shape), np.float32))
    assert np.isfinite(value) and np.isfinite(force).all()
