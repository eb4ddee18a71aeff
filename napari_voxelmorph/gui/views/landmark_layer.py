"""Landmarks in world millimetres as a Points layer over the image that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.views.display_grid import DisplayGrid, transform_points

LayerData = tuple[Any, dict[str, Any], str]


def landmark_layer(name: str, points: NDArray[np.float64], image: Volume) -> LayerData:
    """Layer data for points (N, D), world RAS mm, of an image shown by `layer_from_volume`."""
    world_to_canvas = np.asarray(np.linalg.inv(DisplayGrid.of(image).canvas_to_world), np.float64)
    look = {"name": name, "size": 3, "units": ("mm",) * image.ndim}
    return transform_points(world_to_canvas, points), look, "points"
