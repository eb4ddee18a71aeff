"""VoxelMorph: two images in, one field out (Balakrishnan et al., 2018, 2019; Dalca et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.unet import UNet, convolution, crop, initialize

#: Standard deviation of the weights of the field's head: training starts near the identity.
FIELD_STD = 1e-5


class VoxelMorph(nn.Module):
    """U-Net and one convolution, the field's head.

    Parameters
    ----------
    architecture : Architecture
    generator : torch.Generator, optional
        For the first weights; default: torch's global one.
    """

    def __init__(
        self, architecture: Architecture, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.architecture = architecture
        ndim = architecture.ndim
        self.unet = UNet(
            ndim,
            2 * architecture.channels,
            architecture.encoder,
            architecture.decoder,
            architecture.downsampling,
        )
        initialize(self.unet, generator)
        self.field = field_head(ndim, self.unet.out_channels, FIELD_STD, 0.0, generator)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """The field that pulls `moving` onto `fixed`.

        Parameters
        ----------
        moving, fixed : Tensor (B, C, *S)
            On one grid, intensities about 0 to 1.

        Returns
        -------
        Tensor (B, D, *ceil(S / scale))
            Velocity or displacement, as ``architecture.output`` says, in voxels of its own grid.
        """
        field: Tensor = self.field(self.features(moving, fixed))
        return self.cropped(field, moving)

    def features(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """What the heads see, (B, C, *P / scale), for images padded to P."""
        wanted = (self.architecture.channels, self.architecture.ndim + 2)
        if moving.shape != fixed.shape or (moving.shape[1], moving.ndim) != wanted:
            raise InputError(
                f"This network registers {self.architecture.ndim}-D images on one grid with "
                f"{self.architecture.channels} channel(s); got tensors of shape "
                f"{tuple(moving.shape)} and {tuple(fixed.shape)}, expected (B, C, *S)."
            )
        features: Tensor = self.unet(torch.cat([moving, fixed], dim=1))
        return features

    def cropped(self, field: Tensor, image: Tensor) -> Tensor:
        """A head's output without the padding: (B, D, *ceil(S / scale))."""
        return crop(field, self.unet.field_shape(tuple(image.shape[2:])))


def field_head(
    ndim: int, n_in: int, std: float, bias: float, generator: torch.Generator | None
) -> nn.Module:
    """A convolution to one channel per axis, with normal weights and a constant bias."""
    head = convolution(ndim, n_in, ndim)
    nn.init.normal_(head.weight, 0.0, std, generator)  # type: ignore[arg-type]
    nn.init.constant_(head.bias, bias)  # type: ignore[arg-type]
    return head
