"""The folded cortex: hull of the cerebrum, sulci, fissures, and the depth below the pia."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from napari_voxelmorph.engine.synthesis.solids import (
    Array,
    Points,
    beside_sheet,
    box,
    ellipsoid,
    join,
    labyrinth,
    meet,
    mirrored,
    waves,
)

#: Thickness of the cortex in millimetres (people: 2 to 4).
THICKNESS = 2.8
_WAVELENGTH = 25.0


class Cerebrum(NamedTuple):
    """Depths (mm) of points inside the smooth hull and below the folded surface (pia)."""

    hull: Array
    pia: Array


def cerebrum_hull(points: Points) -> Array:
    """Depth inside the unfolded cerebrum: dome, temporal lobes, occipital poles."""
    x, y, z = points
    # Heads are narrower in front, and the right frontal and left occipital poles stand out.
    x, y = x * (1 + np.float32(0.0016) * y), y - np.float32(0.03) * x
    right = mirrored((x, y, z))
    dome = ellipsoid((x, y, z), (0, -16, 14), (68, 87, 63))
    # Below: the orbits in front, the tentorium behind, the temporal lobes between.
    floor = (
        np.float32(-20)
        + 9 * np.exp(-np.square((y + 52) / 20))
        - 0.22 * np.maximum(right[0] - 12, 0)
    )
    dome = meet(dome, (z - floor).astype(np.float32), 10)
    temporal = ellipsoid(right, (45, -14, -20), (23, 50, 25), pitch=8)
    return join(dome, temporal, 7)


def cerebrum(points: Points, edge: float, rng: np.random.Generator) -> Cerebrum:
    """Depths in a cerebrum whose folding pattern is drawn from `rng`; `edge` is a voxel (mm)."""
    hull = cerebrum_hull(points)
    sulci = _sulci(points, hull, edge, rng)
    fissures = _fissures(points, edge)
    pia = np.minimum(np.minimum(hull, sulci), fissures)
    return Cerebrum(hull, pia)


def _sulci(points: Points, hull: Array, edge: float, rng: np.random.Generator) -> Array:
    """Distance to the nearest sulcus: a labyrinth on the surface, carried inwards."""
    x, y, z = points
    # Inwards means towards a line along the middle of each hemisphere.
    side = np.sign(x) * np.float32(26)
    along = np.clip(y, -66, 34) * np.float32(0.9)
    lateral = np.clip((np.abs(x) - 26) / 25, 0, 1) * np.clip((4 - z) / 12, 0, 1)
    height = np.float32(8) - np.float32(18) * lateral
    qx, qy, qz = x - side, y - along, z - height
    length = np.sqrt(qx * qx + qy * qy + qz * qz) + np.float32(1e-3)
    # The pattern changes slowly with depth, so that sulci bend instead of running straight.
    reach = (np.float32(42) + np.float32(0.3) * (length - 42)) / length
    at = (side + qx * reach, along + qy * reach, height + qz * reach)
    bend, twist = waves(at, 45.0, 12, rng)
    at = (at[0] + 3 * bend, at[1] + 3 * twist, at[2] - 3 * bend)
    off = labyrinth(at, _WAVELENGTH, 28, rng) * np.clip(length / 42, 0.6, 1.3)
    deep, _ = waves(at, 60.0, 8, rng)
    surface = np.minimum(hull, np.abs(x) + np.float32(6))
    below = np.maximum(surface - (17 + 3 * deep), 0)
    gap = np.float32(0.4) + np.float32(1.4) * np.exp(-np.maximum(surface, 0) / 3)
    return beside_sheet(np.sqrt(off * off + below * below), gap, edge)


def _fissures(points: Points, edge: float) -> Array:
    """Depth beside the interhemispheric and Sylvian fissures and the insular cistern."""
    x, y, z = points
    right, front, up = mirrored(points)
    middle = np.abs(x - 0.6 * np.sin(y / 17) * np.sin(z / 23))
    bank = up + np.float32(2) + np.float32(0.42) * front - np.float32(0.25) * (right - 52)
    bank += np.float32(2.2) * np.sin(front / 8 + x / 9) + np.float32(1.5) * np.sin(x / 5)
    sylvian = -box((right, front, bank), (58, -8, 0), (19, 31, 0.1))
    wavy = right + np.float32(1.2) * np.sin(front / 3.2)
    insula = -box((wavy, front, bank), (39, 2, 1), (0.1, 19, 9))
    lateral = beside_sheet(np.minimum(sylvian, insula), 1.0, edge)
    return np.minimum(beside_sheet(middle, 0.5, edge), lateral)
