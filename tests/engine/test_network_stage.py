"""Registration with a trained model: its pass, refining, checks, needs, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine import loaded_model, network_stage
from napari_voxelmorph.engine.checkpoints import WEIGHTS, load_model, save_model
from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.errors import FileFormatError, InputError, NotEnoughMemoryError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.loaded_model import load
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.model_checks import misfit, profile, warnings_for_model
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.registration import Registrar
from napari_voxelmorph.engine.shelf import find, new_folder

CPU = torch.device("cpu")
QUICK = replace(DEFAULT, refine_iterations=(0, 8, 4))
SMALL = {"encoder": (2, 2), "decoder": ((2,), (2,))}


def put(
    name: str, ndim: int = 2, space: Space | None = None, seed: int = 0, **changes: object
) -> Path:
    """A tiny network with a field of about a voxel, on the shelf."""
    card_changes = {k: changes.pop(k) for k in ("domain", "profile") if k in changes}
    architecture = Architecture(ndim=ndim, **{**SMALL, **changes})
    generator = torch.Generator().manual_seed(seed)
    network = build(architecture, generator)
    torch.nn.init.normal_(network.field.weight, 0.0, 0.1, generator)
    torch.nn.init.normal_(network.field.bias, 0.0, 0.5, generator)
    card = ModelCard(name, architecture, space or Space(None, None), **card_changes)
    folder = new_folder(name)
    save_model(network, card, folder)
    return folder


@pytest.fixture(autouse=True)
def shelf_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def registrar(pair, **masks):
    found = Registrar("cpu")
    found.set_pair(pair.moving, pair.fixed, **masks)
    return found


@pytest.mark.parametrize("output", ["velocity", "displacement"])
def test_the_network_alone_gives_its_own_field(pair_2d, output):
    folder = put("tiny", output=output)
    config = replace(QUICK, affine="none", start="header", model="tiny", refine=False)
    result = registrar(pair_2d).register(config)
    model = load(folder, CPU)
    wanted = predict(model.network, model.card.space, pair_2d.moving, pair_2d.fixed, np.eye(3))
    np.testing.assert_array_equal(result.field.data, wanted.field.data)
    assert result.field.kind == output and result.unrefined is None
    assert result.provenance["model"]["sha256"] == model.card.sha256
    assert result.provenance["model"]["name"] == "tiny"
    assert {"similarity_after", "ndv_percent"} <= set(result.metrics)
    assert "network" in result.timings and "refinement" not in result.timings


def test_after_pre_alignment_in_3d(pair_3d):
    put("tiny", ndim=3, space=Space(None, 4.0, "LIA"))
    result = registrar(pair_3d).register(replace(QUICK, model="tiny", refine=False))
    aligned = registrar(pair_3d).register(replace(QUICK, transform="none"))
    np.testing.assert_array_equal(result.affine, aligned.affine)
    assert result.field is not None and result.moved.shape == pair_3d.fixed.shape


@pytest.mark.parametrize("output", ["velocity", "displacement"])
def test_refining_starts_from_the_network_and_keeps_its_result(pair_2d, output):
    put("tiny", output=output)
    run = registrar(pair_2d)
    config = replace(QUICK, affine="none", start="header", model="tiny")
    steps, phases = [], set()
    result = run.register(config, on_step=lambda s: (steps.append(s), phases.add(s.phase)))
    alone = run.register(replace(config, refine=False))
    assert result.field.kind == output
    np.testing.assert_array_equal(result.unrefined.field.data, alone.field.data)
    assert result.unrefined.metrics == alone.metrics
    assert result.metrics["similarity_after"] > alone.metrics["similarity_after"]
    assert result.unrefined.timings["total"] < result.timings["total"]
    assert "refinement" not in result.unrefined.timings
    assert result.unrefined.provenance["model"] == result.provenance["model"]
    fractions = [s.fraction for s in steps]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    assert {"Network (one pass)", "Network (loading the model)"} <= phases
    first = next(s for s in steps if s.phase.startswith("Refining"))
    # One step after the network: near its map, far from none.
    near = np.abs(first.partial().displacement - alone.displacement).mean()
    assert near < 0.5 * np.abs(alone.displacement).mean()


def test_no_refining_iterations_leave_the_network_alone(pair_2d):
    put("tiny")
    config = replace(QUICK, affine="none", model="tiny", refine_iterations=(0, 0))
    result = registrar(pair_2d).register(config)
    np.testing.assert_array_equal(result.field.data, result.unrefined.field.data)


@pytest.mark.parametrize("model", ["", "tiny"])
def test_stopping_keeps_the_best_so_far(pair_2d, model):
    put("tiny")
    config = replace(DEFAULT, affine="none", model=model, refine_iterations=(200, 200, 200))
    seen = []
    stopped = lambda: len(seen) >= 3  # noqa: E731
    steps = registrar(pair_2d).steps(config, stopped=stopped)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result = end.value
            break
        if step.phase.startswith(("Deforming", "Refining")):
            seen.append(step)
    assert len(seen) == 3 and result.field is not None and result.metrics
    assert (result.unrefined is not None) == bool(model)


def test_a_model_by_its_folder_and_one_that_is_not_there(pair_2d, tmp_path):
    folder = put("tiny")
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    config = replace(QUICK, affine="none", refine=False)
    assert registrar(pair_2d).register(replace(config, model=str(elsewhere))).field is not None
    put("other")
    for what in ("steps", "estimate"):
        with pytest.raises(InputError, match=r"no model “tiny”.*other"):
            getattr(registrar(pair_2d), what)(replace(config, model="tiny"))


def test_a_model_for_other_images_is_refused_with_the_models_that_fit(pair_2d, monkeypatch):
    monkeypatch.setattr("napari_voxelmorph.engine.shelf.package_folders", lambda: [])
    put("for volumes", ndim=3)
    put("colour", channels=3)
    config = replace(QUICK, model="for volumes")
    with pytest.raises(InputError, match=r"for 3-D images; these are 2-D\. No model"):
        registrar(pair_2d).register(config)
    put("flat")
    with pytest.raises(InputError, match=r"Models that fit: flat\."):
        registrar(pair_2d).register(config)
    with pytest.raises(InputError, match="3 channels"):
        registrar(pair_2d).register(replace(config, model="colour"))


def test_damaged_weights_are_refused(pair_2d):
    folder = put("tiny")
    config = replace(QUICK, affine="none", model="tiny", refine=False)
    assert registrar(pair_2d).register(config).field is not None
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(FileFormatError):
        registrar(pair_2d).register(config)
    weights.unlink()
    with pytest.raises(FileFormatError, match="expected"):
        registrar(pair_2d).register(config)


def test_a_network_is_read_once_until_it_changes(monkeypatch):
    folder = put("tiny")
    first = load("tiny", CPU)
    assert load("tiny", CPU) is first and load(folder, CPU) is first
    save_model(build(first.card.architecture), replace(first.card, name="new"), folder)
    second = load("tiny", CPU)
    assert second is not first and second.card.name == "new"
    for name in ("a", "b"):
        put(name)
        load(name, CPU)
    assert len(loaded_model._kept) == 2
    assert load("tiny", CPU) is not second


def test_deforming_by_a_model_and_not_at_all_is_a_contradiction():
    with pytest.raises(InputError, match="deforms"):
        RegistrationConfig(model="tiny", transform="none")
    for name in ("iterations", "refine_iterations"):
        with pytest.raises(InputError, match=f"^{name}"):
            RegistrationConfig(**{name: (-1,)})


def test_a_full_gpu_leaves_the_work_to_the_cpu(pair_2d, monkeypatch):
    put("tiny")
    calls = []

    def out_of_memory_once(*args, **settings):
        calls.append(args)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return predict(*args, **settings)

    monkeypatch.setattr(network_stage, "predict", out_of_memory_once)
    phases = []
    config = replace(QUICK, affine="none", model="tiny", refine=False)
    result = registrar(pair_2d).register(config, on_step=lambda s: phases.append(s.phase))
    assert len(calls) == 2 and result.field is not None
    assert any("too little free memory" in phase for phase in phases)


def test_estimates_count_the_network(pair_3d, monkeypatch):
    from napari_voxelmorph.engine import estimate as module

    put("published", ndim=3, space=Space((160, 192, 224), 1.0), output="displacement", offset=0.0,
        encoder=(16, 32), decoder=((32,), (32,), (16,)))  # fmt: skip
    run = registrar(pair_3d)
    config = replace(DEFAULT, model="published")
    plain, both, alone = (run.estimate(c) for c in (DEFAULT, config, replace(config, refine=False)))
    voxels = 160 * 192 * 224
    # Measured peak of VoxelMorph-2 on that grid: 128 bytes per voxel beside the pair itself.
    assert 100 < (alone.bytes - module._BASELINE) / voxels < 200
    assert plain.bytes < alone.bytes <= both.bytes and alone.seconds < both.seconds
    monkeypatch.setattr(module, "free_memory", lambda device: (plain.bytes + alone.bytes) / 2)
    with pytest.raises(NotEnoughMemoryError, match="half resolution, or none"):
        run.steps(config)


# Warnings -------------------------------------------------------------------------------


def brain(shape=(60, 70, 60), spacing=3.0, dark=False) -> Volume:
    """An ellipsoid in exact zeros, bright as a T1 brain (or dark as a T2 one)."""
    grid = np.indices(shape)
    far = sum(((g - (n - 1) / 2) / (n / 2.2)) ** 2 for g, n in zip(grid, shape, strict=True))
    rng = np.random.default_rng(0)
    values = rng.beta(2, 5, shape) if dark else rng.uniform(0.2, 1, shape)
    return Volume(np.where(far < 1, 10 + 100 * values, 0), np.diag([spacing] * 3 + [1.0]))


T1 = ModelCard(
    "T1", Architecture(), Space((160, 192, 224), 1.0, "LIA"), profile=(0.61, 0.81, 0.91),
    domain="T1 brains, skull-stripped",
)  # fmt: skip


def test_warnings_about_the_model():
    good = brain((180, 210, 170), 1.0)
    assert warnings_for_model(T1, good, good) == []
    (coarse, *_) = warnings_for_model(T1, brain((90, 100, 90), 2.0), good)
    assert "voxels of 1 mm" in coarse and "2 x 2 x 2" in coarse
    (wide,) = warnings_for_model(T1, good, brain((280, 210, 170), 1.0))
    assert "sees 160 x 192 x 224 mm" in wide
    (small,) = warnings_for_model(T1, good, brain((40, 50, 45), 1.0))
    assert "same part of the body" in small
    dark = brain((180, 210, 170), 1.0, dark=True)
    (contrast,) = warnings_for_model(T1, dark, good)
    assert "another contrast" in contrast
    (both, *_) = warnings_for_model(T1, brain((90, 100, 90), 2.0), brain((90, 100, 90), 2.0))
    assert both.count("2 x 2 x 2") == 2
    head = good.with_data(np.where(good.data == 0, 3 * np.random.default_rng(0).random(good.shape),
                                   good.data))  # fmt: skip
    words = " ".join(warnings_for_model(replace(T1, profile=()), head, good))
    assert "skull-stripped" in words
    unknown = Volume(good.data, good.affine, oriented=False)
    assert "where left is" in " ".join(warnings_for_model(T1, good, unknown))


def test_the_profile_does_not_know_gain_or_offset():
    volume = brain()
    first = profile(volume, T1.space)
    other = volume.with_data(volume.data * 7 - 1000)
    np.testing.assert_allclose(profile(other, T1.space), first, atol=1e-6)
    assert profile(volume.with_data(np.zeros(volume.shape)), T1.space).tolist() == [0, 0, 0]


def test_what_fits_is_told_in_words():
    assert misfit(T1, 3) == "" and "2-D" in misfit(T1, 2)


def test_find_knows_the_new_models():
    assert find(put("tiny").name).name == "tiny"


def test_a_model_for_every_lambda_is_run_at_the_one_asked_for(pair_2d):
    put("every", hyper=1)
    results = {}
    for lam in (0.0, 0.5, 1.0):
        config = replace(QUICK, affine="none", model="every", refine=False, model_lambda=lam)
        results[lam] = registrar(pair_2d).register(config)
        assert results[lam].provenance["model"]["lambda"] == lam
    fields = {lam: result.field.data for lam, result in results.items()}
    assert not np.array_equal(fields[0.0], fields[1.0])
    network = load_model(find("every"))[0]
    space = Space(None, None)
    alone = predict(network.at(1.0), space, pair_2d.moving, pair_2d.fixed, np.eye(3))
    np.testing.assert_allclose(fields[1.0], alone.field.data, atol=0.05)
    put("one")
    result = registrar(pair_2d).register(replace(QUICK, affine="none", model="one", refine=False))
    assert "lambda" not in result.provenance["model"]


@pytest.mark.parametrize("lam", [-0.1, 1.1, "soft"])
def test_a_lambda_out_of_range_is_refused(lam):
    with pytest.raises(InputError, match="model_lambda"):
        RegistrationConfig(model_lambda=lam)
