"""What an augmentation does to a pair, chosen by random numbers that are handed in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Float64 = NDArray[np.float64]

# At full strength: standard deviations of normal numbers, cut at two of them.
_TURN = (0.10, 0.04)  # radians, both images alike and each on its own
_SCALE = (0.06, 0.03)  # logarithm
_SHIFT = (0.03, 0.015)  # of the grid's size
_BEND = 0.012  # of the grid's size, smooth
_GAMMA, _GAIN, _BIAS, _NOISE = 0.15, 0.08, 0.1, 0.02
#: Nodes of the smooth displacement, and of what it is refined to before the kernel is linear.
_NODES, _REFINED = 5, 17


@dataclass(frozen=True, eq=False)
class Change:
    """What is done to one image.

    Parameters
    ----------
    matrix : ndarray (D + 1, D + 1)
        New voxel to old voxel.
    grid : ndarray (4, *Sg) float32
        On nodes that span the image: displacement (voxels; 2-D: the first is 0) before the
        matrix, and the gain.
    gamma, noise : float
    seed : int
        Of the noise.
    """

    matrix: Float64
    grid: NDArray[np.float32]
    gamma: float
    noise: float
    seed: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done to the moving and to the fixed image."""

    moving: Change
    fixed: Change


def plan(
    random: np.random.Generator,
    shape: tuple[int, ...],
    strength: float,
    orientation: str = "",
    fixed_stays: bool = False,
) -> Plan:
    """Choose the changes of one pair.

    Parameters
    ----------
    strength : float
        0 nothing, 1 strong.
    orientation : str
        Of the grid: images are mirrored left to right; unknown: along any axis.
    fixed_stays : bool
        The fixed image is an atlas, the same for every pair, and the moving one is aligned to
        it: it keeps its shape, and nothing is mirrored or turned alike.
    """
    ndim = len(shape)
    alike = np.eye(ndim + 1)
    if not fixed_stays:
        alike = _mirror(random, shape, orientation) if strength else alike
        alike = alike @ _affine(random, shape, strength, 0)
    changes = []
    for stays in (False, fixed_stays):
        own = _affine(random, shape, strength, 1)
        grid = _grid(random, shape, strength)
        gamma, gain, noise = (
            _one(random) * _GAMMA * strength,
            _one(random) * _GAIN * strength,
            random.uniform() * _NOISE * strength,
        )
        seed = int(random.integers(2**63))
        if stays:
            own, grid[:3] = np.eye(ndim + 1), 0
        grid[3] = np.exp(grid[3] + np.float32(gain))
        changes.append(Change(alike @ own, grid, float(np.exp(gamma)), float(noise), seed))
    return Plan(*changes)


def _normal(random: np.random.Generator, size: tuple[int, ...]) -> Float64:
    return np.asarray(np.clip(random.standard_normal(size), -2, 2), np.float64)


def _one(random: np.random.Generator) -> float:
    return float(_normal(random, (1,))[0])


def _mirror(random: np.random.Generator, shape: tuple[int, ...], orientation: str) -> Float64:
    """Mirrored left to right in half of the pairs; along any axis where left is not known."""
    known = [axis for axis, letter in enumerate(orientation) if letter in "LR"]
    matrix = np.eye(len(shape) + 1)
    for axis in known or range(len(shape)):
        if random.uniform() < 0.5:
            matrix[axis, axis], matrix[axis, -1] = -1, shape[axis] - 1
    return matrix


def _affine(
    random: np.random.Generator, shape: tuple[int, ...], strength: float, own: int
) -> Float64:
    """Turn, scale and shift about the middle of the grid, new voxel to old voxel."""
    ndim = len(shape)
    linear = np.eye(ndim)
    for a, b in product(range(ndim), repeat=2):
        if a < b:
            angle = _one(random) * _TURN[own] * strength
            turn = np.eye(ndim)
            turn[a, a] = turn[b, b] = np.cos(angle)
            turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
            linear = linear @ turn
    linear = linear @ np.diag(np.exp(_normal(random, (ndim,)) * _SCALE[own] * strength))
    shift = _normal(random, (ndim,)) * _SHIFT[own] * strength * np.array(shape)
    middle = (np.array(shape) - 1) / 2
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = middle + shift - linear @ middle
    return matrix


def _grid(
    random: np.random.Generator, shape: tuple[int, ...], strength: float
) -> NDArray[np.float32]:
    """Smooth displacement (voxels) and logarithm of the gain, on `_REFINED` nodes per axis."""
    ndim = len(shape)
    fine = _normal(random, (ndim + 1, *(_NODES,) * ndim)) * strength
    for axis in range(1, ndim + 1):
        fine = np.moveaxis(np.tensordot(_splines(), fine, (1, axis)), 0, axis)
    size = np.array([*(_BEND * np.array(shape)), _BIAS]).reshape(-1, *(1,) * ndim)
    out = np.zeros((4, *(1,) * (3 - ndim), *(_REFINED,) * ndim), np.float32)
    out[3 - ndim :] = (fine * size).reshape(ndim + 1, *out.shape[1:])
    return out


@lru_cache(maxsize=1)
def _splines() -> Float64:
    """Cubic splines through `_NODES` values, at `_REFINED` places, (_REFINED, _NODES)."""
    places = np.linspace(0, _NODES - 1, _REFINED)
    splines = CubicSpline(np.arange(_NODES), np.eye(_NODES), bc_type="natural")
    return np.asarray(splines(places), np.float64)
