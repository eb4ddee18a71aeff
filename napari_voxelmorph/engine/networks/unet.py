"""The U-Net of VoxelMorph, for images of any shape in 2-D and 3-D.

Convolutions of width 3, LeakyReLU 0.2, nearest-neighbour upsampling, skips by concatenation
(Balakrishnan et al., CVPR 2018, TMI 2019).  One description covers the published networks,
which halve by strided convolutions, and the later ones, which halve by max-pooling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_voxelmorph.engine.networks.resolution import double, halve
from napari_voxelmorph.engine.networks.slabs import again_in_slabs, checkpointed, in_slabs

Downsampling = Literal["max-pool", "strided"]
SLOPE = 0.2


class UNet(nn.Module):
    """Features at the resolution at which the decoder ends.

    Parameters
    ----------
    ndim : int
        2 or 3.
    in_channels : int
    encoder : tuple of int
        Channels at each halving.  max-pool: convolve, keep the skip, halve.  strided: keep
        the skip (first of all the input itself), halve while convolving.
    decoder : tuple of tuples of int
        Channels of the convolutions at each resolution, coarsest first; the resolution doubles
        between two entries.  One entry more than the encoder ends at full resolution; as many
        entries end at half.
    downsampling : "max-pool" or "strided"

    Notes
    -----
    Inputs are padded with zeros at the far end to a multiple of ``2 ** len(encoder)``.  Whoever
    uses the features crops what is made of them (`field_shape`), after the last convolution:
    so a border of background is worth as much as the padding.
    """

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        encoder: tuple[int, ...],
        decoder: tuple[tuple[int, ...], ...],
        downsampling: Downsampling,
    ) -> None:
        super().__init__()
        self.ndim, self.strided = ndim, downsampling == "strided"
        self.multiple = 2 ** len(encoder)
        #: Input voxels per output voxel along each axis.
        self.scale = 2 ** (len(encoder) + 1 - len(decoder))
        self.down = nn.ModuleList()
        skips, channels = [], in_channels
        for width in encoder:
            self.down.append(convolution(ndim, channels, width, stride=2 if self.strided else 1))
            skips.append(channels if self.strided else width)
            channels = width
        self.up = nn.ModuleList()
        for level, widths in enumerate(decoder):
            if level:
                channels += skips[-level]
            block = nn.ModuleList()
            for width in widths:
                block.append(convolution(ndim, channels, width))
                channels = width
            self.up.append(block)
        self.out_channels = channels

    def forward(
        self,
        image: Tensor,
        head: Callable[[Tensor], Tensor] | None = None,
        checkpointing: bool = False,
    ) -> Tensor:
        """Features (B, out_channels, *P / scale) of an image (B, in_channels, *S) padded to P.

        With a `head`, a convolution of width 3, what it makes of them.
        """
        x, skips = like_weights(pad_to_multiple(image, self.multiple), self.down[0]), []
        for level, layer in enumerate(self.down):
            if self.strided:
                skips.append(x)
                x = checkpointed(checkpointing, _reduced, layer, x)
            elif level == 0 and self.scale > 1:
                # Nobody looks at the largest features again: they need not be kept.
                x = _first(layer, x)
                skips.append(x)
            else:
                x = checkpointed(checkpointing, activated, layer, x)
                skips.append(x)
                x = halve(x)
        for level, block in enumerate(self.up):
            last = level == len(self.up) - 1
            inputs = [x, skips.pop()] if level else [x]
            x = checkpointed(checkpointing, _decoded, block, head if last else None, *inputs)
        return x

    def field_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Voxels of the field that an image of `shape` gets: ``ceil(n / scale)``."""
        return tuple(math.ceil(n / self.scale) for n in shape)


def activated(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """LeakyReLU of what the layer makes of x."""
    # In place: the next convolution keeps the same numbers, so training keeps them once.
    return functional.leaky_relu(layer(x), SLOPE, inplace=True)


def _reduced(layer: nn.Module, x: Tensor) -> Tensor:
    """Strided: as TensorFlow pads "same" with stride 2 and an even size, at the far end only."""
    return activated(layer, functional.pad(x, (0, 1) * (x.ndim - 2)))


def _first(layer: nn.Module, x: Tensor) -> Tensor:
    """Convolved and halved."""
    channels = x.shape[1] + _width(layer)
    return again_in_slabs(lambda part: halve(activated(layer, part)), x, 1, channels, unit=2)


def _decoded(
    block: nn.ModuleList,
    head: Callable[[Tensor], Tensor] | None,
    x: Tensor,
    skip: Tensor | None = None,
) -> Tensor:
    """(B, C, *S / 2^k) and the skip, twice as fine -> (B, C', *S / 2^(k - 1))."""

    def stage(x: Tensor, skip: Tensor | None = None) -> Tensor:
        if skip is not None:
            x = torch.cat([double(x), skip], dim=1)
        for layer in block:
            x = activated(layer, x)
        return x if head is None else head(x)

    inputs = [x] if skip is None else [x, skip]
    looks = len(block) + (head is not None)
    margin = looks if skip is None else -(-looks // 2)
    channels = sum(t.shape[1] for t in inputs) + max(_width(layer) for layer in block)
    return in_slabs(stage, inputs, margin, channels)


def _width(layer: nn.Module) -> int:
    return int(layer.weight.shape[0])  # type: ignore[index]


def convolution(
    ndim: int, n_in: int, n_out: int, stride: int = 1, bias: bool = True
) -> nn.Conv2d | nn.Conv3d:
    """3-wide convolution; with stride 2 it does not pad (the caller does)."""
    layer = nn.Conv3d if ndim == 3 else nn.Conv2d
    return layer(n_in, n_out, 3, stride, padding=1 if stride == 1 else 0, bias=bias)


def initialize(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """He-normal weights and zero biases in every convolution (He et al., 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_in), generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Zeros at the far end of each spatial axis, to the next multiple."""
    missing = [-n % multiple for n in image.shape[2:]]
    if not any(missing):
        return image
    widths = [width for n in reversed(missing) for width in (0, n)]
    return functional.pad(image, widths)


def like_weights(image: Tensor, layer: nn.Module) -> Tensor:
    """With the channels last in memory where the layer's are.

    Otherwise joining it to features would give a third order, and slow copies.
    """
    layout = torch.channels_last_3d if image.ndim == 5 else torch.channels_last
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return (
        image.contiguous(memory_format=layout)
        if weight.is_contiguous(memory_format=layout)
        else image
    )


def crop(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first `shape` voxels."""
    for axis, n in enumerate(shape):
        image = image.narrow(axis + 2, 0, n)
    return image
