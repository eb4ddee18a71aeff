"""Points of a head, painted with tissues from the outside in, with soft edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis.solids import Array, Points
from napari_voxelmorph.engine.synthesis.tissues import TISSUES, Contrast


class Canvas:
    """Tissue and brightness of points, painted one structure after another.

    Parameters
    ----------
    points : three float32 arrays, shape (N,)
        Head coordinates in mm.
    contrast : "T1" or "T2"
    edge : float
        Width (mm) over which one tissue fades into the next: about one voxel.
    """

    def __init__(self, points: Points, contrast: Contrast, edge: float) -> None:
        self.points = points
        self.value: Array = np.full(points[0].shape, 0.015, dtype=np.float32)
        self.labels: NDArray[np.int16] = np.zeros(points[0].shape, dtype=np.int16)
        self._t1 = contrast == "T1"
        self.edge = float(edge)

    def paint(self, name: str, depth: Array, where: NDArray[np.intp] | None = None) -> None:
        """Cover everything of positive `depth` (mm) with a tissue; `where`: only these points."""
        tissue = TISSUES[name]
        touched = np.flatnonzero(depth > -self.edge / 2)
        index = touched if where is None else where[touched]
        depth = depth[touched]
        cover = np.clip(np.float32(0.5) + depth / np.float32(self.edge), 0, 1)
        bright = np.float32(tissue.t1 if self._t1 else tissue.t2)
        self.value[index] += cover * (bright - self.value[index])
        inside = index[depth > 0]
        right = self.points[0][inside] > 0
        self.labels[inside] = np.where(right, tissue.right, tissue.left)

    def shade(self, amount: Array, where: NDArray[np.intp] | None = None) -> None:
        """Multiply the brightness by ``1 + amount``: texture within a tissue."""
        if where is None:
            self.value *= 1 + amount
        else:
            self.value[where] *= 1 + amount
