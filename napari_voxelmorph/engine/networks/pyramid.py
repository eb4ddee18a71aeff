"""A network that looks at each image by itself and finds the field from coarse to fine.

One encoder makes features of either image at 1/2, 1/4, ... of its resolution.  At each, from
the coarsest on, both images' features meet half-way, warped by the exponentials of half the
present velocity and of minus half; a small decoder sees how they compare (`comparison`), and
adds to the velocity.  (Features per image, coarse-to-fine warping and correlation: Sun et al.,
PWC-Net, CVPR 2018; Honkamaa & Marttinen, SITReg, 2024.)

Symmetric by construction: with g the decoder, ``v ← v + (g(m, f) - g(f, m)) / 2``, so that
exchanging the images negates the velocity.  Half-way, the first error of adding velocities
instead of composing their maps, the bracket [v, δ] / 2, cancels: exp(v/2) ∘ exp(δ) ∘ exp(v/2)
is exp(v + δ) up to third order.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_voxelmorph.engine.geometry.differentiable import integrate
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.comparison import compare, pairs_of_neighbours
from napari_voxelmorph.engine.networks.feature_warp import warp_features
from napari_voxelmorph.engine.networks.network import RegistrationNetwork, in_float32
from napari_voxelmorph.engine.networks.probabilistic import log_variance_head
from napari_voxelmorph.engine.networks.slabs import checkpointed, in_slabs
from napari_voxelmorph.engine.networks.unet import (
    SLOPE,
    activated,
    convolution,
    crop,
    initialize,
    pad_to_multiple,
)
from napari_voxelmorph.engine.networks.voxelmorph import field_head

#: Standard deviation of the first weights of the fields' heads.
FIELD_STD = 1e-3
#: Self-compositions of half the velocity when features are warped.
SQUARINGS = 4
#: Of an image, finest first.
Features = tuple[Tensor, ...]


class Pyramid(RegistrationNetwork):
    """See the module.

    Parameters
    ----------
    architecture : Architecture
    generator : torch.Generator, optional
        For the first weights; default: torch's global one.
    field_std : float
        Standard deviation of the first weights of the fields' heads.
    """

    def __init__(
        self,
        architecture: Architecture,
        generator: torch.Generator | None = None,
        field_std: float = FIELD_STD,
    ) -> None:
        super().__init__(architecture)
        ndim, channels = architecture.ndim, architecture.channels * 2**architecture.ndim
        self.encoder = nn.ModuleList()
        for level, width in enumerate(architecture.encoder):
            first = (halving if level else convolution)(ndim, channels, width)
            self.encoder.append(nn.ModuleList([first, convolution(ndim, width, width)]))
            channels = width
        initialize(self.encoder, generator)
        self.decoder = nn.ModuleList()
        last = len(architecture.decoder) - 1
        for level, widths in enumerate(architecture.decoder):
            n_in = architecture.encoder[-1 - level]
            block = Decoder(ndim, n_in, widths, architecture.symmetric, generator, field_std)
            if architecture.probabilistic and level == last:
                block.log_variance = log_variance_head(ndim, widths[-1], generator)
            self.decoder.append(block)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """See `RegistrationNetwork.forward`."""
        return self._matched(moving, fixed)[:, : self.architecture.ndim]

    def distribution(self, moving: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """See `RegistrationNetwork.distribution`."""
        if not self.architecture.probabilistic:
            return super().distribution(moving, fixed)
        mean, log_variance = self._matched(moving, fixed).chunk(2, 1)
        return mean, log_variance

    def _matched(self, moving: Tensor, fixed: Tensor) -> Tensor:
        self.check_pair(moving, fixed)
        scale = self.architecture.scale
        shape = tuple(-(-n // scale) for n in moving.shape[2:])
        return crop(self.match(self.encode(moving), self.encode(fixed)), shape)

    def encode(self, image: Tensor) -> Features:
        """Features (B, C, *P / 2), (B, C', *P / 4), ... of images (B, C, *S) padded to P.

        They do not depend on the other image: keep them to register one image to many.
        """
        x = space_to_depth(pad_to_multiple(image, 2 ** len(self.encoder)))
        features = []
        for block in self.encoder:
            for layer in block:  # type: ignore[attr-defined]
                x = checkpointed(self.checkpointing, activated, layer, x)
            features.append(x)
        return tuple(features)

    def match(self, moving: Features, fixed: Features) -> Tensor:
        """Velocity, and log-variance if probabilistic, (B, D or 2 D, *P / scale) in float32."""
        ndim = self.architecture.ndim
        found: Tensor | None = None
        for level, decoder in enumerate(self.decoder):
            one, other = moving[-1 - level], fixed[-1 - level]
            velocity = None
            if found is not None:
                velocity = doubled(found)
                one, other = half_way(one, other, velocity)
            found = checkpointed(self.checkpointing, decoder, one, other)
            if velocity is not None:
                found = torch.cat([velocity + found[:, :ndim], found[:, ndim:]], 1)
        assert found is not None
        return found


class Decoder(nn.Module):
    """What is to be added to the velocity at one resolution.

    Its first convolution is split into what does not change when the images are exchanged and
    what changes its sign, so that both ways cost it once; so does its head, which is linear.

    Parameters
    ----------
    ndim : int
    n_in : int
        Channels of the features of one image.
    widths : tuple of int
        Channels of the convolutions.
    symmetric : bool
    generator, field_std
        As for `Pyramid`.
    """

    def __init__(
        self,
        ndim: int,
        n_in: int,
        widths: tuple[int, ...],
        symmetric: bool,
        generator: torch.Generator | None,
        field_std: float,
    ) -> None:
        super().__init__()
        self.symmetric = symmetric
        pairs = pairs_of_neighbours(ndim)
        self.same = convolution(ndim, n_in + 1 + pairs, widths[0])
        self.differ = convolution(ndim, n_in + pairs, widths[0], bias=False)
        self.layers = nn.ModuleList(convolution(ndim, a, b) for a, b in pairwise(widths))
        self.most_channels = 4 * n_in + 3**ndim + 2 * max(widths)
        initialize(self, generator)
        with torch.no_grad():
            for half in (self.same, self.differ):
                half.weight *= math.sqrt(0.5)  # together one convolution of all channels
        # What both directions have in common cancels.
        bias = None if symmetric else 0.0
        self.field = field_head(ndim, widths[-1], field_std, bias, generator)
        self.log_variance: nn.Module | None = None

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Velocity, and log-variance if there is such a head, (B, D or 2 D, *S) in float32."""
        margin = len(self.layers) + 3  # also the comparison, the first convolution and the head
        return in_slabs(self._decoded, [moving, fixed], margin, self.most_channels)

    def _decoded(self, moving: Tensor, fixed: Tensor) -> Tensor:
        same, differ = compare(moving.float(), fixed.float())
        dtype = self.same.weight.dtype
        same, differ = self.same(same.to(dtype)), self.differ(differ.to(dtype))
        there = self._convolved(same + differ)
        if self.symmetric:
            back = self._convolved(same - differ)
            there, common = (there - back) / 2, (there + back) / 2
        else:
            common = there
        found = [in_float32(self.field, there)]
        if self.log_variance is not None:
            found.append(in_float32(self.log_variance, common))
        return torch.cat(found, 1).float()

    def _convolved(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu(x, SLOPE, inplace=True)
        for layer in self.layers:
            x = activated(layer, x)
        return x


def half_way(moving: Tensor, fixed: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, C, *S) where the images meet: moving by exp(v / 2), fixed by exp(-v / 2)."""
    forward, inverse = integrate(torch.cat([velocity, -velocity]) / 2, SQUARINGS).chunk(2)
    return warp_features(moving, forward), warp_features(fixed, inverse)


def doubled(velocity: Tensor) -> Tensor:
    """A velocity on a grid twice as fine, in its voxels."""
    kind = "trilinear" if velocity.ndim == 5 else "bilinear"
    return 2 * functional.interpolate(velocity, scale_factor=2, mode=kind, align_corners=False)


def space_to_depth(image: Tensor) -> Tensor:
    """(B, C, *S) as (B, 2^D C, *S / 2): nothing is lost, and voxels stay centred."""
    for axis in range(2, image.ndim):
        shape = image.shape
        halves = image.reshape(*shape[:axis], -1, 2, *shape[axis + 1 :]).unbind(axis + 1)
        image = torch.cat(halves, 1)
    return image


def halving(ndim: int, n_in: int, n_out: int) -> nn.Module:
    """Convolution of width 2 that halves: a voxel stays in the middle of those it is made of."""
    layer = nn.Conv3d if ndim == 3 else nn.Conv2d
    return layer(n_in, n_out, 2, 2)
