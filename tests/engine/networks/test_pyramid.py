"""The pyramid, and what it shares with the U-Nets: symmetry, shapes, gradients, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.networks.architecture import PRESETS, Architecture
from napari_voxelmorph.engine.networks.field_grid import both_displacements, displacement_of
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.pyramid import Pyramid, space_to_depth
from napari_voxelmorph.engine.networks.registry import build

SMALL = Architecture(
    design="pyramid",
    symmetric=True,
    encoder=(6, 8, 8),
    decoder=((8, 8), (8,), (8, 6)),
)
UNET = Architecture(symmetric=True, encoder=(4, 6), decoder=((6,), (6, 4)))
SHAPES = [(24, 16), (13, 18), (9, 12, 7), (1, 20, 5)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network_and_pair(
    architecture: Architecture, shape: tuple[int, ...]
) -> tuple[RegistrationNetwork, Tensor, Tensor]:
    network = build(replace(architecture, ndim=len(shape)), seeded(), field_std=0.05)
    moving, fixed = torch.rand((2, 2, 1, *shape), generator=seeded(1)).unbind()
    return network, moving, fixed


def test_size() -> None:
    count = sum(p.numel() for p in build(PRESETS["pyramid"]).parameters())
    assert 300_000 <= count <= 1_000_000


@pytest.mark.parametrize("probabilistic", [False, True])
@pytest.mark.parametrize("architecture", [SMALL, UNET], ids=["pyramid", "unet"])
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_exchanging_the_images_negates_the_velocity(
    shape: tuple[int, ...], architecture: Architecture, probabilistic: bool
) -> None:
    architecture = replace(architecture, probabilistic=probabilistic)
    network, moving, fixed = network_and_pair(architecture, shape)
    there, back = network(moving, fixed), network(fixed, moving)
    assert there.shape == (2, len(shape), *(-(-n // 2) for n in shape))
    assert there.abs().max() > 0.01
    torch.testing.assert_close(there, -back, atol=1e-6, rtol=1e-5)
    maps = [both_displacements(v, shape, network.architecture) for v in (there, back)]
    torch.testing.assert_close(maps[0][0], maps[1][1], atol=1e-5, rtol=1e-4)
    if probabilistic:
        (mean, spread), (_, same) = (
            network.distribution(*pair) for pair in ((moving, fixed), (fixed, moving))
        )
        torch.testing.assert_close(mean, there)
        torch.testing.assert_close(spread, same)
        assert spread.mean() == pytest.approx(-10, abs=0.1)
    else:
        with pytest.raises(InputError, match="probabilistic"):
            network.distribution(moving, fixed)


def test_an_image_and_itself() -> None:
    network, image, _ = network_and_pair(SMALL, (12, 16))
    assert network(image, image).abs().max() < 1e-6


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradients_reach_every_weight(symmetric: bool) -> None:
    architecture = replace(SMALL, probabilistic=True, symmetric=symmetric)
    network, moving, fixed = network_and_pair(architecture, (24, 16))
    for head in (network.decoder[-1].log_variance,):  # type: ignore[index, union-attr]
        torch.nn.init.normal_(head.weight, 0, 0.1, seeded(2))
    mean, log_variance = network.distribution(moving, fixed)
    (mean.square().sum() + log_variance.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("architecture", [SMALL, UNET, Architecture()], ids=str)
def test_checkpointing_changes_no_gradient(architecture: Architecture) -> None:
    network, moving, fixed = network_and_pair(architecture, (24, 16))
    slopes = []
    for use in (False, True):
        network.checkpointing = use
        network.zero_grad()
        network(moving, fixed).square().sum().backward()
        slopes.append([p.grad.clone() for p in network.parameters()])  # type: ignore[union-attr]
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("architecture", [SMALL, UNET], ids=["pyramid", "unet"])
def test_slabs_change_nothing(architecture: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    network, moving, fixed = network_and_pair(architecture, (200, 16))
    with torch.no_grad():
        whole = network(moving, fixed)
        monkeypatch.setattr("napari_voxelmorph.engine.networks.slabs.LARGEST", 5000)
        torch.testing.assert_close(network(moving, fixed), whole)


def test_features_of_one_image_serve_many_pairs() -> None:
    network, moving, fixed = network_and_pair(SMALL, (16, 24))
    assert isinstance(network, Pyramid)
    kept = network.encode(fixed)
    found = network.match(network.encode(moving), kept)
    torch.testing.assert_close(found, network(moving, fixed))
    assert [f.shape[2:] for f in kept] == [(8, 12), (4, 6), (2, 3)]


def test_space_to_depth_keeps_every_voxel() -> None:
    image = torch.arange(24.0).reshape(1, 1, 4, 6)
    cells = space_to_depth(image)
    assert cells.shape == (1, 4, 2, 3)
    for y in (0, 1):
        for x in (0, 1):
            assert torch.equal(cells[0, y + 2 * x], image[0, 0, y::2, x::2])


@pytest.mark.parametrize("architecture", [SMALL, UNET], ids=["pyramid", "unet"])
def test_half_precision(architecture: Architecture) -> None:
    network, moving, fixed = network_and_pair(architecture, (16, 12, 14))
    network = network.to(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        single = network(moving, fixed)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network(moving, fixed)
        half = network.bfloat16()(moving.bfloat16(), fixed.bfloat16())
    for found in (mixed, half):
        assert (found.float() - single).abs().mean() < 0.03 * single.abs().mean()


def blobs(centres: Tensor) -> Tensor:
    """Images (B, 1, 32, 32) of round blobs."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    squares = (y - centres[:, 0, None, None]) ** 2 + (x - centres[:, 1, None, None]) ** 2
    return torch.exp(-squares / 40)[:, None]


def test_learns_to_undo_a_translation() -> None:
    architecture = replace(SMALL, ndim=2)
    network, generator = build(architecture, seeded(), field_std=0.01), seeded(3)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        fixed = blobs(12 + 8 * torch.rand(8, 2, generator=generator))
        moving = blobs(12 + 8 * torch.rand(8, 2, generator=generator))
        u = displacement_of(network(moving, fixed), (32, 32), architecture)
        loss = (warp(moving, u) - fixed).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moving, fixed = blobs(torch.tensor([[12.0, 17.0]])), blobs(torch.tensor([[17.0, 14.0]]))
    with torch.no_grad():
        u = displacement_of(network(moving, fixed), (32, 32), architecture)
    before = (moving - fixed).square().mean()
    assert (warp(moving, u) - fixed).square().mean() < 0.1 * before
    # Pull-back: the fixed blob's centre looks 5 voxels back and 3 to the right.
    torch.testing.assert_close(u[0, :, 17, 14], torch.tensor([-5.0, 3.0]), atol=1.0, rtol=0)


def test_json() -> None:
    text = json.dumps(PRESETS["pyramid"].to_json())
    assert Architecture.from_json(json.loads(text)) == PRESETS["pyramid"]
    old = PRESETS["velocity"].to_json()
    for name in ("design", "symmetric"):
        del old[name]
    assert Architecture.from_json(old) == PRESETS["velocity"]


@pytest.mark.parametrize(
    "change",
    [
        {"design": "tower"},
        {"symmetric": 1},
        {"output": "displacement"},
        {"decoder": ((8,), (8,), (8,), (8,))},
        {"encoder": (6, 8, 8), "decoder": ()},
    ],
)
def test_foreign_architectures_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Architecture.from_json({**SMALL.to_json(), **change})
