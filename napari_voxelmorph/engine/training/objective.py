"""What one step computes: the network's fields for a batch, and the weighted terms of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.differentiable import integrate, warp
from napari_voxelmorph.engine.geometry.warp import warp_points
from napari_voxelmorph.engine.losses.lncc import lncc
from napari_voxelmorph.engine.losses.mse import mse
from napari_voxelmorph.engine.losses.mutual_information import mutual_information
from napari_voxelmorph.engine.losses.smoothness import gradient_l2
from napari_voxelmorph.engine.losses.variational import kl_divergence, smoothing_sigma
from napari_voxelmorph.engine.losses.warped_overlap import warped_dice
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.field_grid import to_image_grid
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.probabilistic import sample
from napari_voxelmorph.engine.training.batch import Batch
from napari_voxelmorph.engine.training.conditions import EVEN, Balance
from napari_voxelmorph.engine.training.config import TrainingConfig


@dataclass(frozen=True, eq=False)
class Fields:
    """What a network says of a batch, in float32.

    Parameters
    ----------
    field : Tensor (B, D, *Sg)
        Its output (the mean, of a probabilistic network), voxels of the field's grid.
    log_variance : Tensor (B, D, *Sg) or None
    forward : Tensor (B, D, *S)
        Displacement for the moving image, image voxels.
    inverse : Tensor (B, D, *S) or None
        Displacement for the fixed image; None without a velocity, or when not asked for.
    """

    field: Tensor
    log_variance: Tensor | None
    forward: Tensor
    inverse: Tensor | None


def predict_fields(
    network: RegistrationNetwork,
    batch: Batch,
    config: TrainingConfig,
    *,
    noise: Sequence[torch.Generator] | None = None,
    precision: torch.dtype = torch.float32,
) -> Fields:
    """Run the network on a batch.

    Parameters
    ----------
    noise : one torch.Generator per pair, optional
        For a probabilistic network: draw the velocity from the posterior instead of taking its
        mean; on the device of the batch.
    precision : torch.dtype
        Of the convolutions; whatever follows is computed in float32.
    """
    architecture, log_variance = network.architecture, None
    # A network that warps must not look for places that are NaN; the loss is to be NaN all the same.
    nan = 0.0 * (batch.moving.sum() + batch.fixed.sum())
    images = [as_network_wants(image.nan_to_num()) for image in (batch.moving, batch.fixed)]
    with torch.autocast(
        batch.fixed.device.type, torch.bfloat16, enabled=precision == torch.bfloat16
    ):
        if architecture.probabilistic:
            field, log_variance = network.distribution(*images)
        else:
            field = network(*images)
    field = field.float() + nan
    drawn = field
    if log_variance is not None:
        log_variance = log_variance.float()
        if noise is not None:
            smoothing = posterior_smoothing(config, architecture.ndim)
            drawn = torch.cat(
                [
                    sample(field[b : b + 1], log_variance[b : b + 1], generator, smoothing)
                    for b, generator in enumerate(noise)
                ]
            )
    shape = tuple(batch.fixed.shape[2:])
    return Fields(
        field, log_variance, *displacements(drawn, shape, architecture, config.bidirectional)
    )


def displacements(
    field: Tensor, shape: tuple[int, ...], architecture: Architecture, both: bool
) -> tuple[Tensor, Tensor | None]:
    """Displacement and, of a velocity and if wanted, inverse displacement on the image's grid.

    As `networks.field_grid.both_displacements`, with the gradients of `geometry.differentiable`.
    """
    if architecture.output == "displacement":
        return to_image_grid(field, shape, architecture.scale, architecture.offset), None
    fields = torch.cat([field, -field]) if both else field
    fields = integrate(fields, architecture.squarings)
    found = to_image_grid(fields, shape, architecture.scale, architecture.offset)
    forward = found[: len(field)]
    return forward, found[len(field) :] if both else None


def as_network_wants(image: Tensor) -> Tensor:
    """(B, C, *S) with the channels last in memory, in which convolutions are quickest."""
    layout = torch.channels_last_3d if image.ndim == 5 else torch.channels_last
    return image.contiguous(memory_format=layout)


def posterior_smoothing(config: TrainingConfig, ndim: int) -> float:
    """Standard deviation (voxels of the field) of the posterior's Gaussian; 0 when diagonal."""
    if config.posterior == "diagonal" or config.smoothness <= 0:
        return 0.0
    return smoothing_sigma(config.smoothness, ndim)


def loss_terms(
    fields: Fields,
    batch: Batch,
    config: TrainingConfig,
    scale: int,
    labels: int = 0,
    shares: Balance = EVEN,
) -> dict[str, Tensor]:
    """The weighted terms by name; their sum is the loss.

    Every term is a mean over the pairs of the batch, so that processes that take a part of
    the batch each can average.

    Parameters
    ----------
    scale : int
        Image voxels per voxel of the field.
    labels : int
        Number of structures in the segmentations.
    shares : Balance
        Of a network with hyperparameters.
    """
    terms = {}
    if config.similarity != "none":
        likeness = _both(fields, lambda u, i: _similarity(u, batch, config, fields, i))
        terms["similarity"] = shares.similarity * likeness
    if fields.log_variance is not None:
        # λ is the precision of the prior; the data's share falls on both.
        terms["kl"] = shares.data * kl_divergence(
            fields.field,
            fields.log_variance,
            config.smoothness * shares.precision,
            config.kl_mode,
            posterior_smoothing(config, fields.field.shape[1]),
        )
    elif config.smoothness > 0:
        # Differences of a coarse field are those of the fine one (both voxels grow alike); the
        # factor is the reference's, whose recommended weights are meant with it.
        terms["smoothness"] = (
            shares.smoothness * config.smoothness * scale * gradient_l2(fields.field)
        )
    if config.segmentation_weight > 0 and labels and batch.fixed_labels is not None:
        overlap = _both(fields, lambda u, i: _segmentations(u, batch, labels, i))
        terms["segmentations"] = shares.segmentations * config.segmentation_weight * overlap
    if config.landmark_weight > 0:
        distance = _both(fields, lambda u, i: _landmarks(u, batch, i))
        terms["landmarks"] = shares.data * config.landmark_weight * distance
    if config.field_weight > 0 and batch.displacement is not None:
        terms["known field"] = (
            shares.data * config.field_weight * _known_field(fields.forward, batch)
        )
    if not terms:
        raise InputError(
            "Nothing is left to train on: choose a similarity, or give segmentations, landmarks or "
            "known fields and a weight above 0."
        )
    return terms


def _both(fields: Fields, term) -> Tensor:  # type: ignore[no-untyped-def]
    """``term(displacement, inverse?)``, in both directions with half the weight each."""
    forward: Tensor = term(fields.forward, False)
    if fields.inverse is None:
        return forward
    backward: Tensor = term(fields.inverse, True)
    return 0.5 * (forward + backward)


def similarity_loss(fixed: Tensor, moved: Tensor, config: TrainingConfig) -> Tensor:
    """Smaller is better: ``-mean cc²``, mean squared difference, or minus mutual information."""
    if config.similarity == "mse":
        return mse(fixed, moved)
    if config.similarity == "mi":
        return -mutual_information(fixed, moved)
    return lncc(fixed, moved, config.radius)


def _similarity(
    displacement: Tensor, batch: Batch, config: TrainingConfig, fields: Fields, inverse: bool
) -> Tensor:
    moving, fixed = (batch.fixed, batch.moving) if inverse else (batch.moving, batch.fixed)
    loss = similarity_loss(fixed, warp(moving, displacement), config)
    if fields.log_variance is None:
        return loss
    # As a likelihood: the residual's variance over that of the noise.  What local correlation
    # leaves unexplained, 1 - cc², is a share of the image's own variance.
    if config.similarity != "mse":
        loss = loss * fixed.var()
    return loss * ((0.5 if config.kl_mode == "exact" else 1.0) / config.image_sigma**2)


def _segmentations(displacement: Tensor, batch: Batch, labels: int, inverse: bool) -> Tensor:
    if batch.fixed_labels is None or batch.moving_labels is None:
        return displacement.sum() * 0
    pair = (batch.moving_labels, batch.fixed_labels)
    moving, fixed = reversed(pair) if inverse else pair
    overlap, present = warped_dice(fixed, moving, displacement, labels)
    missing = ((1 - overlap) * present).sum(1) / present.sum(1).clamp(min=1)
    return missing.mean()


def _landmarks(displacement: Tensor, batch: Batch, inverse: bool) -> Tensor:
    """Mean squared distance (voxels²); points of the grid that is warped onto move with u."""
    total = displacement.new_zeros(())
    for b, pair in enumerate(batch.landmarks):
        if pair is not None:
            moving, fixed = reversed(pair) if inverse else pair
            if not torch.isfinite(fixed).all():  # no place to look at
                return total + torch.nan
            found = warp_points(fixed[None], displacement[b : b + 1])[0]
            total = total + (found - moving).square().sum(1).mean()
    return total / len(batch)


def _known_field(displacement: Tensor, batch: Batch) -> Tensor:
    assert batch.displacement is not None
    squares = (displacement - batch.displacement).square().flatten(1).mean(1)
    return (squares * batch.known).mean()
