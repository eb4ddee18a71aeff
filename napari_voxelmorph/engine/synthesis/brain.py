"""The brain itself: cortex, white matter, ventricles, nuclei, cerebellum, brain stem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis.canvas import Canvas
from napari_voxelmorph.engine.synthesis.cortex import THICKNESS, cerebrum
from napari_voxelmorph.engine.synthesis.solids import (
    Array,
    Points,
    beside_sheet,
    ellipsoid,
    join,
    meet,
    mirrored,
    tube,
    waves,
)

_VENTRICLE = [
    (11, 31, 4, 2.0), (9, 20, 10, 6.6), (8, 2, 18, 6.4), (12, -20, 20.5, 5.6), (23, -40, 15, 6.4),
    (28, -52, 8, 3.6), (27, -70, 6, 1.6),
]  # fmt: skip
_TEMPORAL_HORN = [(24, -41, 13, 5), (34, -34, -4, 2.6), (34, -14, -17, 1.8)]
_CALLOSUM = [
    (0, 24, -3, 2.4), (0, 30, 3, 4.6), (0, 27, 12, 4.2), (0, 14, 22, 3.0), (0, -8, 27, 2.8),
    (0, -28, 23, 3.0), (0, -38, 14, 4.8), (0, -35, 9, 4.0),
]  # fmt: skip
_CAUDATE = [
    (12, 20, 0, 6.5), (13, 12, 10, 6.5), (16, -4, 20, 4.4), (19, -20, 22, 3.2), (26, -34, 16, 2.0),
]  # fmt: skip
_STEM = [
    (0, -23, -6, 13), (0, -27, -22, 13.5), (0, -29, -34, 15.5), (0, -37, -50, 9.5),
    (0, -46, -70, 7.5), (0, -50, -130, 6),
]  # fmt: skip


def cerebellum_hull(points: Points) -> Array:
    """Depth inside the two cerebellar hemispheres and the vermis between them."""
    right = mirrored(points)
    lobes = ellipsoid(right, (25, -66, -35), (30, 30, 25), pitch=-12)
    vermis = ellipsoid(points, (0, -65, -29), (13, 26, 24))
    return join(lobes, vermis, 6)


def paint(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint brain tissue over the CSF; the random order is fixed, so a seed is a person."""
    inner = np.flatnonzero((canvas.labels == 24) & (canvas.points[2] > -140))
    points = (canvas.points[0][inner], canvas.points[1][inner], canvas.points[2][inner])
    _paint_cerebrum(canvas, points, inner, rng)
    _paint_cerebellum(canvas, points, inner, rng)
    _paint_middle(canvas, points, inner)
    _paint_nuclei(canvas, points, inner)
    fine, _ = waves(points, 11.0, 14, rng)
    coarse, _ = waves(points, 48.0, 8, rng)
    canvas.shade(np.float32(0.014) * fine + np.float32(0.02) * coarse, inner)


def _paint_cerebrum(
    canvas: Canvas,
    points: Points,
    where: NDArray[np.intp],
    rng: np.random.Generator,
) -> None:
    hull, pia = cerebrum(points, canvas.edge, rng)
    thick, _ = waves(points, 40.0, 8, rng)
    canvas.paint("Cerebral-Cortex", np.minimum(pia, hull), where)
    canvas.paint(
        "Cerebral-White-Matter", pia - np.float32(THICKNESS) - np.float32(0.35) * thick, where
    )


def _paint_cerebellum(
    canvas: Canvas,
    points: Points,
    where: NDArray[np.intp],
    rng: np.random.Generator,
) -> None:
    """Cerebellum: thin folia that fan out from the peduncles, as in the arbor vitae."""
    hull = cerebellum_hull(points)
    right = mirrored(points)
    bend, _ = waves(points, 30.0, 10, rng)
    dy, dz = right[1] + np.float32(46), right[2] + np.float32(34)
    angle = np.arctan2(dz, -dy) + np.float32(0.07) * bend + np.float32(0.004) * right[0]
    folium = np.abs(np.sin(angle * 13))
    radius = np.sqrt(dy * dy + dz * dz)
    groove = folium * radius / 13
    below = np.maximum(hull - (12 + 3 * bend), 0)
    away = np.sqrt(groove * groove + below * below)
    pia = np.minimum(hull, beside_sheet(away, 0.45, canvas.edge))
    canvas.paint("Cerebellum-Cortex", pia, where)
    core = meet(hull - np.float32(10), ellipsoid(right, (17, -57, -34), (17, 14, 7), pitch=-12), 5)
    blades = np.minimum(pia - np.float32(1.7), hull - np.float32(2.6))
    canvas.paint("Cerebellum-White-Matter", join(core, blades, 2), where)


def _paint_middle(canvas: Canvas, points: Points, where: NDArray[np.intp]) -> None:
    """What lies on the midline: brain stem, peduncles, corpus callosum, ventricles 3 and 4."""
    right = mirrored(points)
    stem = join(tube(points, _STEM), ellipsoid(points, (0, -25, -32), (17, 13, 13)), 6)
    peduncle = tube(right, [(13, -30, -33, 8), (22, -50, -36, 6)])
    canvas.paint("Brain-Stem", stem, where)
    canvas.paint("Cerebellum-White-Matter", np.minimum(peduncle, -stem - 1), where)
    flat = (np.maximum(right[0] - 14, 0), points[1], points[2] - np.float32(0.012) * right[0] ** 2)
    canvas.paint("Cerebral-White-Matter", tube(flat, _CALLOSUM), where)
    capsule = ellipsoid(right, (21, -6, 6), (19, 30, 21))
    canvas.paint("Cerebral-White-Matter", meet(capsule, right[0] - np.float32(2.5)), where)
    fourth = tube(right, [(0, -38, -20, 1.6), (0, -46, -33, 5.0), (0, -48, -48, 1.8)])
    canvas.paint("4th-Ventricle", fourth, where)
    quad = ellipsoid(points, (0, -44, -4), (9, 5, 9))
    canvas.paint("CSF", quad, where)


def _paint_nuclei(canvas: Canvas, points: Points, where: NDArray[np.intp]) -> None:
    """Deep grey matter and the lateral ventricles."""
    right = mirrored(points)
    # The basal ganglia diverge to the back: shear x by y.
    slant = (right[0] + np.float32(0.22) * points[1], right[1], right[2])
    canvas.paint("Putamen", ellipsoid(slant, (27.5, 3, 2), (5.8, 17.5, 12)), where)
    canvas.paint("Pallidum", ellipsoid(slant, (19.5, -3, 0), (4.4, 10, 7)), where)
    thalamus = ellipsoid(slant, (7.5, -18, 8), (9.0, 15.5, 9.5))
    canvas.paint("Thalamus", meet(thalamus, right[0] - np.float32(1.4)), where)
    canvas.paint("Amygdala", ellipsoid(right, (24, -5, -19), (8, 8, 7)), where)
    tail = [(27, -10, -21, 7), (29, -22, -15, 5.5), (27, -36, -4, 4)]
    canvas.paint("Hippocampus", tube(right, tail), where)
    horns = join(tube(right, _VENTRICLE), tube(right, _TEMPORAL_HORN))
    canvas.paint("Lateral-Ventricle", meet(horns, right[0] - np.float32(0.9), 2), where)
    canvas.paint("Caudate", tube(right, _CAUDATE), where)
    narrow = np.float32(1.9) - right[0]
    canvas.paint(
        "3rd-Ventricle", np.minimum(ellipsoid(points, (0, -12, 0), (30, 16, 10)), narrow), where
    )
