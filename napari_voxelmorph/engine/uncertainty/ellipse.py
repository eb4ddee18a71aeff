"""Where a landmark may lie: the ellipse (3-D: ellipsoid) of its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_voxelmorph.engine.errors import InputError


@dataclass(frozen=True, eq=False)
class Ellipse:
    """Ellipses of N points.

    Parameters
    ----------
    radii : ndarray (N, D)
        Semi-axes, mm, longest first.
    directions : ndarray (N, D, D)
        Row i is the unit vector of semi-axis i, world axes.
    """

    radii: NDArray[np.float64]
    directions: NDArray[np.float64]


def ellipse(covariance: NDArray[np.float64], share: float = 0.95) -> Ellipse:
    """The ellipses that hold `share` of a normal distribution.

    Semi-axes are ``√(λ_i χ²_D(share))`` along the eigenvectors of the covariance.

    Parameters
    ----------
    covariance : ndarray (N, D, D), mm²
    share : float
        Above 0, below 1.
    """
    if not 0 < share < 1:
        raise InputError(f"ellipse: share must be above 0 and below 1, got {share}.")
    values, vectors = np.linalg.eigh(covariance)
    reach = chi_square_quantile(share, covariance.shape[-1])
    radii = np.sqrt(np.maximum(values, 0) * reach)
    return Ellipse(radii[:, ::-1], np.swapaxes(vectors, 1, 2)[:, ::-1])


def chi_square_quantile(share: float, degrees: int) -> float:
    """Below this lies `share` of a chi-square distribution."""
    return float(2 * special.gammaincinv(degrees / 2, share))
