"""A registration in one pass of a network."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.space import Array, Space, conform, place
from napari_voxelmorph.engine.pair_checks import beginning, check_pair
from napari_voxelmorph.engine.result import Registration


def predict(
    network: RegistrationNetwork,
    space: Space,
    moving: Volume,
    fixed: Volume,
    affine: Matrix | None = None,
) -> Registration:
    """Register a pair by a network; the result lies on the fixed image's own grid.

    Both images go to the model's space (axes, spacing, crop, intensities); the network's field
    comes back as a `Field` on the fixed image's axes, so that warping resamples the original
    moving voxels once.

    Parameters
    ----------
    network : VoxelMorph
        On the device and in the precision that it shall run in.
    space : Space
        What the network was trained on.
    moving, fixed : Volume
    affine : ndarray (D + 1, D + 1), optional
        Pre-alignment, fixed world to moving world (mm).  Default: the headers, or centre on
        centre where they put the images apart.

    Raises
    ------
    InputError
        When the pair cannot be registered, or not by this network.
    """
    moving, fixed = check_pair(moving, fixed)
    _check_fits(network, fixed)
    world = beginning(fixed, moving) if affine is None else np.array(affine, np.float64)
    began = time.perf_counter()
    where = place(space, fixed)
    images = [
        conform(moving, fixed, where, space, world),
        conform(fixed, fixed, where, space),
    ]
    prepared = time.perf_counter()
    data = run(network, *images)
    field = where.field(data, network.architecture)
    timings = {"conform": prepared - began, "network": time.perf_counter() - prepared}
    return Registration(fixed, moving, world, field, timings=timings)


def _check_fits(network: RegistrationNetwork, fixed: Volume) -> None:
    ndim, channels = network.architecture.ndim, network.architecture.channels
    if channels != 1 or ndim != fixed.ndim:
        raise InputError(
            f"This network registers {ndim}-D images with {channels} channel(s); “{fixed.name}” "
            f"is {fixed.ndim}-D with one. Choose another model."
        )


@torch.inference_mode()
def run(network: RegistrationNetwork, moving: Array, fixed: Array) -> Array:
    """The network's field (D, *Sg) for two arrays on its grid, in float32.

    Raises
    ------
    InputError
        When it is not finite.
    """
    weight = next(network.parameters())

    def tensor(image: Array) -> Tensor:
        return torch.from_numpy(image)[None, None].to(weight.device, weight.dtype)

    field: Array = network(tensor(moving), tensor(fixed))[0].float().cpu().contiguous().numpy()
    if not np.isfinite(field).all():
        raise InputError(
            "The network gave no finite field for this pair. Check the images' intensities, or "
            "choose another model."
        )
    return field
