"""The networks: sizes, shapes, where voxels lie, and what is random."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.networks.architecture import PRESETS, Architecture
from napari_voxelmorph.engine.networks.field_grid import (
    both_displacements,
    displacement_of,
    to_image_grid,
)
from napari_voxelmorph.engine.networks.probabilistic import (
    LOG_VARIANCE_BIAS,
    ProbabilisticVoxelMorph,
    deviation,
    sample,
)
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.unet import UNet

SMALL = {"encoder": (4, 6), "decoder": ((6,), (6, 4))}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("name", "count"),
    # The published files hold as many numbers.
    [("voxelmorph-1", 259_675), ("voxelmorph-2", 300_547), ("voxelmorph-diff", 266_374)],
)
def test_number_of_weights(name: str, count: int) -> None:
    network = build(PRESETS[name])
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("downsampling", ["max-pool", "strided"])
@pytest.mark.parametrize("shape", [(16, 16), (13, 18), (9, 12, 7), (1, 5)])
def test_any_shape(shape: tuple[int, ...], downsampling: str) -> None:
    architecture = Architecture(ndim=len(shape), downsampling=downsampling, **SMALL)
    network = build(architecture, seeded())
    moving, fixed = torch.rand((2, 2, 1, *shape), generator=seeded()).unbind()
    velocity = network(moving, fixed)
    assert velocity.shape == (2, len(shape), *(-(-n // 2) for n in shape))
    u = displacement_of(velocity, shape, architecture)
    assert u.shape == (2, len(shape), *shape) and u.abs().max() < 0.01


def test_padding_does_not_move_the_image() -> None:
    """A background border is worth as much as the padding inside."""
    architecture = Architecture(ndim=2, **SMALL)
    network = build(architecture, seeded())
    torch.nn.init.normal_(network.field.weight, 0, 0.1, seeded(1))
    images = torch.zeros(2, 1, 1, 24, 24)
    images[..., 4:14, 4:14] = torch.rand(2, 1, 1, 10, 10, generator=seeded())
    whole = network(*images)
    part = network(*images[..., :21, :22])
    torch.testing.assert_close(part[..., :11, :11], whole[..., :11, :11])


def test_weights_come_from_the_generator() -> None:
    first, again, other = (build(Architecture(**SMALL), seeded(s)) for s in (3, 3, 4))
    key = "unet.up.1.1.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    fan_in = first.state_dict()[key][0].numel()
    assert first.state_dict()[key].std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)


def test_half_precision_and_channels_last() -> None:
    network = build(Architecture(**SMALL), seeded())
    moving, fixed = torch.rand((2, 1, 1, 8, 9, 10), generator=seeded()).unbind()
    wanted = network(moving, fixed)
    last = network.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(last(moving, fixed), wanted)
    half = last.to(torch.bfloat16)(moving.bfloat16(), fixed.bfloat16())
    assert displacement_of(half, (8, 9, 10), network.architecture).dtype == torch.float32


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(12, 10), (11, 9), (8, 7, 6)])
def test_same_grid_as_the_field_of_a_registration(shape: tuple[int, ...], offset: float) -> None:
    ndim = len(shape)
    data = torch.rand((1, ndim, *(-(-n // 2) for n in shape)), generator=seeded())
    field = Field(data[0].numpy(), np.full(ndim, 2.0), np.full(ndim, offset), "displacement")
    wanted = field.sample(np.zeros(ndim), np.ones(ndim), shape)
    found = to_image_grid(data, shape, 2, offset)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_both_directions() -> None:
    architecture = Architecture(ndim=2, **SMALL)
    velocity = torch.zeros(1, 2, 16, 16)
    velocity[0, 0] = 1.5
    forward, inverse = both_displacements(velocity, (32, 32), architecture)
    torch.testing.assert_close(forward[:, 0], torch.full((1, 32, 32), 3.0))
    torch.testing.assert_close(inverse, -forward)
    with pytest.raises(InputError, match="displacement"):
        both_displacements(velocity, (32, 32), replace(architecture, output="displacement"))


def test_gradients_reach_every_weight() -> None:
    network = build(Architecture(ndim=2, probabilistic=True, **SMALL), seeded())
    assert isinstance(network, ProbabilisticVoxelMorph)
    torch.nn.init.normal_(network.field.weight, 0, 0.1, seeded(1))
    torch.nn.init.normal_(network.log_variance.weight, 0, 0.1, seeded(2))
    mean, log_variance = network.distribution(*torch.rand(2, 1, 1, 12, 12, generator=seeded()))
    velocity = sample(mean, log_variance, seeded(), smoothing=1.0)
    displacement_of(velocity, (12, 12), network.architecture).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_probabilistic_network_gives_its_mean() -> None:
    network = build(Architecture(ndim=2, probabilistic=True, **SMALL), seeded())
    pair = torch.rand(2, 1, 1, 12, 12, generator=seeded())
    assert torch.equal(network(*pair), network(*pair))
    mean, log_variance = network.distribution(*pair)
    assert torch.equal(mean, network(*pair))
    torch.testing.assert_close(log_variance, torch.full_like(mean, LOG_VARIANCE_BIAS))


@pytest.mark.parametrize("smoothing", [0.0, 1.2])
def test_spread_of_samples(smoothing: float) -> None:
    mean = torch.full((1, 2, 20, 20), 0.7)
    log_variance = torch.randn(mean.shape, generator=seeded()) * 0.3 - 2
    generator = seeded()
    drawn = torch.stack([sample(mean, log_variance, generator, smoothing) for _ in range(600)])
    expected = deviation(log_variance, smoothing)
    assert (drawn.std(0) / expected).mean() == pytest.approx(1, abs=0.01)
    assert (drawn.mean(0) - mean).abs().mean() < 0.05 * expected.mean()


def test_architecture_is_json() -> None:
    for architecture in PRESETS.values():
        text = json.dumps(architecture.to_json())
        assert Architecture.from_json(json.loads(text)) == architecture


@pytest.mark.parametrize(
    "change",
    [
        {"ndim": 4},
        {"ndim": True},
        {"encoder": ()},
        {"encoder": (10**9,)},
        {"encoder": "16"},
        {"decoder": ((32,),) * 6},
        {"decoder": 3},
        {"decoder": ((1.5,),)},
        {"downsampling": "average"},
        {"output": "field"},
        {"squarings": 99},
        {"offset": float("nan")},
        {"probabilistic": 1},
        {"probabilistic": True, "output": "displacement"},
        {"unheard_of": 1},
    ],
)
def test_foreign_architectures_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Architecture.from_json({**Architecture().to_json(), **change})


def test_images_that_do_not_fit() -> None:
    network = build(Architecture(ndim=2, **SMALL), seeded())
    with pytest.raises(InputError, match="2-D"):
        network(torch.zeros(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8))
    with pytest.raises(InputError, match="one grid"):
        network(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))


def test_strided_convolution_pads_at_the_far_end() -> None:
    """TensorFlow's "same" for an even size and stride 2: output g looks at 2g, 2g + 1, 2g + 2."""
    network = UNet(2, 1, (1,), ((1,),), "strided")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.down[0].weight.data[0, 0, 0, 0] = 1.0
    network.up[0][0].weight.data[0, 0, 1, 1] = 1.0
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.equal(network(image), image[..., ::2, ::2])


@pytest.mark.parametrize("name", PRESETS)
def test_first_weights_of_the_field(name: str) -> None:
    for given, low, high in ((None, 1e-6, 1.1e-3), (0.02, 0.018, 0.022)):
        heads = dict(build(PRESETS[name], seeded(), given).named_modules())
        spread = next(m for n, m in heads.items() if n.split(".")[-1] == "field").weight.std()
        assert low < spread < high
