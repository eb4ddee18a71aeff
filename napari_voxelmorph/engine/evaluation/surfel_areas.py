"""Area of the piece of a label's surface inside a cell of 2 x 2 x 2 voxels.

A cell's code has one bit per corner voxel: 128 for the first along all axes, 1 for the last
along all of them.  The triangles of every code are those of DeepMind's surface-distance (Apache
License 2.0, Copyright 2018 Google Inc.), which the Learn2Reg challenge measures with; their
marching cubes know nine kinds of triangles only, so the table is kept as counts of these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: The triangles of codes 0 … 127; code 255 - c has those of c.  A number counts triangles of
#: normal (1, 1, 1) / 8; x, y, z are half faces across an axis; u, v, w lie along one axis and
#: across the two others.
_TRIANGLES = """
- 1 1 ww 1 vv 2 3x 1 2 vv 3x ww 3x 3x xx 1 uu 2 3y 2 3z 3 6 2 1uu 1vv 4uv 1ww 4uw 4x 3x 1 2
uu 3y 2 1vv 1uu 4uv 2 3 3z 6 1ww 4x 4uw 3x ww 3y 3y yy 1ww 4vw 4y 3y 1ww 4y 4vw 3y wwww 1ww
1ww ww 1 2 2 1ww uu 3z 1uu 4uw 2 3 1vv 4x 3y 6 4uv 3x vv 3z 1vv 4vw 3z zz 4z 3z 1vv 4z vvvv
1vv 4vw 3z 1vv vv 2 3 1uu 4y 1uu 4z uuuu 1uu 3 4 4z 3 4y 3 1uu 2 3x 6 4uv 3y 4uw 3z 1uu uu
4x 3 1vv 2 1ww 2 2 1
"""
_NORMALS = {
    "x": (0.5, 0, 0), "y": (0, 0.5, 0), "z": (0, 0, 0.5),
    "u": (0, 0.25, 0.25), "v": (0.25, 0, 0.25), "w": (0.25, 0.25, 0),
}  # fmt: skip


def surfel_areas(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area (mm²) for each of the 256 codes of a cell.

    Parameters
    ----------
    spacing : (3,) float
        Voxel size along each axis, mm.
    """
    across = np.array([spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]])

    def area(normal: tuple[float, ...]) -> float:
        return float(np.linalg.norm(np.array(normal) * across))

    kinds = {kind: area(normal) for kind, normal in _NORMALS.items()}
    slanted = area((0.125, 0.125, 0.125))
    half = []
    for word in _TRIANGLES.split():
        digits = word.strip("-xyzuvw")
        half.append(int(digits or 0) * slanted + sum(kinds.get(k, 0.0) for k in word))
    return np.array(half + half[::-1])
