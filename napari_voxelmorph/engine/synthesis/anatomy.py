"""A head, evaluated at any points: what tissue is there, and how bright it is.

Coordinates are millimetres, right-anterior-superior, near the MNI convention
(origin at the anterior commissure).  Nothing is stored: the head is a painter's
list of shapes, drawn from the outside in, with soft edges for partial volume.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.synthesis import brain, skull
from napari_voxelmorph.engine.synthesis.canvas import Canvas
from napari_voxelmorph.engine.synthesis.solids import Array, Points
from napari_voxelmorph.engine.synthesis.tissues import Contrast


def paint_head(
    points: Points, contrast: Contrast, edge: float, seed: int
) -> tuple[Array, NDArray[np.int16]]:
    """Brightness (about 0 to 1) and label of each point of the head number `seed`.

    The same seed is the same person at any points, so two grids agree exactly.
    """
    canvas = Canvas(points, contrast, edge)
    layers: tuple[Callable[[Canvas, np.random.Generator], None], ...] = (skull.paint, brain.paint)
    for number, paint in enumerate(layers):
        paint(canvas, np.random.default_rng([seed, number]))
    return canvas.value, canvas.labels
