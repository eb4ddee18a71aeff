"""Losses against plain float64 references, and what is true of them in mathematics."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.mind import mind, mind_ssc
from napari_voxelmorph.engine.losses.mse import mse
from napari_voxelmorph.engine.losses.mutual_information import (
    mutual_information,
    normalized_mutual_information,
)
from napari_voxelmorph.engine.losses.overlap import dice, soft_dice
from napari_voxelmorph.engine.losses.smoothness import bending_energy, gradient_l2

SHAPES = [(11, 8), (7, 9, 6)]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
IMAGE_LOSSES = [mse, mutual_information, normalized_mutual_information, mind]


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors are tiny here, and waiting for each other is all that threads would do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def images(shape, seed=0, dtype=torch.float64, batch=2, channels=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.rand(batch, channels, *shape, generator=generator, dtype=torch.float64).to(dtype)
        for _ in range(2)
    ]


def block_mask(shape):
    mask = torch.zeros(1, 1, *shape)
    mask[(slice(None), slice(None), *[slice(1, n - 2) for n in shape])] = 1
    return mask


# --- references ---------------------------------------------------------------------------


def reference_mi(fixed, moved, bins=32, weights=None):
    """Histogram voxel by voxel."""
    f, m = fixed.ravel(), moved.ravel()
    w = np.ones(len(f)) if weights is None else weights.ravel()
    f, m, w = f[w > 0], m[w > 0], w[w > 0]
    joint = np.zeros((bins, bins))
    centers = np.arange(bins)
    scale = [(v - v.min()) / (v.max() - v.min()) * (bins - 1) for v in (f, m)]
    for x, y, weight in zip(*scale, w, strict=True):
        a, b = (np.exp(-2 * (v - centers) ** 2) for v in (x, y))
        joint += weight * np.outer(a / a.sum(), b / b.sum())
    joint /= joint.sum()

    def entropy(p):
        p = p[p > 1e-12]
        return -(p * np.log(p)).sum()

    return entropy(joint.sum(1)), entropy(joint.sum(0)), entropy(joint)


def reference_mind(image, radius=1, dilation=2):
    d = image.ndim
    offsets = [s * dilation * np.eye(d, dtype=int)[a] for a in range(d) for s in (-1, 1)]
    padded = np.pad(image, dilation, mode="edge")

    def seen(offset):
        return padded[
            tuple(
                slice(dilation + o, dilation + o + n)
                for o, n in zip(offset, image.shape, strict=True)
            )
        ]

    distances = np.stack(
        [
            uniform_filter((seen(a) - seen(b)) ** 2, 2 * radius + 1, mode="nearest")
            for a, b in combinations(offsets, 2)
            if (a + b).any()
        ]
    )
    distances -= distances.min(axis=0)
    variance = distances.mean(axis=0)
    variance = np.clip(variance, 1e-3 * variance.mean(), 1e3 * variance.mean())
    return np.exp(-distances / variance)


def reference_bending(u, spacing):
    """Second differences of one batch entry (D, *S), written out."""
    d = len(u)
    u = u * np.reshape(spacing, (d, *[1] * d))
    inner = tuple(slice(1, -1) for _ in range(d))
    total = 0.0
    for component in u:
        for i in range(d):
            for j in range(d):

                def at(si, sj, i=i, j=j, component=component):
                    return np.roll(np.roll(component, -si, i), -sj, j)[inner]

                if i == j:
                    value = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
                else:
                    value = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
                total += ((value / (spacing[i] * spacing[j])) ** 2).mean()
    return total / d


# --- against the references ---------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
def test_mse_and_mi_agree_with_the_reference(shape, masked):
    fixed, moved = images(shape)
    mask = block_mask(shape) if masked else None
    weights = mask[0, 0].numpy() if masked else None
    f, m = fixed.numpy(), moved.numpy()
    keep = np.ones(shape, bool) if weights is None else weights > 0
    assert mse(fixed, moved, mask).item() == pytest.approx(((f - m)[:, 0, keep] ** 2).mean())
    h = np.array([reference_mi(f[b, 0], m[b, 0], weights=weights) for b in range(2)])
    assert mutual_information(fixed, moved, mask).item() == pytest.approx(
        (h[:, 0] + h[:, 1] - h[:, 2]).mean(), rel=1e-6
    )
    assert normalized_mutual_information(fixed, moved, mask).item() == pytest.approx(
        ((h[:, 0] + h[:, 1]) / h[:, 2]).mean(), rel=1e-6
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_mind_agrees_with_the_reference(shape):
    fixed, moved = images(shape)
    mask = block_mask(shape)
    wanted = [np.stack([reference_mind(i[b, 0].numpy()) for b in range(2)]) for i in (fixed, moved)]
    got = mind_ssc(fixed)
    assert got.shape == (2, {2: 4, 3: 12}[len(shape)], *shape)
    assert np.allclose(got.numpy(), wanted[0], atol=1e-9)
    squared = (wanted[0] - wanted[1]) ** 2
    assert mind(fixed, moved).item() == pytest.approx(squared.mean())
    keep = mask[0, 0].numpy() > 0
    assert mind(fixed, moved, mask).item() == pytest.approx(squared[:, :, keep].mean())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("anisotropic", [False, True])
def test_smoothness_agrees_with_the_reference(shape, anisotropic):
    d = len(shape)
    field = torch.randn(
        2, d, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    spacing = [0.8, 1.7, 3.0][:d] if anisotropic else None
    sizes = np.array(spacing or [1.0] * d)
    u = field.numpy()
    scaled = u * sizes.reshape(1, d, *[1] * d)
    wanted = np.mean([(np.diff(scaled, axis=a + 2) ** 2 / sizes[a] ** 2).mean() for a in range(d)])
    assert gradient_l2(field, spacing).item() == pytest.approx(wanted)
    bent = np.mean([reference_bending(u[b], sizes) for b in range(2)])
    assert bending_energy(field, spacing).item() == pytest.approx(bent)


@pytest.mark.parametrize("shape", SHAPES)
def test_dice_agrees_with_the_reference(shape):
    fixed, moved = images(shape, channels=3)
    fixed[:, 2] = moved[:, 2] = 0  # a label that is not there
    f, m = fixed.numpy().reshape(2, 3, -1), moved.numpy().reshape(2, 3, -1)
    wanted = 2 * (f * m).sum(-1)[:, :2] / (f + m).sum(-1)[:, :2]
    assert np.allclose(soft_dice(fixed, moved)[:, :2].numpy(), wanted)
    assert (soft_dice(fixed, moved)[:, 2] == 0).all()
    assert dice(fixed, moved).item() == pytest.approx(1 - wanted.mean())
    mask = block_mask(shape)
    keep = mask[0, 0].numpy().ravel() > 0
    f, m = f[:, :2, keep], m[:, :2, keep]
    wanted = 2 * (f * m).sum(-1) / (f + m).sum(-1)
    assert dice(fixed, moved, mask).item() == pytest.approx(1 - wanted.mean())


# --- gradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 5), (5, 4, 5)])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(shape, masked):
    fixed, moved = (i.requires_grad_() for i in images(shape, batch=1))
    mask = block_mask(shape) if masked else None
    ranges = ((-0.1, 1.1), (-0.1, 1.1))
    losses = [
        lambda a, b: mse(a, b, mask),
        lambda a, b: mutual_information(a, b, mask, bins=8, ranges=ranges),
        lambda a, b: normalized_mutual_information(a, b, mask, bins=8, ranges=ranges),
        lambda a, b: mind(a, b, mask, dilation=1),
        lambda a, b: dice(a, b, mask),
    ]
    for loss in losses:
        assert torch.autograd.gradcheck(loss, (fixed, moved), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("shape", [(5, 4), (4, 5, 3)])
def test_gradients_of_smoothness(shape):
    field = torch.randn(1, len(shape), *shape, dtype=torch.float64, requires_grad=True)
    spacing = (1.0, 2.0, 0.5)[: len(shape)]
    assert torch.autograd.gradcheck(lambda u: gradient_l2(u, spacing), field)
    assert torch.autograd.gradcheck(lambda u: bending_energy(u, spacing), field)


# --- hard inputs --------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", IMAGE_LOSSES)
def test_constant_and_huge_images_give_finite_numbers(loss, shape, device):
    fixed, moved = (i.to(device) for i in images(shape, dtype=torch.float32))
    flat = torch.full_like(fixed, 3.0)
    pairs = [(flat, flat), (flat, moved), (fixed, flat), (fixed * 1e4, moved * 1e4 + 1e4)]
    for a, b in pairs:
        b = b.clone().requires_grad_()
        value = loss(a, b)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(b.grad).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", [mutual_information, normalized_mutual_information, mind])
def test_gain_and_offset_do_not_matter(loss, shape):
    fixed, moved = images(shape, dtype=torch.float32)
    assert loss(fixed, moved * 1e4 + 300).item() == pytest.approx(
        loss(fixed, moved).item(), rel=1e-2
    )


@pytest.mark.parametrize("loss", [mse, mutual_information, normalized_mutual_information])
def test_nothing_outside_of_the_mask_counts(loss):
    shape = SHAPES[1]
    fixed, moved = images(shape)
    mask = block_mask(shape)
    outside = mask.expand_as(moved) == 0
    spoilt = moved.clone()
    spoilt[outside] = float("nan")
    spoilt.requires_grad_()
    value = loss(fixed, spoilt, mask)
    value.backward()
    assert value.item() == pytest.approx(loss(fixed, moved, mask).item())
    assert (spoilt.grad[outside] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("loss", IMAGE_LOSSES)
def test_other_number_types_are_compared_in_float32(loss, dtype):
    fixed, moved = ((i * 100).to(dtype) for i in images(SHAPES[1]))
    assert loss(fixed, moved).dtype == torch.float32


def test_equal_images_are_best():
    fixed, moved = images(SHAPES[1])
    assert mse(fixed, fixed) == 0
    assert mind(fixed, fixed) == 0
    assert mutual_information(fixed, fixed) > mutual_information(fixed, moved)
    assert 1 <= normalized_mutual_information(fixed, moved) < 2
    assert mutual_information(torch.ones_like(fixed), moved).item() == pytest.approx(0, abs=1e-6)
    assert normalized_mutual_information(*[torch.ones_like(fixed)] * 2).item() == pytest.approx(1)


def test_mutual_information_in_chunks_is_the_same(monkeypatch):
    fixed, moved = images(SHAPES[1])
    whole = mutual_information(fixed, moved)
    monkeypatch.setattr("napari_voxelmorph.engine.losses.mutual_information.CHUNK", 50)
    assert mutual_information(fixed, moved).item() == pytest.approx(whole.item(), rel=1e-12)


def test_affine_fields_do_not_bend_and_constant_ones_are_smooth():
    index = torch.stack(torch.meshgrid(*[torch.arange(6.0)] * 3, indexing="ij"))[None].double()
    affine = torch.einsum("ij,bjxyz->bixyz", torch.randn(3, 3).double(), index) + 2
    assert bending_energy(affine, (1, 2, 3)).item() == pytest.approx(0, abs=1e-20)
    assert gradient_l2(torch.ones_like(affine)) == 0
    assert gradient_l2(torch.ones(1, 3, 1, 1, 1)) == 0
    assert bending_energy(torch.randn(1, 3, 2, 2, 2)) == 0


def test_refusals():
    fixed, _ = images(SHAPES[1])
    for loss in (*IMAGE_LOSSES, dice):
        with pytest.raises(InputError, match="one shape"):
            loss(fixed, fixed[..., :-1])
        with pytest.raises(InputError, match="mask"):
            loss(fixed, fixed, torch.ones(1, 1, 2, 2, 2))
    for smoothness in (gradient_l2, bending_energy):
        with pytest.raises(InputError, match="components"):
            smoothness(fixed)
        with pytest.raises(InputError, match="positive"):
            smoothness(torch.zeros(1, 2, 5, 5), (1.0, 0.0))
