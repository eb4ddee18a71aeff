"""From a model to the spread of a result; and the spread of results without a posterior."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nibabel import orientations

from napari_voxelmorph.engine.checkpoints import load_model, save_model
from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import load_session, save_session
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.losses.variational import smoothing_sigma
from napari_voxelmorph.engine.model_card import ModelCard, posterior_smoothing
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.registration import Registrar
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.shelf import new_folder
from napari_voxelmorph.engine.uncertainty.closed_form import closed_form
from napari_voxelmorph.engine.uncertainty.measuring import has_posterior, measuring
from napari_voxelmorph.engine.uncertainty.perturbation import motions, perturbing, undone

SMALL: dict[str, Any] = {"encoder": (2, 2), "decoder": ((2,), (2,)), "probabilistic": True}
RECIPE = {"recipe": {"smoothness": 10.0, "posterior": "smoothed"}}
ALONE = replace(DEFAULT, affine="none", refine=False, device="cpu")


@pytest.fixture(autouse=True)
def shelf_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "models"))


def constant(ndim: int, deviations: tuple[float, ...], **changes: Any) -> Any:
    """A network without a mean, whose d along each of its axes is a constant."""
    network = build(Architecture(ndim=ndim, **SMALL, **changes), torch.Generator().manual_seed(0))
    for head, bias in ((network.field, torch.zeros(ndim)),
                       (network.log_variance, 2 * torch.tensor(deviations).log())):  # fmt: skip
        torch.nn.init.zeros_(head.weight)
        head.bias.data = bias
    return network


def put(name: str, network: Any, **card: Any) -> None:
    found = ModelCard(name, network.architecture, Space(None, None), **{"training": RECIPE, **card})
    save_model(network, found, new_folder(name))


def registered(pair: Any, config: Any) -> Registration:
    registrar = Registrar("cpu")
    registrar.set_pair(pair.moving, pair.fixed)
    return registrar.register(config)


def finish(steps: Any) -> tuple[list[Any], Any]:
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


@pytest.mark.parametrize("code", ["LIA", "RAS", "PSR"])
def test_deviations_follow_the_axes_of_the_model(code: str) -> None:
    """(d along left, inferior, anterior) comes out along x, z, y of the world, whatever the file."""
    rng = np.random.default_rng(0)
    scan = Volume(rng.random((16, 20, 12), np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))
    move = orientations.ornt_transform(
        orientations.io_orientation(scan.affine), orientations.axcodes2ornt(code)
    )
    fixed = Volume(
        np.ascontiguousarray(orientations.apply_orientation(scan.data, move)),
        scan.affine @ orientations.inv_ornt_aff(move, scan.shape),
    )
    space = Space(None, None, "LIA")
    result = predict(constant(3, (0.1, 0.2, 0.4)), space, scan, fixed)
    covariance = closed_form(result).covariance_at(fixed.center[None], fixed)[0]
    # Voxels of the field are 2 mm.
    np.testing.assert_allclose(covariance, np.diag([0.2, 0.8, 0.4]) ** 2, rtol=2e-3, atol=1e-9)


def test_a_run_keeps_the_posterior_and_a_session_too(pair_2d: Any, tmp_path: Path) -> None:
    put("unsure", constant(2, (0.5, 0.5)), temperature=3.0)
    result = registered(pair_2d, replace(ALONE, model="unsure"))
    posterior = result.posterior
    assert posterior is not None and posterior.mean is result.field
    assert posterior.smoothing == pytest.approx(smoothing_sigma(10.0, 2))
    assert posterior.temperature == 3.0
    save_session(result, tmp_path / "session")
    again = load_session(tmp_path / "session").posterior
    assert again is not None
    np.testing.assert_array_equal(again.deviation, posterior.deviation)
    assert (again.smoothing, again.temperature) == (posterior.smoothing, 3.0)
    (tmp_path / "session" / "deviation.npy").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"deviation\.npy"):
        load_session(tmp_path / "session")


def test_a_refined_result_leaves_the_posterior_with_the_networks_own(pair_2d: Any) -> None:
    put("unsure", constant(2, (0.5, 0.5)))
    config = replace(ALONE, model="unsure", refine=True, refine_iterations=(0, 2, 0))
    result = registered(pair_2d, config)
    assert result.posterior is None and not has_posterior(result)
    assert result.unrefined is not None and result.unrefined.posterior is not None


def test_the_card_keeps_its_temperature_and_says_the_smoothing(tmp_path: Path) -> None:
    network = constant(2, (0.5, 0.5))
    put("unsure", network, temperature=2.25)
    from napari_voxelmorph.engine.shelf import find

    card = load_model(find("unsure"))[1]
    assert card.temperature == 2.25
    assert posterior_smoothing(card) == pytest.approx(smoothing_sigma(10.0, 2))
    for recipe in (
        {},
        {"recipe": None},
        {"recipe": {"smoothness": "x", "posterior": "smoothed"}},
        {"recipe": {"smoothness": 10.0, "posterior": "diagonal"}},
        {"recipe": {"smoothness": 0.0, "posterior": "smoothed"}},
    ):
        assert posterior_smoothing(replace(card, training=recipe)) == 0


def test_bf16_and_float32_say_the_same_of_the_deviation(pair_2d: Any) -> None:
    network = constant(2, (0.5, 0.25))
    space = Space(None, None)
    single = predict(network, space, pair_2d.moving, pair_2d.fixed).posterior
    half = predict(network.to(torch.bfloat16), space, pair_2d.moving, pair_2d.fixed).posterior
    assert single is not None and half is not None
    np.testing.assert_allclose(half.deviation, single.deviation, rtol=0.02)


def test_a_model_without_a_finite_variance_is_refused(pair_2d: Any) -> None:
    network = constant(2, (0.5, 0.5))
    network.log_variance.bias.data[0] = torch.nan
    with pytest.raises(InputError, match="finite"):
        predict(network, Space(None, None), pair_2d.moving, pair_2d.fixed)


def test_motions_come_in_opposite_pairs_about_the_middle(pair_2d: Any) -> None:
    fixed = pair_2d.fixed
    found = list(motions(fixed, np.random.default_rng(0), 4))
    for there, back in (found[:2], found[2:]):
        np.testing.assert_allclose(there @ back, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(there[:2, :2] @ there[:2, :2].T, np.eye(2), atol=1e-9)
        assert 0 < np.linalg.norm((there @ [*fixed.center, 1])[:2] - fixed.center) < 20


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_answer_that_makes_up_for_the_motion_has_no_spread(ndim: int, pair_2d: Any) -> None:
    """If the field found undoes the motion of the start, the same displacement is left."""
    rng = np.random.default_rng(0)
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] = rng.normal(size=(ndim, ndim)) + 2 * np.eye(ndim)
    affine[:-1, -1] = rng.normal(size=ndim)
    fixed = Volume(np.zeros((12, 11, 10)[:ndim], np.float32), affine)
    field = Field(np.zeros((ndim, *(6, 6, 5)[:ndim]), np.float32), np.full(ndim, 2.0),
                  np.full(ndim, 0.5), "displacement")  # fmt: skip
    motion = next(motions(fixed, rng, 2))
    wanted = rng.normal(size=ndim)
    # A x + A u' goes through P to A (x + wanted): linear in x, so that any grid holds it.
    back = np.linalg.inv(affine) @ np.linalg.inv(motion) @ affine
    index = np.stack(np.meshgrid(*(np.arange(n) for n in field.data.shape[1:]), indexing="ij"))
    x = (2.0 * index + 0.5).reshape(ndim, -1)
    u = back[:-1, :-1] @ (x + wanted[:, None]) + back[:-1, -1:] - x
    found = Field((u.reshape(field.data.shape) / 2).astype(np.float32), field.scale, field.offset,
                  "displacement")  # fmt: skip
    answer = undone(found, motion, field, fixed).reshape(ndim, -1)
    np.testing.assert_allclose(answer, np.tile(wanted[:, None] / 2, x.shape[1]), atol=1e-4)


def test_the_optimiser_is_unsure_where_there_is_nothing_to_see(pair_2d: Any) -> None:
    """Spread by perturbations: small in the head, large in the empty background."""
    result = registered(pair_2d, replace(DEFAULT, iterations=(40, 30, 20), device="cpu"))
    steps, spread = finish(perturbing(result, np.random.default_rng(0), 4))
    assert (spread.source, spread.samples) == ("perturbations", 4)
    fractions = [s.fraction for s in steps]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    shown = spread.deviation_block(None, result.fixed)
    head = result.fixed.data > 0.2 * result.fixed.data.max()
    assert 0 < np.median(shown[head]) < 0.3 * np.median(shown[~head])
    again = finish(perturbing(result, np.random.default_rng(0), 4))[1]
    np.testing.assert_array_equal(again.covariance, spread.covariance)


def test_a_network_that_says_the_same_from_every_start_spreads_like_the_starts(
    pair_2d: Any,
) -> None:
    """A network that always answers zero: what is left are the motions themselves."""
    network = constant(2, (0.5, 0.5))
    plain = build(replace(network.architecture, probabilistic=False))
    for parameter in plain.parameters():
        torch.nn.init.zeros_(parameter)
    put("stubborn", plain)
    result = registered(pair_2d, replace(ALONE, model="stubborn"))
    assert result.posterior is None
    spread = finish(measuring(result))[1]
    rng = np.random.default_rng(0)
    points = [m @ [*result.fixed.center, 1] for m in motions(result.fixed, rng, 6)]
    expected = np.cov(np.array(points)[:, :2].T)
    found = spread.covariance_at(result.fixed.center[None], result.fixed)[0]
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.01)


def test_measuring_takes_the_posterior_where_there_is_one(pair_2d: Any) -> None:
    put("unsure", constant(2, (0.5, 0.5)))
    result = registered(pair_2d, replace(ALONE, model="unsure"))
    steps, spread = finish(measuring(result, labels=pair_2d.moving_labels))
    assert steps[0].partial is not None and spread.source == "samples"
    assert spread.structures is not None and (spread.structures.deviation_ml > 0).any()
    figures = spread.summary(result.fixed, 1.0)
    assert 0 < figures["median_mm"] < figures["p95_mm"] and 0 <= figures["above_percent"] <= 100


def test_a_tuned_lambda_gets_the_posterior_of_its_own_pass(pair_2d: Any) -> None:
    network = constant(2, (0.5, 0.5), hyper=1)
    put("any-lambda", network)
    result = registered(pair_2d, replace(ALONE, model="any-lambda"))
    assert result.posterior is not None and result.field is not None
    field = Field(result.field.data.copy(), result.field.scale, result.field.offset)
    told = {**result.provenance, "lambda": {"source": "hypernetwork", "value": 0.8}}
    tuned = replace(result, field=field, provenance=told)
    assert tuned.posterior is None and has_posterior(tuned)
    assert finish(measuring(tuned))[1].source == "samples"


def test_without_a_deformation_there_is_no_spread(pair_2d: Any) -> None:
    bare = Registration(pair_2d.fixed, pair_2d.moving, np.eye(3))
    with pytest.raises(InputError, match="no deformation"):
        finish(measuring(bare))
    field = Field(np.zeros((2, 8, 8), np.float32), np.full(2, 14.0), np.zeros(2))
    with pytest.raises(InputError, match="even"):
        finish(perturbing(replace(bare, field=field), np.random.default_rng(0), 3))
