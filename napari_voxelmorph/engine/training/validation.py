"""Scores on the held-out pairs, one pair at a time."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.evaluation.metrics import dice, mean_dice
from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.differentiable import warp
from napari_voxelmorph.engine.geometry.jacobian import folding
from napari_voxelmorph.engine.geometry.thick import thick_field, thick_image
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.training.batch import Batch, stack
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.culprit import blame_held_out
from napari_voxelmorph.engine.training.events import Validation
from napari_voxelmorph.engine.training.objective import (
    Fields,
    loss_terms,
    predict_fields,
    similarity_loss,
)
from napari_voxelmorph.engine.training.samples import PairSource


@dataclass(frozen=True)
class _Scores:
    """Of one pair; None where it has no segmentations in common."""

    loss: float
    dice: float | None
    dice_before: float | None
    ndv: float
    similarity: float
    similarity_before: float


def validate(
    network: RegistrationNetwork,
    source: PairSource,
    config: TrainingConfig,
    step: int,
    best: float | None,
    device: torch.device,
) -> Generator[str, None, Validation]:
    """Register every held-out pair; yields "Validating 3/10" before each.

    Probabilistic networks register by their mean.

    Parameters
    ----------
    network : RegistrationNetwork
        On `device`, with the weights to judge.
    best : float or None
        `rank` of the best validation so far.
    """
    scores = []
    for index in range(source.validation_count):
        yield f"Validating {index + 1}/{source.validation_count}"
        batch = stack([source.validation(index)], device)
        with torch.no_grad():
            scores.append(_score(network, batch, config, len(source.labels)))
    found = Validation(
        step,
        _mean([s.loss for s in scores]),
        _mean_or_none([s.dice for s in scores]),
        _mean_or_none([s.dice_before for s in scores]),
        _mean([s.ndv for s in scores]),
        _mean([s.similarity for s in scores]),
        _mean([s.similarity_before for s in scores]),
        best=False,
    )
    better = best is None or rank(found) > best
    return Validation(**{**found.__dict__, "best": better})


def rank(validation: Validation) -> float:
    """By what weights are chosen, larger is better: Dice, or the loss without segmentations."""
    return -validation.loss if validation.dice is None else validation.dice


def _score(
    network: RegistrationNetwork, batch: Batch, config: TrainingConfig, labels: int
) -> _Scores:
    fields = predict_fields(network, batch, config)
    terms = loss_terms(fields, batch, config, network.architecture.scale, labels)
    loss = float(sum(terms.values()))
    if not math.isfinite(loss):
        raise blame_held_out(batch)
    before, after = _overlap(batch, None), _overlap(batch, fields)
    moved = warp(batch.moving, fields.forward)
    return _Scores(
        loss,
        after,
        before,
        folding(fields.forward[0].cpu().numpy()).ndv,
        -float(similarity_loss(batch.fixed, moved, config)),
        -float(similarity_loss(batch.fixed, batch.moving, config)),
    )


def _overlap(batch: Batch, fields: Fields | None) -> float | None:
    """Mean Dice over the structures of both images; labels are warped linearly, the most wins."""
    if batch.fixed_labels is None or batch.moving_labels is None:
        return None
    fixed, moving = (thick_image(m[0].cpu()) for m in (batch.fixed_labels, batch.moving_labels))
    ids = [int(i) for i in np.intersect1d(fixed, moving) if i > 0]
    moved = moving if fields is None else _moved_labels(moving, fields.forward[0])
    scores = dice(fixed, moved, ids)
    # A structure that the warp has made vanish overlaps by nothing.
    value = mean_dice({i: 0.0 if np.isnan(s) else s for i, s in scores.items()})
    return None if np.isnan(value) else value


def _moved_labels(labels: NDArray[np.int16], displacement: Tensor) -> NDArray[np.int16]:
    """(Z, Y, X); each voxel takes the label with the largest share of its eight neighbours."""
    field, image = thick_field(displacement.cpu()), labels.astype(np.float32)
    out = np.empty_like(image)
    # The field lies on the image's own grid: scale and step 1, offset and start 0.
    grids = np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)
    order = (kernels.MAJORITY, np.float32(0))
    run_slabs(kernels.warp_image, len(out), image, np.eye(4)[:3], field, *grids, *order, out)
    return out.astype(np.int16)


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _mean_or_none(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return _mean(known) if known else None
