"""Training one network for every λ, and the uncertainty of a trained one."""

from dataclasses import replace

import pytest
import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.smoothness import gradient_l2
from napari_voxelmorph.engine.losses.variational import kl_divergence
from napari_voxelmorph.engine.training.conditions import balance, draw_condition
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.first_network import first_network
from napari_voxelmorph.engine.training.loop import train
from napari_voxelmorph.engine.training.objective import posterior_smoothing


def test_in_the_middle_every_term_has_the_weight_of_the_recipe():
    for condition in ((), (0.5,), (0.5, 0.5)):
        shares = balance(condition)
        values = vars(shares)
        assert values == pytest.approx(dict.fromkeys(values, 1.0))


def test_the_ends_leave_one_side_alone():
    soft, stiff = balance((0.0,)), balance((1.0,))
    assert soft.smoothness == 0 and soft.similarity == 2 and soft.precision < 0.05
    assert stiff.smoothness == 2 and stiff.similarity == 0 and stiff.precision > 20
    assert balance((0.25, 1.0)).similarity == 0
    assert balance((0.25, 1.0)).segmentations == pytest.approx(3.0)


def test_conditions_depend_on_the_step_alone_and_visit_the_ends():
    config = TrainingConfig(hyper="smoothness", seed=3)
    drawn = [draw_condition(config, step)[0] for step in range(1000)]
    assert drawn == [draw_condition(config, step)[0] for step in range(1000)]
    assert 150 < sum(value in (0.0, 1.0) for value in drawn) < 250
    assert 0.45 < sum(drawn) / 1000 < 0.55
    assert draw_condition(TrainingConfig(), 5) == ()


@pytest.mark.parametrize(("network", "steps"), [("velocity", 60), ("pyramid", 150)])
def test_lambda_rules_the_smoothness(short, make_source, network, steps):
    source = make_source(count=3)
    settings = {"steps": steps, "validate_every": steps, "smoothness": 1.0}
    _, model = short(source, network=network, hyper="smoothness", **settings)
    assert model.card.architecture.hyper == 1
    pair = source.validation(0)
    rough = [
        float(gradient_l2(model.network.at(value)(pair.moving[None], pair.fixed[None])))
        for value in (0.05, 0.5, 1.0)
    ]
    assert rough[2] < 0.5 * min(rough[:2])


def test_resumed_to_the_same_numbers(make_source, quick, tmp_path):
    config = replace(quick, hyper="smoothness", steps=6, validate_every=3)
    whole = [s.loss for s in train(make_source(), config, tmp_path / "whole")]
    half = [s.loss for s in train(make_source(), replace(config, steps=3), tmp_path / "parts")]
    half += [s.loss for s in train(make_source(), config, tmp_path / "parts", resume=True)]
    assert whole == half


def test_a_model_of_one_lambda_becomes_one_of_all(short, make_source, quick):
    _, plain = short(make_source(), steps=4)
    config = replace(quick, start_from=str(plain.folder), hyper="smoothness")
    network = first_network(make_source(), config)
    pair = make_source().validation(0)
    images = pair.moving[None], pair.fixed[None]
    assert network.architecture.hyper == 1
    with torch.no_grad():
        found, before = network.at(0.5)(*images), plain.network(*images)
    assert (found - before).abs().max() < 0.5 * before.abs().max() + 0.1
    back = first_network(make_source(), replace(config, hyper="none"))
    assert back.architecture.hyper == 0


def test_the_uncertainty_alone(short, make_source, quick, tmp_path):
    source = make_source()
    _, plain = short(source, steps=20, hyper="smoothness", network="pyramid")
    config = replace(
        quick, start_from=str(plain.folder), hyper="smoothness", fit="uncertainty",
        similarity="mse", smoothness=10.0, steps=30, learning_rate=3e-4,
    )  # fmt: skip
    steps = list(train(source, config, tmp_path / "sure"))
    network, card = load_model(tmp_path / "sure" / "best")
    assert card.architecture.probabilistic
    pair = source.validation(0)
    images = pair.moving[None], pair.fixed[None]
    with torch.no_grad():
        for value in (0.1, 0.9):
            mean, log_variance = network.at(value).distribution(*images)
            torch.testing.assert_close(mean, plain.network.at(value)(*images))
            assert log_variance.std() > 1e-3  # has left its first value
    assert steps[-1].validation.best


def test_the_uncertainty_starts_at_the_prior(short, make_source, quick):
    source = make_source()
    _, plain = short(source, steps=1)
    for posterior in ("smoothed", "diagonal"):
        config = replace(
            quick, start_from=str(plain.folder), fit="uncertainty", smoothness=10.0,
            posterior=posterior,
        )  # fmt: skip
        network = first_network(source, config)
        pair = source.validation(0)
        mean, log_variance = network.distribution(pair.moving[None], pair.fixed[None])
        log_variance = log_variance.detach().requires_grad_(True)
        width = posterior_smoothing(config, 2)
        kl_divergence(mean, log_variance, 10.0, "exact", width).backward()
        inside = log_variance.grad[..., 2:-2, 2:-2]  # at the edge there are fewer neighbours
        assert inside.abs().max() < 1e-6


def test_the_uncertainty_needs_a_velocity_to_start_from(short, make_source, quick):
    config = replace(quick, fit="uncertainty")
    with pytest.raises(InputError, match="choose a trained model"):
        first_network(make_source(), config)
    _, model = short(make_source(), steps=1, network="voxelmorph-1")
    with pytest.raises(InputError, match="velocity"):
        first_network(make_source(), replace(config, start_from=str(model.folder)))


def test_segmentations_that_vary_need_a_weight(short, make_source):
    with pytest.raises(InputError, match="Segmentation weight"):
        short(make_source(), hyper="smoothness and segmentations")
