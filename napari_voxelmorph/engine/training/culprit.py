"""When a number is no longer finite: which term, which pair, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.training.batch import Batch
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.objective import loss_terms, predict_fields


def blame(
    step: int,
    network: RegistrationNetwork,
    batch: Batch,
    config: TrainingConfig,
    terms: Mapping[str, float],
    labels: int,
) -> tuple[bool, str]:
    """Whether this batch is to blame, and the sentence; it is looked at again, pair by pair."""
    bad = [name for name, value in terms.items() if not math.isfinite(value)]
    what = f"the {bad[0]} term" if bad else "the gradient"
    blamed = [b for b in range(len(batch)) if _is_bad(network, batch.pair(b), config, labels)]
    pairs = [batch.names[b] for b in blamed or range(len(batch))]
    names = " and ".join(f"“{m}” to “{f}”" for m, f in pairs)
    reason = next((r for b in blamed if (r := _reason(batch.pair(b)))), "")
    cure = reason or (
        "The data are finite, so the weights have run away: resume from the last checkpoint with "
        "a smaller learning rate"
    )
    return bool(blamed), (
        f"The training stopped at step {step}: {what} is not a finite number for the pair {names}. "
        f"{cure}. The last checkpoint is as it was."
    )


def _is_bad(network: RegistrationNetwork, pair: Batch, config: TrainingConfig, labels: int) -> bool:
    with torch.no_grad():
        fields = predict_fields(network, pair, config)
        terms = loss_terms(fields, pair, config, network.architecture.scale, labels)
    return not all(bool(torch.isfinite(t)) for t in terms.values())


def _reason(pair: Batch) -> str:
    images: dict[str, Tensor | None] = {
        "moving image": pair.moving,
        "fixed image": pair.fixed,
        "known displacement": pair.displacement,
    }
    if pair.landmarks[0] is not None:
        images["moving landmarks"], images["fixed landmarks"] = pair.landmarks[0]
    for what, values in images.items():
        if values is not None and not torch.isfinite(values).all():
            return f"The {what} holds NaN or infinite numbers: repair or leave out that file"
    return ""


def blame_held_out(pair: Batch) -> InputError:
    """The error for a held-out pair whose scores are not finite."""
    moving, fixed = pair.names[0]
    reason = _reason(pair) or "The weights have run away: train with a smaller learning rate"
    return InputError(
        f"The validation stopped at the pair “{moving}” to “{fixed}”: its loss is not a finite "
        f"number. {reason}. The last checkpoint is as it was."
    )
