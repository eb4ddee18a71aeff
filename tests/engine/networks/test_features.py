"""Kernels for features against torch, values and gradients; symmetry of the comparison."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.networks.comparison import compare, compare_by_torch
from napari_voxelmorph.engine.networks.feature_warp import warp_features
from napari_voxelmorph.engine.networks.slabs import checkpointed, in_slabs
from napari_voxelmorph.engine.networks.unet import convolution, double, halve
from napari_voxelmorph.engine.parallel import set_threads, thread_count

SHAPES = [(5, 6, 7), (6, 9), (1, 4, 5), (7, 1)]


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    before = thread_count()
    set_threads(request.param)
    yield
    set_threads(before)


def features(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.randn((2, 2, 5, *shape), generator=generator).unbind()
    return one.requires_grad_(), other.requires_grad_()


def same_slopes(
    ours: Callable[..., Tensor], oracle: Callable[..., Tensor], *inputs: Tensor
) -> None:
    values = ours(*inputs), oracle(*inputs)
    torch.testing.assert_close(*values, atol=1e-5, rtol=1e-5)
    weights = torch.randn(values[0].shape, generator=torch.Generator().manual_seed(9))
    slopes = [torch.autograd.grad((v * weights).sum(), inputs) for v in values]
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", ["plain", "channels last"])
def test_warp_of_features(shape: tuple[int, ...], layout: str) -> None:
    image, _ = features(shape)
    if layout == "channels last":
        last = torch.channels_last_3d if len(shape) == 3 else torch.channels_last
        image = image.detach().contiguous(memory_format=last).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    # Some positions lie outside.
    field = (2 * torch.randn((2, len(shape), *shape), generator=generator)).requires_grad_()
    same_slopes(warp_features, warp, image, field)


def test_features_are_warped_in_float32() -> None:
    image, _ = features((5, 6))
    field = torch.full((2, 2, 5, 6), 0.3)
    half = image.detach().bfloat16()
    torch.testing.assert_close(warp_features(half, field), warp(half.float(), field))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_comparison(shape: tuple[int, ...], part: int) -> None:
    pair = features(shape)
    same_slopes(lambda m, f: compare(m, f)[part], lambda m, f: compare_by_torch(m, f)[part], *pair)


@pytest.mark.parametrize("how", [compare, compare_by_torch])
@pytest.mark.parametrize("shape", SHAPES)
def test_exchanging_the_images(
    shape: tuple[int, ...], how: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    moving, fixed = (f.detach() for f in features(shape))
    (same, differ), (again, negated) = how(moving, fixed), how(fixed, moving)
    torch.testing.assert_close(same, again)
    torch.testing.assert_close(differ, -negated)


def test_the_correlation_is_largest_at_the_displacement() -> None:
    """Equal features one row apart: of all cosines that of this neighbour is 1."""
    moving, _ = features((8, 9))
    fixed = moving.detach().roll(1, 2)  # moving(x) is fixed(x + (1, 0))
    same, differ = compare(moving.detach(), fixed)
    channels = moving.shape[1]
    ahead = (same[:, channels + 1 :] + differ[:, channels:]) * 0.5**0.5
    behind = (same[:, channels + 1 :] - differ[:, channels:]) * 0.5**0.5
    neighbours = [e for e in product((-1, 0, 1), repeat=2) if e > (0, 0)]
    cosines = {e: ahead[:, i, 2:-2, 1:-1].mean() for i, e in enumerate(neighbours)}
    assert cosines[1, 0] == pytest.approx(1, abs=1e-5)
    others = [c for e, c in cosines.items() if e != (1, 0)]
    assert max(others) < 0.6 and behind.abs().mean() < 0.6


def test_slabs_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layers = [convolution(3, 4, 6), convolution(3, 6, 2)]
    coarse, fine = torch.rand(1, 2, 13, 5, 6), torch.rand(1, 2, 26, 10, 12)
    seen = []

    def up(x: Tensor, skip: Tensor) -> Tensor:
        seen.append(len(x[0, 0]))
        x = torch.cat([double(x), skip], 1)
        for layer in layers:
            x = torch.relu(layer(x))
        return x

    def down(x: Tensor) -> Tensor:
        return halve(torch.relu(layers[0](torch.cat([x, x], 1))))

    with torch.no_grad():
        whole = up(coarse, fine), down(fine)
        monkeypatch.setattr("napari_voxelmorph.engine.networks.slabs.LARGEST", 3000)
        parts = in_slabs(up, [coarse, fine], 1, 6), in_slabs(down, [fine], 1, 6, unit=2)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)
    assert max(seen[1:]) < 13 and len(seen) > 3


def test_computing_again_changes_no_number() -> None:
    layer, image = convolution(2, 1, 3), torch.rand(1, 1, 8, 9)
    slopes = []
    for use in (False, True):
        layer.zero_grad()
        checkpointed(use, lambda x: layer(x).square(), image).sum().backward()
        assert layer.weight.grad is not None
        slopes.append(layer.weight.grad.clone())
    assert torch.equal(*slopes)
