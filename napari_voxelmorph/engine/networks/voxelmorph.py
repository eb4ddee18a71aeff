"""VoxelMorph: two images in, one field out (Balakrishnan et al., 2018, 2019; Dalca et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.network import RegistrationNetwork, in_float32
from napari_voxelmorph.engine.networks.unet import UNet, crop, initialize

#: Standard deviation of the weights of the field's head: training starts near the identity.
FIELD_STD = 1e-5


class VoxelMorph(RegistrationNetwork):
    """U-Net and one convolution, the field's head.

    Parameters
    ----------
    architecture : Architecture
    generator : torch.Generator, optional
        For the first weights; default: torch's global one.
    field_std : float
        Standard deviation of the first weights of the field's head.
    """

    def __init__(
        self,
        architecture: Architecture,
        generator: torch.Generator | None = None,
        field_std: float = FIELD_STD,
    ) -> None:
        super().__init__(architecture)
        ndim = architecture.ndim
        self.unet = UNet(
            ndim,
            2 * architecture.channels,
            architecture.encoder,
            architecture.decoder,
            architecture.downsampling,
        )
        initialize(self.unet, generator)
        # What both directions have in common cancels when the network is symmetric.
        bias = None if architecture.symmetric else 0.0
        self.field = field_head(ndim, self.unet.out_channels, field_std, bias, generator)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """See `RegistrationNetwork.forward`."""
        self.check_pair(moving, fixed)
        field = self._one_way(moving, fixed)
        if self.architecture.symmetric:
            field = (field - self._one_way(fixed, moving)) / 2
        return field

    def heads(self, features: Tensor) -> Tensor:
        """What is made of the features (B, C, *P / scale), along axis 1."""
        return in_float32(self.field, features)

    def _one_way(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """The heads' output without the padding: (B, C, *ceil(S / scale))."""
        pair = torch.cat([moving, fixed], dim=1)
        made = self.unet(pair, self.heads, self.checkpointing)
        return crop(made, self.unet.field_shape(tuple(moving.shape[2:])))


def field_head(
    ndim: int, n_in: int, std: float, bias: float | None, generator: torch.Generator | None
) -> nn.Module:
    """A convolution to one channel per axis, with normal weights and a constant bias or none."""
    layer = nn.Conv3d if ndim == 3 else nn.Conv2d
    head = layer(n_in, ndim, 3, padding=1, bias=bias is not None)
    nn.init.normal_(head.weight, 0.0, std, generator)
    if head.bias is not None and bias is not None:
        nn.init.constant_(head.bias, bias)
    return head
