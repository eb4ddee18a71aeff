"""Rotations, and small steps in the group of rigid or affine maps.

A map is improved by multiplying it with ``exp(sum_p step[p] * generator[p])``: steps of a
rigid map stay rigid, and no parametrisation has a singular place.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Float64 = NDArray[np.float64]


def generators(ndim: int, kind: str) -> Float64:
    """Directions of change (P, 4, 4): rotations, translations and, for "affine", strains.

    In 2-D the first axis takes no part.
    """
    axes = range(3 - ndim, 3)
    found = []
    for i in axes:
        for j in axes:
            if i < j:
                found.append(_unit((i, j), 1.0) - _unit((j, i), 1.0))
    found += [_unit((i, 3), 1.0) for i in axes]
    if kind == "affine":
        for i in axes:
            for j in axes:
                if i <= j:
                    found.append(_unit((i, j), 0.5) + _unit((j, i), 0.5))
    return np.stack(found)


def _unit(at: tuple[int, int], value: float) -> Float64:
    matrix = np.zeros((4, 4))
    matrix[at] = value
    return matrix


def move(matrix: Float64, step: Float64, directions: Float64) -> Float64:
    """``matrix @ exp(step · directions)``, (4, 4).

    The exponential by its series on an eighth of the step, squared three times: steps are
    short, and general-purpose routines start threads for it.
    """
    eighth = np.tensordot(step, directions, axes=1) / 8
    term = total = np.eye(4)
    for order in range(1, 12):
        term = term @ eighth / order
        total = total + term
    for _ in range(3):
        total = total @ total
    return np.asarray(matrix @ total)


def nearest_rotation(map_: Float64, pivot: Float64) -> Float64:
    """The rigid map (4, 4) nearest to an affine one that takes `pivot` (3,) to the same place."""
    left, _, right = np.linalg.svd(map_[:3, :3])
    rotation = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    out = np.eye(4)
    out[:3, :3] = rotation
    out[:3, 3] = map_[:3, :3] @ pivot + map_[:3, 3] - rotation @ pivot
    return out


def angle(rotation: Float64) -> float:
    """Angle of a rotation matrix (3, 3), degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def nearby_rotations(ndim: int, reach: float, spacing: float) -> Float64:
    """Rotations (K, 3, 3) up to `reach` degrees on a lattice of rotation vectors, mildest first."""
    n = int(reach // spacing)
    if ndim == 2:
        vectors = np.array([[i, 0, 0] for i in range(-n, n + 1)], float)
    else:
        vectors = np.array(list(product(range(-n, n + 1), repeat=3)), float)
    lengths = np.linalg.norm(vectors, axis=1) * spacing
    order = np.argsort(lengths, kind="stable")
    vectors = vectors[order][lengths[order] <= reach]
    return np.asarray(Rotation.from_rotvec(vectors * np.radians(spacing)).as_matrix())


def quarter_turns(ndim: int) -> Float64:
    """The rotations (K, 3, 3) that take axes to axes: 24 in 3-D, 4 in 2-D."""
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0 and (ndim == 3 or matrix[0, 0] == 1.0):
                found.append(matrix)
    return np.stack(found)
