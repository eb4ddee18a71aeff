"""Solid shapes as depth functions: how far inside a point lies, in millimetres.

Every function takes points as three arrays ``(x, y, z)`` of one shape and returns
their depth: positive inside, negative outside, close to the true distance near the
surface.  Depths combine: union is the maximum, intersection the minimum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Points = tuple[Array, Array, Array]
Triple = tuple[float, float, float]


def mirrored(points: Points) -> Points:
    """The points with x replaced by |x|: what is modelled right then holds left too."""
    x, y, z = points
    return np.abs(x), y, z


def ellipsoid(points: Points, center: Triple, radii: Triple, pitch: float = 0.0) -> Array:
    """Depth inside an ellipsoid, turned by `pitch` degrees about x (front up).

    First order distance ``k (k - 1) / |grad|`` of the implicit surface.
    """
    x, y, z = (p - np.float32(c) for p, c in zip(points, center, strict=True))
    if pitch:
        cos, sin = (np.float32(f(np.deg2rad(pitch))) for f in (np.cos, np.sin))
        y, z = cos * y + sin * z, cos * z - sin * y
    a, b, c = (np.float32(1 / r) for r in radii)
    x, y, z = x * a, y * b, z * c
    k = np.sqrt(x * x + y * y + z * z)
    x, y, z = x * a, y * b, z * c
    slope = np.sqrt(x * x + y * y + z * z)
    depth = k * (1 - k) / np.maximum(slope, np.float32(1e-6))
    return np.asarray(np.minimum(depth, np.float32(min(radii))), dtype=np.float32)


def tube(points: Points, nodes: Sequence[tuple[float, float, float, float]]) -> Array:
    """Depth inside a chain of round cones; each node is ``(x, y, z, radius)`` in mm."""
    x, y, z = points
    depth = np.full(x.shape, -np.inf, dtype=np.float32)
    for start, end in pairwise(nodes):
        step = np.subtract(end, start).astype(np.float32)
        length2 = np.float32(max(float(step[:3] @ step[:3]), 1e-6))
        px, py, pz = (p - np.float32(s) for p, s in zip((x, y, z), start[:3], strict=True))
        t = np.clip((px * step[0] + py * step[1] + pz * step[2]) / length2, 0, 1)
        px, py, pz = px - t * step[0], py - t * step[1], pz - t * step[2]
        radius = np.float32(start[3]) + t * step[3]
        np.maximum(depth, radius - np.sqrt(px * px + py * py + pz * pz), out=depth)
    return depth


def box(points: Points, center: Triple, half: Triple) -> Array:
    """Depth inside a box with half widths `half`; the distance to it outside."""
    over = [
        np.abs(p - np.float32(c)) - np.float32(h)
        for p, c, h in zip(points, center, half, strict=True)
    ]
    outside = np.sqrt(sum(np.square(np.maximum(o, 0)) for o in over))
    inside = np.minimum(np.maximum(np.maximum(over[0], over[1]), over[2]), 0)
    return np.asarray(-(outside + inside), dtype=np.float32)


def join(first: Array, second: Array, blend: float = 0.0) -> Array:
    """Union; the edge between the two is filled over about `blend` millimetres."""
    both = np.maximum(first, second)
    if blend:
        near = np.maximum(np.float32(blend) - np.abs(first - second), 0)
        both += near * near * np.float32(0.25 / blend)
    return both


def meet(first: Array, second: Array, blend: float = 0.0) -> Array:
    """Intersection; its edge is rounded over about `blend` millimetres."""
    return -join(-first, -second, blend)


def beside_sheet(distance: Array, half_width: Array | float, edge: float) -> Array:
    """Depth of what lies beside a thin sheet of fluid, `distance` mm from its middle.

    A sheet thinner than the width `edge` of a voxel only dims it, by the share it fills.
    """
    half = np.asarray(half_width, dtype=np.float32)
    floor = np.where(half < edge / 2, np.float32(edge / 2) - 2 * half, np.float32(-np.inf))
    return np.asarray(np.maximum(distance - half, floor), dtype=np.float32)


def waves(
    points: Points, wavelength: float, n_waves: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """A random field of one wavelength (mm) and its quadrature, both of unit variance."""
    even, odd = np.zeros(points[0].shape, np.float32), np.zeros(points[0].shape, np.float32)
    for _, cos, sin in _plane_waves(points, wavelength, n_waves, rng):
        even += cos
        odd += sin
    scale = np.float32(np.sqrt(2 / n_waves))
    return even * scale, odd * scale


def labyrinth(points: Points, wavelength: float, n_waves: int, rng: np.random.Generator) -> Array:
    """Distance (mm) to a random maze of sheets, about half a wavelength apart.

    The sheets are the zero set of a random field of one wavelength.  With its quadrature the
    field has a phase; phase over slope of phase is the distance, to first order.
    """
    shape = points[0].shape
    even, odd = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    slope_even, slope_odd = np.zeros((3, *shape), np.float32), np.zeros((3, *shape), np.float32)
    for k, cos, sin in _plane_waves(points, wavelength, n_waves, rng):
        even += cos
        odd += sin
        for axis in range(3):
            slope_even[axis] -= k[axis] * sin
            slope_odd[axis] += k[axis] * cos
    power = even * even + odd * odd + np.float32(1e-6)
    slope = np.linalg.norm(even * slope_odd - odd * slope_even, axis=0) / power
    usual = 2 * np.pi / wavelength
    phase = np.arcsin(np.abs(even) / np.sqrt(power))
    return np.asarray(phase / np.clip(slope, 0.45 * usual, 1.6 * usual), dtype=np.float32)


def _plane_waves(
    points: Points, wavelength: float, n_waves: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array, Array]]:
    """Random plane waves: wave vector (3,), cosine and sine at the points."""
    direction = rng.normal(size=(n_waves, 3))
    k = direction / np.linalg.norm(direction, axis=1, keepdims=True) * (2 * np.pi / wavelength)
    shift = rng.uniform(0, 2 * np.pi, n_waves)
    x, y, z = points
    for vector, s in zip(k.astype(np.float32), shift.astype(np.float32), strict=True):
        phase = vector[0] * x + vector[1] * y + vector[2] * z + s
        yield vector, np.cos(phase), np.sin(phase)
