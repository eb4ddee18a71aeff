"""Sample pairs that the plugin makes itself: no download, known truth."""

from __future__ import annotations

from napari_voxelmorph.gui.views.display import layer_from_volume
from napari_voxelmorph.gui.views.landmark_layer import LayerData, landmark_layer


def sample_pair(ndim: int = 3) -> dict[str, LayerData]:
    """Layer data of a pair by its role in the Register dock."""
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    pair = make_pair(ndim)
    layers = {
        "fixed": layer_from_volume(pair.fixed),
        "moving": layer_from_volume(pair.moving),
        "fixed_labels": layer_from_volume(pair.fixed_labels),
        "moving_labels": layer_from_volume(pair.moving_labels),
        "fixed_landmarks": landmark_layer("Fixed landmarks", pair.fixed_landmarks, pair.fixed),
        "moving_landmarks": landmark_layer("Moving landmarks", pair.moving_landmarks, pair.moving),
    }
    for role, (_, look, _) in layers.items():
        look["visible"] = role in ("fixed", "moving")
    return layers


def brain_pair_3d() -> list[LayerData]:
    """Two brain scans on different grids, with segmentations and landmarks."""
    return list(sample_pair(3).values())


def brain_pair_2d() -> list[LayerData]:
    """Two brain slices, with segmentations and landmarks."""
    return list(sample_pair(2).values())
