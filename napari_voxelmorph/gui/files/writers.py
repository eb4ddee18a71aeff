"""napari's File > Save for images and labels, as medical image files with their place in space."""

from __future__ import annotations

from typing import Any


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an Image layer."""
    return _write(path, data, attributes, "image")


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer."""
    return _write(path, data, attributes, "labels")


def _write(path: str, data: Any, attributes: dict[str, Any], kind: str) -> list[str]:
    from napari.layers import Layer

    from napari_voxelmorph.engine import files
    from napari_voxelmorph.gui.views.display import volume_from_layer

    # The layer may be gone; one made of its parts knows as well where its voxels lie.
    layer = Layer.create(data, dict(attributes), kind)
    files.save(volume_from_layer(layer), path)
    return [path]
