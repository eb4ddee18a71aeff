"""From an architecture to a network."""

from __future__ import annotations

import torch

from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.probabilistic import ProbabilisticVoxelMorph
from napari_voxelmorph.engine.networks.voxelmorph import VoxelMorph


def build(architecture: Architecture, generator: torch.Generator | None = None) -> VoxelMorph:
    """A network with its first, random weights (`generator` handed in: repeatable)."""
    kind = ProbabilisticVoxelMorph if architecture.probabilistic else VoxelMorph
    return kind(architecture, generator)
