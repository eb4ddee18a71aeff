"""From an architecture to a network."""

from __future__ import annotations

import torch

from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.hyper import add_hypernetwork
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.probabilistic import ProbabilisticVoxelMorph
from napari_voxelmorph.engine.networks.pyramid import Pyramid
from napari_voxelmorph.engine.networks.voxelmorph import VoxelMorph


def build(
    architecture: Architecture,
    generator: torch.Generator | None = None,
    field_std: float | None = None,
) -> RegistrationNetwork:
    """A network with its first, random weights.

    Parameters
    ----------
    architecture : Architecture
    generator : torch.Generator, optional
        Handed in: repeatable.
    field_std : float, optional
        Standard deviation of the first weights of the field's head; default: that of the papers
        (1e-5) or of the pyramid.  Images of different contrast may need 1e-2, or the field
        stays at zero for many steps.
    """
    kind: type[VoxelMorph | Pyramid] = VoxelMorph
    if architecture.design == "pyramid":
        kind = Pyramid
    elif architecture.probabilistic:
        kind = ProbabilisticVoxelMorph
    spread = () if field_std is None else (field_std,)
    network = kind(architecture, generator, *spread)
    if architecture.hyper:
        add_hypernetwork(network, architecture.hyper, architecture.rank, generator)
    return network
