"""What a training begins with, refuses, says on the way, and leaves behind."""

import json
from dataclasses import replace

import pytest
import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.shelf import shelf
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.first_network import first_network
from napari_voxelmorph.engine.training.loop import train
from napari_voxelmorph.engine.training.precision import choose_precision
from napari_voxelmorph.engine.training.samples import PairsInMemory, Sample
from napari_voxelmorph.engine.training.saving import to_shelf
from napari_voxelmorph.engine.training.schedule import learning_rate
from napari_voxelmorph.engine.training.state import fresh, update_average, usable


@pytest.fixture(autouse=True)
def own_shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "shelf"))


def test_the_steps_tell_where_it_stands(short, make_source):
    steps, model = short(make_source(count=3), steps=6, validate_every=4, batch=2)
    updates = [s for s in steps if s.phase == "Training" and s.validation is None]
    assert [s.step for s in updates] == [1, 2, 3, 4, 5, 6]
    assert [s.epoch for s in updates] == [1, 2, 2, 3, 4, 4]  # 3 pairs, 2 a step
    assert [s.step for s in steps if s.validation] == [4, 6]
    assert [s.phase for s in steps if s.step == 4][1:] == ["Validating 1/1", "Training"]
    assert all(s.loss == pytest.approx(sum(s.terms.values())) for s in steps)
    assert updates[-1].seconds_left == 0
    assert not any(p.requires_grad for p in steps[2].snapshot().parameters())
    lines = (model.folder.parent / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 4, 5, 6, 6]


def test_the_card_says_how_it_came_about(short, make_source):
    _, model = short(make_source(), steps=4, validate_every=2)
    card = load_model(model.folder)[1]
    assert card == model.card
    assert card.licence == "CC0-1.0" and card.space.shape == (32, 28)
    assert card.description == "Registers scans."
    assert card.training["recipe"]["learning_rate"] == 3e-3
    assert [step for step, _ in card.training["curves"]["loss"]] == [1, 2, 3, 4]
    assert len(card.training["curves"]["validation dice"]) == 2
    assert set(card.scores) >= {"dice", "dice_before", "ndv", "similarity"}


def test_without_held_out_pairs_the_last_weights_are_kept(short, make_source):
    source = make_source()
    source.held_out = []
    steps, model = short(source, steps=3, validate_every=2)
    assert not any(s.validation for s in steps)
    last = steps[-1].snapshot().state_dict()
    assert all(torch.equal(last[k], v) for k, v in model.network.state_dict().items())
    assert model.card.scores == {}


def test_to_the_shelf_and_on_from_there(short, make_source, quick, tmp_path):
    _, model = short(make_source(), network="pyramid", steps=4)
    entry = to_shelf(model.folder.parent, "discs", licence="MIT", domain="discs")
    assert entry.name == "discs" and entry.own and entry in shelf()
    network, card = load_model(entry.folder)
    assert (card.licence, card.domain) == ("MIT", "discs") and card.training["curves"]
    with pytest.raises(InputError, match="already a model"):
        to_shelf(model.folder.parent, "discs")

    # Fine-tuning: the model's architecture wins over the recipe's.
    config = replace(quick, start_from="discs", network="velocity", learning_rate=1e-7)
    steps = train(make_source(count=2), config, tmp_path / "tuned")
    tuned = next(steps).snapshot()
    steps.close()
    assert tuned.architecture == network.architecture
    old, new = network.state_dict(), tuned.state_dict()
    assert max((old[k] - new[k]).abs().max() for k in old) < 1e-6


def test_a_start_that_does_not_fit(short, make_source, quick, tmp_path):
    _, model = short(make_source(), steps=2)
    config = replace(quick, start_from=str(model.folder.parent))
    other = make_source()
    other.space = Space(spacing=2.0, percentile=0)
    with pytest.raises(InputError, match=r"spacing None \(here 2.0\)"):
        next(train(other, config, tmp_path / "a"))
    with pytest.raises(InputError, match="2-D images and these are 3-D"):
        next(train(make_source((16, 16, 16)), config, tmp_path / "b"))
    with pytest.raises(InputError, match="no model “nobody”"):
        next(train(other, replace(quick, start_from="nobody"), tmp_path / "c"))


def test_recipes_that_the_data_cannot_serve(make_source, quick, tmp_path):
    bare = make_source()
    bare.labels = ()
    with pytest.raises(InputError, match="the data have none"):
        next(train(bare, replace(quick, segmentation_weight=1.0), tmp_path / "a"))
    with pytest.raises(InputError, match="Nothing is left to train on"):
        next(train(bare, replace(quick, similarity="none"), tmp_path / "b"))
    assert not list(tmp_path.iterdir())


def spoiled(sample, what):
    values = getattr(sample, what).clone()
    values.view(-1)[values.numel() // 2] = float("nan")
    return replace(sample, **{what: values}, names=("good", "spoiled"))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("fixed", "the similarity term .* “good” to “spoiled”. The fixed image holds NaN"),
        ("moving", "the similarity term .*The moving image holds NaN"),
        ("displacement", "the known field term .*The known displacement holds NaN"),
        ("fixed_landmarks", "the landmarks term .*The fixed landmarks holds NaN"),
    ],
)
def test_nan_is_named(make_source, make_sample, quick, tmp_path, what, said):
    source = make_source(count=4)
    source.training[3] = spoiled(source.training[3], what)
    config = replace(quick, batch=2, validate_every=1, field_weight=0.1, landmark_weight=0.1)
    if what in ("displacement", "fixed_landmarks"):
        config = replace(config, similarity="none")
    seen = []
    with pytest.raises(InputError, match=f"stopped at step 2: {said}") as error:
        seen.extend(train(source, config, tmp_path / "run"))
    assert "moving 2" not in str(error.value)  # the other pair of the batch is innocent
    state = json.loads((tmp_path / "run" / "last" / "state.json").read_text())
    assert state["step"] == 1
    load_model(tmp_path / "run" / "last")


def test_nan_in_a_network_that_warps(make_source, quick, tmp_path):
    source = make_source()
    source.training = [spoiled(source.training[0], "moving")]
    with pytest.raises(InputError, match="The moving image holds NaN"):
        list(train(source, replace(quick, network="pyramid"), tmp_path / "run"))


def test_weights_that_run_away(make_source, quick, tmp_path):
    config = replace(quick, learning_rate=1.0, clip=0.0, warm_up=0, steps=200, similarity="mse")
    config = replace(config, network="voxelmorph-1", smoothness=1000.0)
    with pytest.raises(InputError, match="smaller learning rate"):
        list(train(make_source(), config, tmp_path / "run"))


def test_nan_in_a_held_out_pair(make_source, quick, tmp_path):
    source = make_source()
    source.held_out = [spoiled(source.held_out[0], "moving")]
    with pytest.raises(InputError, match="validation stopped at the pair “good” to “spoiled”"):
        list(train(source, replace(quick, validate_every=2), tmp_path / "run"))


def test_an_error_of_the_data_comes_through(make_source, quick, tmp_path):
    source = make_source()

    def draw(number):
        if number == 2:
            raise InputError("“scan.nii” is gone.")
        return source.training[0]

    source.draw = draw
    with pytest.raises(InputError, match="is gone"):
        list(train(source, quick, tmp_path / "run"))


def test_learning_rate(quick):
    config = replace(quick, learning_rate=1.0, warm_up=4, steps=104, decay="cosine")
    rates = [learning_rate(s, config) for s in range(1, 105)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[53] == pytest.approx(0.505)  # half way down to a hundredth
    assert rates[-1] == pytest.approx(0.01) and rates[4:] == sorted(rates[4:], reverse=True)
    assert learning_rate(100, replace(config, decay="constant")) == 1.0


def test_running_average(quick):
    network = torch.nn.Linear(1, 1, bias=False)
    state = fresh(network, replace(quick, average=0.5))
    with torch.no_grad():
        network.weight.fill_(0)
        state.average["weight"].fill_(1)
        for step, value in ((1, 4.0), (100, 8.0)):
            network.weight.fill_(value)
            state.step = step
            update_average(state, 0.5)
    # Step 1: decay 2 / 11, then 0.5.
    expected = 0.5 * (1 * 2 / 11 + 4 * 9 / 11) + 0.5 * 8
    assert state.average["weight"].item() == pytest.approx(expected)


def test_the_average_is_what_is_kept(make_source, quick, tmp_path):
    steps = train(make_source(), replace(quick, average=0.999), tmp_path / "run")
    for _ in range(5):
        step = next(steps)
    steps.close()
    shown = step.snapshot().state_dict()
    last = load_model(tmp_path / "run" / "last")[0].state_dict()
    assert all(torch.equal(shown[k], last[k]) for k in shown)


def test_bfloat16_trains_too(short, make_source):
    steps, _ = short(make_source(), precision="bfloat16")
    assert steps[-1].validation.dice > steps[-1].validation.dice_before + 0.05


def test_precision_self_test(make_source, quick, monkeypatch):
    network, cpu = first_network(make_source(), quick), torch.device("cpu")
    auto = replace(quick, precision="auto")
    assert (
        choose_precision(network, (32, 28), cpu, replace(quick, precision="bfloat16")) == "bfloat16"
    )
    assert choose_precision(network, (32, 28), cpu, auto) in ("float32", "bfloat16")
    assert all(p.grad is None for p in network.parameters())

    from napari_voxelmorph.engine.training import precision

    monkeypatch.setattr(precision, "bfloat16_is_good", lambda device: False)
    assert choose_precision(network, (32, 28), cpu, auto) == "float32"
    monkeypatch.setattr(precision, "bfloat16_is_good", lambda device: True)

    real, times = precision._gradient, iter([0, 2, 3, 4] * 2)

    def wrong(network, pair, dtype):
        slope = real(network, pair, dtype)
        return slope if dtype == torch.float32 else slope.flip(0)

    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(times))
    assert choose_precision(network, (32, 28), cpu, auto) == "bfloat16"  # twice as fast
    monkeypatch.setattr(precision, "_gradient", wrong)
    assert choose_precision(network, (32, 28), cpu, auto) == "float32"  # fast, but wrong


def test_checkpointing_changes_no_number(make_source, quick, tmp_path):
    losses = []
    for saving in (True, False):
        config = replace(quick, checkpointing=saving, steps=3)
        steps = list(train(make_source(), config, tmp_path / str(saving)))
        losses.append([s.loss for s in steps])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_usable_is_a_copy(make_source, quick):
    state = fresh(first_network(make_source(), quick), quick)
    copy = usable(state)
    with torch.no_grad():
        next(state.network.parameters()).zero_()
    assert next(copy.parameters()).abs().sum() > 0


def test_first_weights_of_the_field() -> None:
    empty = torch.zeros(1, 16, 16)
    source = PairsInMemory([Sample(empty, empty)])
    config = TrainingConfig(network="velocity", field_std=0.02)
    assert 0.018 < first_network(source, config).field.weight.std() < 0.022
