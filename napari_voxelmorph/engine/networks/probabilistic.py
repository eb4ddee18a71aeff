"""VoxelMorph-diff: a normal distribution over velocities (Dalca et al., MICCAI 2018, MedIA 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_voxelmorph.engine.losses.variational import gaussian_smooth, gaussian_taps
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.network import in_float32
from napari_voxelmorph.engine.networks.voxelmorph import FIELD_STD, VoxelMorph, field_head

#: As in the reference: variances start constant and small, so that training starts stable.
LOG_VARIANCE_STD, LOG_VARIANCE_BIAS = 1e-10, -10.0


class ProbabilisticVoxelMorph(VoxelMorph):
    """Mean and log-variance of the velocity; calling the network gives the mean.

    Nothing is drawn at random unless `sample` is asked to: registering twice gives one result.
    """

    def __init__(
        self,
        architecture: Architecture,
        generator: torch.Generator | None = None,
        field_std: float = FIELD_STD,
    ) -> None:
        super().__init__(architecture, generator, field_std)
        self.log_variance = log_variance_head(architecture.ndim, self.unet.out_channels, generator)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """The mean."""
        return self.distribution(moving, fixed)[0]

    def distribution(self, moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the velocity, (B, D, *Sg) each; see `forward`."""
        self.check_pair(moving, fixed)
        mean, log_variance = self._one_way(moving, fixed).chunk(2, 1)
        if self.architecture.symmetric:
            back, same = self._one_way(fixed, moving).chunk(2, 1)
            mean, log_variance = (mean - back) / 2, (log_variance + same) / 2
        return mean, log_variance

    def heads(self, features: Tensor) -> Tensor:
        """Mean and log-variance, one after the other."""
        heads = (self.field, self.log_variance)
        return torch.cat([in_float32(head, features) for head in heads], 1)


def log_variance_head(ndim: int, n_in: int, generator: torch.Generator | None) -> nn.Module:
    """The second head."""
    return field_head(ndim, n_in, LOG_VARIANCE_STD, LOG_VARIANCE_BIAS, generator)


def sample(
    mean: Tensor, log_variance: Tensor, generator: torch.Generator, smoothing: float = 0.0
) -> Tensor:
    """A velocity drawn from the posterior, differentiable in its parameters.

    ``z = μ + G ∗ (exp(½ log σ²) · ε)``, with a Gaussian G of standard deviation `smoothing`
    (voxels of the field); 0 is the diagonal posterior, ``z = μ + σ ε``.

    Parameters
    ----------
    mean, log_variance : Tensor (B, D, *Sg)
    generator : torch.Generator
        On the device of `mean`.
    """
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    noise = noise * torch.exp(0.5 * log_variance)
    if smoothing > 0:
        noise = gaussian_smooth(noise, gaussian_taps(smoothing).to(mean))
    return mean + noise


def deviation(log_variance: Tensor, smoothing: float = 0.0) -> Tensor:
    """Standard deviation of each velocity component, (B, D, *Sg), without sampling.

    For a smoothed posterior ``sqrt((g² ∗ d²)(x))``: one convolution with the squared kernel.
    """
    variance = torch.exp(log_variance)
    if smoothing > 0:
        variance = gaussian_smooth(variance, gaussian_taps(smoothing).to(variance) ** 2)
    return variance.sqrt()
