"""One network for every λ."""

from dataclasses import replace

import pytest
import torch

from napari_voxelmorph.engine.checkpoints import load_model, save_model
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import PRESETS, Architecture
from napari_voxelmorph.engine.networks.hyper import set_condition
from napari_voxelmorph.engine.networks.registry import build

SMALL = {
    "velocity": replace(PRESETS["velocity"], ndim=2, encoder=(6, 8), decoder=((8,), (8, 6))),
    "pyramid": replace(PRESETS["pyramid"], ndim=2, encoder=(6, 8), decoder=((8,), (8, 6))),
    "probabilistic": replace(
        PRESETS["voxelmorph-diff"], ndim=2, encoder=(6, 8), decoder=((8,), (8, 6))
    ),
}


def network(kind, inputs=1, **changes):
    architecture = replace(SMALL[kind], hyper=inputs, **changes)
    return build(architecture, torch.Generator().manual_seed(1), 0.05)


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(2)
    return [torch.rand((1, 1, 20, 16), generator=generator) for _ in range(2)]


@pytest.mark.parametrize("kind", SMALL)
def test_at_a_value_it_is_the_conditioned_network(kind, pair):
    whole = network(kind)
    for value in (0.0, 0.3, 1.0):
        set_condition(whole, (value,))
        plain = whole.at(value)
        assert plain.architecture == SMALL[kind]
        assert set(plain.state_dict()) == set(build(SMALL[kind]).state_dict())
        assert not any(p.requires_grad for p in plain.parameters())
        with torch.no_grad():
            torch.testing.assert_close(plain(*pair), whole(*pair), rtol=0, atol=0)
    assert (whole.at(0.0)(*pair) - whole.at(1.0)(*pair)).abs().max() > 1e-3


def test_a_copy_does_not_follow(pair):
    whole = network("pyramid")
    plain = whole.at(0.2)
    before = plain(*pair)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.zero_()
    assert torch.equal(plain(*pair), before)


def test_the_encoder_is_the_same_for_all(pair):
    whole = network("pyramid")
    low, high = whole.at(0.0), whole.at(1.0)
    for a, b in zip(low.encode(pair[0]), high.encode(pair[0]), strict=True):
        assert torch.equal(a, b)
    features = [whole.encode(image) for image in pair]
    assert torch.equal(low.match(*features)[..., :10, :8], low(*pair))


def test_symmetry_holds_for_every_value(pair):
    plain = network("pyramid").at(0.7)
    torch.testing.assert_close(plain(*pair), -plain(*reversed(pair)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", SMALL)
def test_every_weight_learns(kind, pair):
    whole = network(kind)
    for value in (0.1, 0.8):
        set_condition(whole, (value,))
        whole(*pair).square().sum().backward()
    without = [
        n for n, p in whole.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert all("log_variance" in name for name in without)


def test_gradient_against_finite_differences(pair):
    whole = network("velocity").double()
    images = [image.double() for image in pair]
    set_condition(whole, (0.35,))
    parameter = whole.hypernetwork.layers[-1].weight
    whole(*images).square().sum().backward()
    slope = float(parameter.grad[0, 0])
    found = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            parameter[0, 0] += step
            found.append(float(whole(*images).square().sum()))
            parameter[0, 0] -= step
    assert slope == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-5)


def test_two_hyperparameters(pair):
    whole = network("velocity", inputs=2)
    assert whole.middle == (0.5, 0.5)
    fields = [whole.at(a, b)(*pair) for a in (0.0, 1.0) for b in (0.0, 1.0)]
    assert all(not torch.equal(a, b) for i, a in enumerate(fields) for b in fields[:i])


def test_saved_and_read_again(tmp_path, pair):
    whole = network("pyramid", rank=3)
    save_model(whole, ModelCard("all", whole.architecture), tmp_path / "all")
    again, card = load_model(tmp_path / "all")
    assert (card.architecture.hyper, card.architecture.rank) == (1, 3)
    for value in (0.4, 0.5):
        torch.testing.assert_close(again.at(value)(*pair), whole.at(value)(*pair))


@pytest.mark.parametrize("values", [(), (-0.1,), (1.5,), (0.2, 0.2), (float("nan"),)])
def test_values_out_of_range_are_refused(values):
    with pytest.raises(InputError, match="from 0 to 1"):
        network("velocity").at(*values)


def test_a_model_of_one_lambda_says_so():
    with pytest.raises(InputError, match="one λ only"):
        build(SMALL["velocity"]).at(0.5)
    with pytest.raises(InputError, match="hyper"):
        Architecture(hyper=9)
