"""What a probabilistic network says of a velocity: a mean, and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field


@dataclass(frozen=True, eq=False)
class Posterior:
    """Velocities ``z = μ + τ · G ∗ (d ε)``, ε standard normal, per component and voxel.

    Parameters
    ----------
    mean : Field
        μ, a velocity.
    deviation : ndarray (D, *Sg) float16
        d, in voxels of the field's grid, components in array order.
    smoothing : float
        Standard deviation σ_c (voxels of the field) of the Gaussian G of sum one; 0: none.
    temperature : float
        τ, fitted on pairs with a known answer; 1: as the network says.
    """

    mean: Field
    deviation: NDArray[np.float16]
    smoothing: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.mean.kind != "velocity":
            raise InputError("Posterior: the mean must be a velocity, not a displacement.")
        deviation = np.ascontiguousarray(self.deviation, np.float16)
        if deviation.shape != self.mean.data.shape:
            raise InputError(
                f"Posterior: the deviation has shape {deviation.shape} and the mean "
                f"{self.mean.data.shape}; they must be the same."
            )
        if not np.isfinite(deviation).all() or (deviation < 0).any():
            raise InputError("Posterior: the deviation must be finite numbers from 0.")
        for name, low in (("smoothing", 0.0), ("temperature", 1e-6)):
            value = float(getattr(self, name))
            if not np.isfinite(value) or not low <= value <= 1e3:
                raise InputError(f"Posterior: {name} must be from {low:g} to 1000, got {value}.")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "deviation", deviation)
