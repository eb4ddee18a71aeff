"""Everything of the head that is not brain: scalp, skull, face, eyes, neck, CSF space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis.brain import cerebellum_hull
from napari_voxelmorph.engine.synthesis.canvas import Canvas
from napari_voxelmorph.engine.synthesis.cortex import cerebrum_hull
from napari_voxelmorph.engine.synthesis.solids import (
    Array,
    Points,
    ellipsoid,
    join,
    meet,
    mirrored,
    tube,
    waves,
)


def cavity(points: Points) -> Array:
    """Depth inside the skull: a smooth coat about 3 mm around the brain, and the canal."""
    inner = join(cerebrum_hull(points), cerebellum_hull(points), 22)
    vault = ellipsoid(points, (0, -16, 13), (69, 89, 66))
    vault = meet(vault, points[2] + np.float32(16), 14)
    room = join(inner, vault, 6) + np.float32(2.2)
    canal = tube(points, [(0, -32, -20, 17), (0, -38, -58, 15), (0, -48, -125, 9)])
    return join(room, canal, 8)


def paint(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the head from the skin inwards to the CSF."""
    points = canvas.points
    inside = cavity(points)
    bone = inside + np.float32(6.5)
    _paint_soft_tissue(canvas, bone, rng)
    near = np.flatnonzero((inside > -14) & (points[2] > -75))
    thickness, _ = waves(_take(points, near), 70.0, 6, rng)
    outer = inside[near] + np.float32(6.5) + thickness
    canvas.paint("Skull", outer, near)
    table = np.float32(2.0)
    canvas.paint("Marrow", np.minimum(outer - table, -inside[near] - table), near)
    _paint_face(canvas, inside)
    canvas.paint("CSF", inside)
    _paint_eyes(canvas)
    marker = ellipsoid(points, (79, 12, 22), (5, 7, 7))
    canvas.paint("Marker", marker)


def _paint_soft_tissue(canvas: Canvas, bone: Array, rng: np.random.Generator) -> None:
    """Skin, fat and muscle around the bone; the face and the neck."""
    points = canvas.points
    right = mirrored(points)
    face = ellipsoid(points, (0, 30, -55), (63, 66, 70))
    nose = tube(points, [(0, 80, -26, 6), (0, 94, -50, 10), (0, 88, -60, 12)])
    neck = tube(points, [(0, -28, -50, 62), (0, -34, -140, 58)])
    ear = ellipsoid(right, (82, -24, -28), (6, 16, 24))
    skin = join(join(join(bone + np.float32(6.5), face, 14), join(neck, nose, 8), 14), ear, 4)
    canvas.paint("Head", skin)
    canvas.paint("Fat", np.minimum(skin - np.float32(1.6), -bone - np.float32(0.3)))
    muscle = meet(skin - np.float32(7.0), np.float32(-26) - points[2], 10)
    temple = ellipsoid(right, (70, 12, -22), (9, 32, 36))
    canvas.paint("Head", np.minimum(join(muscle, temple), skin - np.float32(4.0)))
    low = np.flatnonzero((skin > 7) & (points[2] < 5))
    grain, _ = waves(_take(points, low), 13.0, 20, rng)
    canvas.shade(np.float32(0.10) * grain, low)
    fat = np.flatnonzero((points[2] < -20) & (skin > 5))
    streak, _ = waves(_take(points, fat), 30.0, 12, rng)
    canvas.paint("Fat", 5 * (0.5 - np.abs(streak - np.float32(1.3))), fat)


def _paint_face(canvas: Canvas, inside: Array) -> None:
    """Air in the nose, throat and sinuses, and the bone around it; the spine."""
    low = np.flatnonzero((canvas.points[2] < 20) & (inside < 4))
    points = _take(canvas.points, low)
    right = mirrored(points)
    frontal = ellipsoid(right, (10, 76, -6), (12, 5, 12))
    maxilla = ellipsoid(right, (29, 50, -60), (13, 16, 14))
    ethmoid = ellipsoid(right, (8, 54, -36), (6, 20, 9))
    sphenoid = ellipsoid(right, (9, 16, -36), (9, 12, 9))
    nose = meet(ellipsoid(right, (7, 60, -56), (9, 34, 15)), right[0] - np.float32(1.2))
    throat = tube(points, [(0, 18, -58, 9), (0, 6, -85, 9), (0, 8, -130, 9)])
    mastoid = ellipsoid(right, (55, -38, -44), (10, 13, 14))
    air = join(join(join(frontal, maxilla), join(ethmoid, sphenoid)), join(nose, throat))
    canvas.paint("Skull", join(air, mastoid) + np.float32(2.2), low)
    clivus = tube(points, [(0, 8, -34, 8), (0, -8, -52, 7)])
    canvas.paint("Marrow", clivus, low)
    spine = tube(points, [(0, -22, -72, 11), (0, -27, -140, 13)])
    canvas.paint("Skull", spine + np.float32(1.5), low)
    discs = np.abs((points[2] + 200) % 19 - 9.5) - np.float32(2.0)
    canvas.paint("Marrow", np.minimum(spine, discs), low)
    canvas.paint("Sinus air", air, low)
    canvas.paint(
        "Sinus air", np.minimum(mastoid, 2 - np.abs((points[1] + points[2]) % 7 - 3.5)), low
    )


def _paint_eyes(canvas: Canvas) -> None:
    """Eyeballs with lenses in orbits of fat, with the optic nerve and muscles."""
    front = np.flatnonzero((canvas.points[1] > 8) & (np.abs(canvas.points[2] + 30) < 24))
    points = _take(canvas.points, front)
    right = mirrored(points)
    orbit = join(
        ellipsoid(right, (33, 58, -30), (18, 20, 17)),
        tube(right, [(16, 16, -24, 4), (31, 52, -30, 15)]),
    )
    behind = np.float32(66) - points[1]
    canvas.paint("Skull", np.minimum(orbit + np.float32(2), behind), front)
    canvas.paint("Fat", orbit, front)
    nerve = tube(right, [(14, 14, -23, 2.4), (31, 48, -31, 2.4)])
    rectus = join(
        tube(right, [(17, 20, -24, 1.5), (20, 54, -30, 2.3)]),
        tube(right, [(19, 20, -24, 1.5), (44, 52, -30, 2.3)]),
    )
    canvas.paint("Head", join(nerve, rectus), front)
    ball = ellipsoid(right, (32, 60, -31), (12, 12.5, 12))
    canvas.paint("Head", ball + np.float32(1.2), front)
    canvas.paint("Eye", ball, front)
    canvas.paint("Lens", ellipsoid(right, (32, 68, -31), (4.5, 2.2, 4.5)), front)


def _take(points: Points, index: NDArray[np.intp]) -> Points:
    return points[0][index], points[1][index], points[2][index]
