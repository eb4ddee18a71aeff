"""What every registration network is: two images in, one field out."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.hyper import (
    MIDDLE,
    set_condition,
    weights_at_condition,
)


class RegistrationNetwork(nn.Module):
    """Base of the networks; `engine.networks.registry.build` makes one from an architecture.

    Attributes
    ----------
    architecture : Architecture
    checkpointing : bool
        While training, compute the large layers twice instead of keeping their results.
        Set it at any time; it changes no number.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.checkpointing = False

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """The field that pulls `moving` onto `fixed`; of a distribution, the mean.

        Parameters
        ----------
        moving, fixed : Tensor (B, C, *S)
            On one grid, intensities about 0 to 1.

        Returns
        -------
        Tensor (B, D, *ceil(S / scale))
            Velocity or displacement, as ``architecture.output`` says, in voxels of its own grid.

        Raises
        ------
        InputError
            When the images do not fit the network or each other.
        """
        raise NotImplementedError

    def distribution(self, moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the velocity, (B, D, *Sg) each.

        Raises
        ------
        InputError
            Also when the architecture is not probabilistic.
        """
        raise InputError("This network gives a field without a variance: it is not probabilistic.")

    @property
    def middle(self) -> tuple[float, ...]:
        """The hyperparameters in the middle of their range; empty without any."""
        return (MIDDLE,) * self.architecture.hyper

    def at(self, *values: float) -> Self:
        """A copy for these hyperparameters (λ first, from 0 to 1): a network like any other.

        Raises
        ------
        InputError
            When the architecture has no hyperparameters, or other ones.
        """
        set_condition(self, values)
        found = type(self)(replace(self.architecture, hyper=0))
        weights = weights_at_condition(self)
        found.load_state_dict({name: weights[name].clone() for name in found.state_dict()})
        example = next(self.parameters())
        return found.to(example.device).eval().requires_grad_(False)

    def check_pair(self, moving: Tensor, fixed: Tensor) -> None:
        """Raise `InputError` unless the tensors are images for this network, on one grid."""
        wanted = (self.architecture.channels, self.architecture.ndim + 2)
        if moving.shape != fixed.shape or (moving.shape[1], moving.ndim) != wanted:
            raise InputError(
                f"This network registers {self.architecture.ndim}-D images on one grid with "
                f"{self.architecture.channels} channel(s); got tensors of shape "
                f"{tuple(moving.shape)} and {tuple(fixed.shape)}, expected (B, C, *S)."
            )


def in_float32(head: nn.Module, features: Tensor) -> Tensor:
    """``head(features)``, not in half precision unless the head itself is: it makes positions."""
    dtype: torch.dtype = head.weight.dtype  # type: ignore[assignment]
    with torch.autocast(features.device.type, enabled=False):
        made: Tensor = head(features.to(dtype))
    return made
