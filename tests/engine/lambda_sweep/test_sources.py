"""The three sources give what their models, or their optimiser, give; and say what they cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.checkpoints import save_model
from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.session import load_session, save_session
from napari_voxelmorph.engine.geometry.jacobian import jacobian_determinant
from napari_voxelmorph.engine.lambda_sweep.exact import exact, tuned_value, with_metrics
from napari_voxelmorph.engine.lambda_sweep.source import field_of, nearest_exact
from napari_voxelmorph.engine.lambda_sweep.sources import sources_for
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.registration import Registrar

CPU = torch.device("cpu")
PYRAMID = Architecture(
    design="pyramid", symmetric=True, encoder=(4, 6), decoder=((6,), (6,)), hyper=1, rank=2
)
UNET = Architecture(encoder=(4, 6), decoder=((6,), (6, 4)), hyper=2, rank=2)
SPACE = Space(spacing=4.0)


@pytest.fixture(autouse=True)
def own_shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path))


def shelved(folder, architecture, seed=0, **card):
    network = build(architecture, torch.Generator().manual_seed(seed), 0.05).eval()
    save_model(network, ModelCard("m", architecture, SPACE, **card), folder)
    return network


@pytest.fixture(scope="module")
def result(pair_3d):
    registrar = Registrar("cpu")
    registrar.set_pair(pair_3d.moving, pair_3d.fixed)
    return registrar.register(replace(DEFAULT, affine="none", iterations=(10, 5, 0)))


@pytest.fixture
def by_model(result):
    config = replace(result.config, model="m")
    return replace(result, config=config)


@pytest.mark.parametrize("architecture", [PYRAMID, UNET])
def test_a_hypernetwork_gives_what_its_network_at_that_value_gives(
    by_model, tmp_path, architecture
):
    network = shelved(tmp_path / "m", architecture)
    found = sources_for(by_model)
    source = found.sources[0]
    assert (source.kind, source.name) == ("hypernetwork", "m")
    assert "refined" in found.note
    for value in (0.0, 0.3, 1.0):
        field = field_of(source.field(value))
        rest = (0.5,) * (architecture.hyper - 1)
        wanted = predict(
            network.at(value, *rest), SPACE, by_model.moving, by_model.fixed, by_model.affine
        ).field
        np.testing.assert_array_equal(field.scale, wanted.scale)
        np.testing.assert_allclose(field.data, wanted.data, atol=1e-4 * np.abs(wanted.data).max())
    with pytest.raises(InputError, match="0 to 1"):
        field_of(source.field(1.2))


def test_the_encoder_runs_once(by_model, tmp_path, monkeypatch):
    from napari_voxelmorph.engine.networks.pyramid import Pyramid

    shelved(tmp_path / "m", PYRAMID)
    seen = []
    encode = Pyramid.encode
    monkeypatch.setattr(Pyramid, "encode", lambda self, x: seen.append(1) or encode(self, x))
    source = sources_for(by_model).sources[0]
    fields = [field_of(source.field(v)) for v in (0.1, 0.9)]
    assert len(seen) == 2  # moving and fixed
    assert np.abs(fields[0].data - fields[1].data).max() > 0


def test_models_that_differ_in_smoothness_only_are_a_family(by_model, tmp_path):
    plain = replace(PYRAMID, hyper=0)
    recipe = {"network": "pyramid", "smoothness": 1.0, "similarity": "lncc"}
    for seed, (name, change) in enumerate(
        {
            "m": {},
            "loose": {"smoothness": 0.1},
            "stiff": {"smoothness": 5.0, "seed": 9},
            "other": {"smoothness": 2.0, "similarity": "mse"},
        }.items()
    ):
        shelved(tmp_path / name, plain, seed, training={"recipe": {**recipe, **change}})
    shelved(tmp_path / "wide", replace(plain, encoder=(4, 8)), training={"recipe": recipe})
    source = sources_for(by_model).sources[0]
    assert source.kind == "models" and source.members == (0.1, 1.0, 5.0)
    assert source.registered == 1.0
    assert nearest_exact(source, 0.6) == 1.0 and nearest_exact(source, 0.2) == 0.1
    fields = [field_of(source.field(v)) for v in source.members]
    assert len({float(f.data.sum()) for f in fields}) == 3
    with pytest.raises(InputError, match=r"0\.1, 1, 5"):
        field_of(source.field(0.6))
    steps = exact(source, by_model, 0.6)
    tuned = end_of(steps)
    assert tuned_value(tuned) == 1.0
    np.testing.assert_array_equal(tuned.field.data, fields[1].data)


def test_a_lone_model_leaves_it_to_the_optimiser_and_says_so(by_model, tmp_path):
    shelved(tmp_path / "m", replace(PYRAMID, hyper=0))
    found = sources_for(by_model)
    assert [s.kind for s in found.sources] == ["optimiser"]
    assert "one λ only" in found.note and "“m”" in found.note


def test_a_model_that_is_gone(by_model):
    found = sources_for(by_model)
    assert [s.kind for s in found.sources] == ["optimiser"]
    assert "no model “m”" in found.note and "optimiser" in found.note


def test_nothing_to_tune_without_a_deformation(result):
    found = sources_for(replace(result, field=None))
    assert not found.sources and "no deformation" in found.note


def roughness(result):
    determinant = jacobian_determinant(torch.from_numpy(result.displacement)[None])
    return float(determinant.std())


def test_the_optimiser_is_stiffer_where_it_shall_be(result):
    source = sources_for(result).sources[-1]
    fields = [field_of(source.field(v)) for v in (0.2, 1.0, 10.0)]
    rough = [roughness(replace(result, field=f)) for f in fields]
    assert rough[0] > 1.05 * rough[1] > 1.1 * rough[2]
    again = field_of(source.field(1.0))
    np.testing.assert_array_equal(again.data, fields[1].data)  # whatever was asked before
    for value in (0.19, 11):
        with pytest.raises(InputError, match=r"0\.2 to 10"):
            field_of(source.field(value))


def test_an_exact_result_tells_its_lambda_also_when_saved(result, tmp_path):
    source = sources_for(result).sources[-1]
    tuned = end_of(exact(source, result, 3.0, "suggested: because"))
    assert tuned_value(result) is None and tuned_value(tuned) == 3.0
    told = tuned.provenance["lambda"]
    assert told["exact"] and told["source"] == "optimiser" and told["chosen"].endswith("because")
    assert tuned.provenance["versions"] == result.provenance["versions"]
    measured = with_metrics(tuned, replace(result, field=None))
    assert 0 < measured.metrics["similarity_after"] < 1 and not tuned.metrics
    save_session(measured, tmp_path / "session")
    assert tuned_value(load_session(tmp_path / "session")) == 3.0


def end_of(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
