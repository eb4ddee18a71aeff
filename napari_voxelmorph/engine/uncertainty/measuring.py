"""The best spread that there is for a result: of its posterior, or by perturbations."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch

from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.loaded_model import card_of, load
from napari_voxelmorph.engine.model_card import posterior_smoothing
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.uncertainty.perturbation import Masks, lambda_of, perturbing
from napari_voxelmorph.engine.uncertainty.sampling import sampling
from napari_voxelmorph.engine.uncertainty.spread import Spread, SpreadStep

_SEED = 0


def measuring(
    registration: Registration,
    labels: Volume | None = None,
    masks: Masks = (None, None),
    device: torch.device | None = None,
) -> Generator[SpreadStep, None, Spread]:
    """Measure the spread of a result; the same result has the same spread.

    With a posterior, samples are drawn from it.  A probabilistic model whose λ was changed
    afterwards runs once more, for the posterior at that λ.  Everything else is registered
    again from other starts.

    Parameters
    ----------
    labels : Volume, optional
        Moving segmentation, on any grid of the moving world.
    masks : (moving, fixed)
    device : torch.device, optional
        Default: the CPU.

    Raises
    ------
    InputError
        When the result has no deformation, or its model is no longer there.
    """
    generator = np.random.default_rng(_SEED)
    device = torch.device("cpu") if device is None else device
    if registration.posterior is None and has_posterior(registration):
        yield SpreadStep("the model once more, for its posterior", 0.0)
        registration = with_posterior(registration, device)
    if registration.posterior is not None:
        return (yield from sampling(registration, generator, labels=labels))
    steps = perturbing(registration, generator, labels=labels, masks=masks, device=device)
    return (yield from steps)


def has_posterior(registration: Registration) -> bool:
    """Whether a probabilistic model alone made the field, now or at another λ."""
    if registration.posterior is not None:
        return True
    config, told = registration.config, registration.provenance.get("lambda")
    tuned = isinstance(told, dict) and told.get("source") == "hypernetwork"
    if not config.model or not tuned or registration.field is None:
        return False
    return card_of(config.model).architecture.probabilistic


def with_posterior(registration: Registration, device: torch.device) -> Registration:
    """The result with the posterior of its model, around its own field."""
    model = load(registration.config.model, device, lambda_of(registration))
    found = predict(
        model.network,
        model.card.space,
        registration.moving,
        registration.fixed,
        registration.affine,
        smoothing=posterior_smoothing(model.card),
        temperature=model.card.temperature,
    ).posterior
    field = registration.field
    if found is None or field is None or found.mean.data.shape != field.data.shape:
        return registration
    around = Posterior(field, found.deviation, found.smoothing, found.temperature)
    return replace(registration, posterior=around)
