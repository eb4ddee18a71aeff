"""The network that a training starts with: new, or from a model of the shelf."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.losses.variational import trace_factor
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import PRESETS
from napari_voxelmorph.engine.networks.hyper import add_hypernetwork
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.shelf import find
from napari_voxelmorph.engine.training.conditions import INPUTS
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.objective import posterior_smoothing
from napari_voxelmorph.engine.training.samples import PairSource
from napari_voxelmorph.engine.training.saving import model_of_run


def first_network(source: PairSource, config: TrainingConfig) -> RegistrationNetwork:
    """A new network, or the one of the shelf that the training starts from.

    A model for one λ becomes one for all when the recipe asks for hyperparameters, and the
    other way round.

    Raises
    ------
    InputError
        When the model registers images of another kind than the data are.
    """
    ndim, inputs = len(source.shape), INPUTS[config.hyper]
    generator = torch.Generator().manual_seed(config.seed)
    if not config.start_from:
        if config.fit == "uncertainty":
            raise InputError("To fit the uncertainty alone, choose a trained model to start from.")
        if config.network not in PRESETS:
            raise InputError(f"There is no network “{config.network}” in this version.")
        architecture = replace(PRESETS[config.network], ndim=ndim, hyper=inputs)
        return build(architecture, generator, config.field_std or None)
    network, card = load_model(_model(config.start_from))
    _check_suits(network, card, source)
    if network.architecture.hyper not in (0, inputs):
        network = network.at(*network.middle)
    if inputs and not network.architecture.hyper:
        architecture = network.architecture
        network.architecture = replace(architecture, hyper=inputs)
        add_hypernetwork(network, inputs, architecture.rank, generator)
    if config.fit == "uncertainty":
        return _only_uncertainty(network, config, generator)
    return network.requires_grad_(True)


def _only_uncertainty(
    network: RegistrationNetwork, config: TrainingConfig, generator: torch.Generator
) -> RegistrationNetwork:
    """The same field, and a log-variance that alone is to be trained; it starts at the prior's."""
    if network.architecture.output != "velocity":
        raise InputError(
            "The uncertainty is that of a velocity, and this model gives a displacement: start "
            "from a model whose field is a velocity."
        )
    if not network.architecture.probabilistic:
        former = network
        network = build(replace(former.architecture, probabilistic=True), generator)
        missing = network.load_state_dict(former.state_dict(), strict=False).missing_keys
        assert all("log_variance" in name for name in missing)
        _start_at_prior(network, config)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("log_variance" in name.split("."))
    return network


@torch.no_grad()
def _start_at_prior(network: RegistrationNetwork, config: TrainingConfig) -> None:
    """Biases for which the divergence is least where the images say nothing: ``d² = 1 / (λ κ)``."""
    ndim = network.architecture.ndim
    smoothing = posterior_smoothing(config, ndim)
    weight = trace_factor(smoothing, ndim) if smoothing > 0 else 2 * ndim
    for name, parameter in network.named_parameters():
        parts = name.split(".")
        if "log_variance" in parts and "bias" in parts and "directions" not in parts:
            parameter.fill_(-math.log(max(config.smoothness, 1e-6) * weight))


def _check_suits(network: RegistrationNetwork, card: ModelCard, source: PairSource) -> None:
    ndim = len(source.shape)
    if network.architecture.ndim != ndim:
        raise InputError(
            f"The model “{card.name}” registers {network.architecture.ndim}-D images and these "
            f"are {ndim}-D. Start from another model, or from none."
        )
    wanted, given = (replace(s, shape=None).to_json() for s in (card.space, source.space))
    unlike = [f"{k} {wanted[k]!r} (here {given[k]!r})" for k in wanted if wanted[k] != given[k]]
    if unlike:
        raise InputError(
            f"The model “{card.name}” was trained on images prepared otherwise: "
            f"{', '.join(unlike)}. Prepare these in the model's space, or start from none."
        )


def _model(name: str) -> Path:
    path = Path(name)
    return model_of_run(path) if path.is_dir() else find(name)
