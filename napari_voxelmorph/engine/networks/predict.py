"""A registration in one pass of a network."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.space import Array, Space, conform, place
from napari_voxelmorph.engine.pair_checks import beginning, check_pair
from napari_voxelmorph.engine.result import Registration

#: Beyond this a log-variance says nothing more; within, its deviation fits half precision.
_LARGEST_LOG = 20.0


def predict(
    network: RegistrationNetwork,
    space: Space,
    moving: Volume,
    fixed: Volume,
    affine: Matrix | None = None,
    *,
    smoothing: float = 0.0,
    temperature: float = 1.0,
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
    smoothing, temperature : float
        Of the posterior of a probabilistic network, see `Posterior`; kept with the result.

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
    data, log_variance = _outputs(network, *images)
    field, posterior = where.field(data, network.architecture), None
    if log_variance is not None:
        # Mirrored axes turn the sign of a component, which a deviation has not.
        deviation = where.field(np.exp(0.5 * log_variance), network.architecture)
        posterior = Posterior(
            field, np.abs(deviation.data).astype(np.float16), smoothing, temperature
        )
    timings = {"conform": prepared - began, "network": time.perf_counter() - prepared}
    return Registration(fixed, moving, world, field, timings=timings, posterior=posterior)


def _check_fits(network: RegistrationNetwork, fixed: Volume) -> None:
    ndim, channels = network.architecture.ndim, network.architecture.channels
    if channels != 1 or ndim != fixed.ndim:
        raise InputError(
            f"This network registers {ndim}-D images with {channels} channel(s); “{fixed.name}” "
            f"is {fixed.ndim}-D with one. Choose another model."
        )


def run(network: RegistrationNetwork, moving: Array, fixed: Array) -> Array:
    """The network's field (D, *Sg) for two arrays on its grid, in float32; of a distribution
    the mean.

    Raises
    ------
    InputError
        When it is not finite.
    """
    return _outputs(network, moving, fixed)[0]


@torch.inference_mode()
def _outputs(
    network: RegistrationNetwork, moving: Array, fixed: Array
) -> tuple[Array, Array | None]:
    """Field and, of a probabilistic network, log-variance; `InputError` when not finite."""
    weight = next(network.parameters())

    def tensor(image: Array) -> Tensor:
        return torch.from_numpy(image)[None, None].to(weight.device, weight.dtype)

    def array(field: Tensor) -> Array:
        found: Array = field[0].float().cpu().contiguous().numpy()
        if not np.isfinite(found).all():
            raise InputError(
                "The network gave no finite field for this pair. Check the images' intensities, "
                "or choose another model."
            )
        return found

    if not network.architecture.probabilistic:
        return array(network(tensor(moving), tensor(fixed))), None
    mean, log_variance = network.distribution(tensor(moving), tensor(fixed))
    return array(mean), array(log_variance.clamp(-_LARGEST_LOG, _LARGEST_LOG))
