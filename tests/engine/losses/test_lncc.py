"""Local correlation: torch, kernels and a float64 reference written plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses import lncc_kernels
from napari_voxelmorph.engine.losses.lncc import box_sum, lncc
from napari_voxelmorph.engine.parallel import run_slabs

SHAPES = [(11, 8), (7, 9, 6), (1, 8, 9)]


def pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=shape)
    return first, 0.6 * first**2 - 0.4 * first + 0.3 * rng.normal(size=shape)


def windows(image, radius):
    return correlate(image, np.ones((2 * radius + 1,) * image.ndim), mode="constant")


def reference(fixed, moved, radius, mask, floor):
    """Window by window, in double precision."""
    n = np.maximum(windows(mask, radius), 1)
    f, m = fixed * mask, moved * mask
    sum_f, sum_m = windows(f, radius), windows(m, radius)
    cross = windows(f * m, radius) - sum_f * sum_m / n
    var_f = windows(f * f, radius) - sum_f**2 / n + floor * n
    var_m = windows(m * m, radius) - sum_m**2 / n + floor * n
    return -(mask * cross**2 / (var_f * var_m)).sum() / max(1, mask.sum())


def tensors(*arrays, dtype=torch.float64):
    return [torch.from_numpy(np.asarray(a))[None, None].to(dtype) for a in arrays]


@pytest.mark.parametrize("radius", [1, 2, 4, 9])
def test_box_sums(radius):
    image = pair((5, 9, 12))[0]
    truth = windows(image, radius)
    np.testing.assert_allclose(box_sum(*tensors(image), radius)[0, 0], truth, atol=1e-10)
    single = image.astype(np.float32)
    for slabs in ([(0, 5)], [(0, 2), (2, 3), (3, 5)]):
        out = np.empty_like(single)
        for a, b in slabs:
            lncc_kernels.box_sums(single, np.ones_like(single), radius, out, a, b)
        np.testing.assert_allclose(out, truth, atol=2e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("radius", [1, 3])
def test_agrees_with_the_reference(shape, masked, radius):
    fixed, moved = pair(shape)
    mask = (pair(shape, 5)[0] > -0.5).astype(float) if masked else np.ones(shape)
    value = lncc(*tensors(fixed, moved), radius, mask=tensors(mask)[0], floor=1e-3)
    assert float(value) == pytest.approx(reference(fixed, moved, radius, mask, 1e-3), abs=1e-9)
    far = lncc(*tensors(fixed + 300, moved - 50, dtype=torch.float32), radius, floor=1e-3)
    near = lncc(*tensors(fixed, moved), radius, floor=1e-3)
    assert float(far) == pytest.approx(float(near), abs=1e-3)  # centring saves the digits


@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_gradient(shape, masked):
    fixed, moved = (t.requires_grad_(True) for t in tensors(*pair(shape)))
    mask = tensors((pair(shape, 5)[0] > -0.5).astype(float))[0] if masked else None
    assert torch.autograd.gradcheck(lambda f, m: lncc(f, m, 1, mask=mask), (fixed, moved))


def by_kernels(fixed, moved, radius, weight, floor):
    """Value and slope as `terms.LnccCpu` computes them, for any slabs."""
    f, m, w = (
        np.ascontiguousarray(a, np.float32) for a in (fixed * weight, moved * weight, weight)
    )
    ones, n = np.ones_like(f), f.shape[0]
    count, sums, squares, slope = (np.empty_like(f) for _ in range(4))
    adjoints = [np.empty_like(f) for _ in range(3)]
    run_slabs(lncc_kernels.box_sums, n, w, ones, radius, count)
    count = np.maximum(count, 1)
    run_slabs(lncc_kernels.box_sums, n, f, ones, radius, sums)
    run_slabs(lncc_kernels.box_sums, n, f, f, radius, squares)
    variance = squares - sums**2 / count + np.float32(floor) * count
    parts = run_slabs(
        lncc_kernels.lncc_adjoints, n, f, m, w, count, sums, variance, radius,
        np.float32(floor), *adjoints,
    )  # fmt: skip
    run_slabs(lncc_kernels.lncc_gradient, n, f, m, *adjoints, radius, slope)
    return sum(parts) / max(1.0, w.sum()), slope * w


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(7, 9, 6), (1, 8, 9), (12, 1, 5)])
def test_kernels_agree_with_torch(shape, masked):
    fixed, moved = pair(shape)
    weight = (pair(shape, 5)[0] > -0.5).astype(float) if masked else np.ones(shape)
    value, slope = by_kernels(fixed, moved, 2, weight, 1e-3)
    fixed_t, moved_t, weight_t = tensors(fixed, moved, weight)
    moved_t.requires_grad_(True)
    loss = lncc(fixed_t, moved_t, 2, mask=weight_t, floor=1e-3)
    (truth,) = torch.autograd.grad(loss, moved_t)
    assert value == pytest.approx(-float(loss.detach()), abs=2e-4)
    truth = -truth[0, 0].numpy() * max(1.0, weight.sum())
    np.testing.assert_allclose(slope, truth, atol=2e-3 * np.abs(truth).max())


@pytest.mark.parametrize("value", [0.0, 7.5, -3e4])
def test_constant_images_give_zero_and_no_nan(value):
    image = torch.full((1, 1, 6, 7, 5), value, requires_grad=True)
    other = torch.randn(1, 1, 6, 7, 5)
    for fixed in (other, torch.full_like(other, value)):
        loss = lncc(fixed, image, 2)
        (slope,) = torch.autograd.grad(loss, image)
        assert abs(float(loss.detach())) < 1e-4 and torch.isfinite(slope).all()
    flat = np.zeros((6, 7, 5))
    found, slope = by_kernels(flat, flat, 2, np.ones_like(flat), 1e-3)
    assert found == 0 and (slope == 0).all()
    found, slope = by_kernels(flat, flat, 2, flat, 1e-3)  # nothing counts
    assert found == 0 and (slope == 0).all()


def test_the_sign_of_the_correlation_does_not_matter_and_equal_is_best():
    image = tensors(pair((8, 9, 7))[0])[0]
    assert float(lncc(image, image, 2, floor=1e-9)) == pytest.approx(-1, abs=1e-6)
    assert float(lncc(image, -2 * image + 5, 2, floor=1e-9)) == pytest.approx(-1, abs=1e-6)
    assert float(lncc(image, image.flip(2), 2)) > -0.5


def test_symmetric_in_its_images():
    fixed, moved = tensors(*pair((8, 9)))
    assert float(lncc(fixed, moved, 2)) == pytest.approx(float(lncc(moved, fixed, 2)))


def test_half_precision_is_computed_in_single():
    fixed, moved = tensors(*pair((8, 9)), dtype=torch.float16)
    single = lncc(fixed.float(), moved.float())
    assert lncc(fixed, moved).dtype == torch.float32
    assert float(lncc(fixed, moved)) == pytest.approx(float(single))


def test_refusals():
    with pytest.raises(InputError, match="share one shape"):
        lncc(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
    with pytest.raises(InputError, match="share one shape"):
        lncc(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))
