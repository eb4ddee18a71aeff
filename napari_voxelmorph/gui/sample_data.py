"""Sample pairs that the plugin makes itself: no download, known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.display import layer_from_volume
from napari_voxelmorph.gui.display_grid import DisplayGrid, transform_points

LayerData = tuple[Any, dict[str, Any], str]


def sample_pair(ndim: int = 3) -> dict[str, LayerData]:
    """Layer data of a pair by its role in the Register dock."""
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    pair = make_pair(ndim)
    hidden = {"visible": False}
    return {
        "fixed": layer_from_volume(pair.fixed),
        "moving": layer_from_volume(pair.moving),
        "fixed_labels": layer_from_volume(pair.fixed_labels, **hidden),
        "moving_labels": layer_from_volume(pair.moving_labels, **hidden),
        "fixed_landmarks": _landmarks("fixed landmarks", pair.fixed_landmarks, pair.fixed),
        "moving_landmarks": _landmarks("moving landmarks", pair.moving_landmarks, pair.moving),
    }


def brain_pair_3d() -> list[LayerData]:
    """Two brain scans on different grids, with segmentations and landmarks."""
    return list(sample_pair(3).values())


def brain_pair_2d() -> list[LayerData]:
    """Two brain slices, with segmentations and landmarks."""
    return list(sample_pair(2).values())


def _landmarks(name: str, points: NDArray[np.float64], image: Volume) -> LayerData:
    """World points (N, D), mm, as a Points layer over the image they belong to."""
    world_to_canvas = np.linalg.inv(DisplayGrid.of(image).canvas_to_world)
    look = {"name": name, "visible": False, "size": 3, "out_of_slice_display": True}
    place = {"units": ("mm",) * image.ndim}
    return transform_points(world_to_canvas, points), {**look, **place}, "points"
