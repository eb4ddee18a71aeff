"""The layers now open, as the scans of a training: images, each with its segmentation by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from napari.layers import Labels

from napari_voxelmorph.gui.register.inputs_section import is_input_image, is_ours
from napari_voxelmorph.gui.training.training_choice import Scan
from napari_voxelmorph.gui.views.display import volume_from_layer

_FEW = 3


def layers_as_scans(layers: Iterable[Any]) -> tuple[Scan, ...]:
    """Every image layer with the labels layer that belongs to it; `InputError` as the layers."""
    images, labels = _kinds(layers)
    return tuple(
        Scan(volume_from_layer(image), None if seg is None else volume_from_layer(seg, image))
        for image, seg in zip(images, belonging(images, labels), strict=True)
    )


def belonging(images: Sequence[Any], labels: Sequence[Any]) -> list[Any]:
    """For each image layer its labels layer or None: by name, or one by one where names say nothing."""
    from napari_voxelmorph.engine.training.data import names

    found = [names.match(image.name, [la.name for la in labels]) for image in images]
    if not any(n is not None for n in found) and len(images) == len(labels):
        return list(labels)
    return [None if n is None else labels[n] for n in found]


def words_on_layers(layers: Iterable[Any]) -> str:
    """What the open layers would give, or what is expected of them."""
    images, labels = _kinds(layers)
    if len(images) < 2:
        return (
            "Open the scans in napari first: at least two images, better twenty. A labels layer "
            "named after an image (scan_01, scan_01 labels) is taken as its segmentation. Layers are "
            "gone when napari closes: only files can be resumed later."
        )
    names = ", ".join(f"“{image.name}”" for image in images[:_FEW])
    rest = f" and {len(images) - _FEW} more" if len(images) > _FEW else ""
    with_labels = sum(seg is not None for seg in belonging(images, labels))
    return f"Images: {names}{rest}; {with_labels} of {len(images)} with segmentation."


def _kinds(layers: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    layers = list(layers)
    images = [layer for layer in layers if is_input_image(layer)]
    return images, [la for la in layers if isinstance(la, Labels) and not is_ours(la)]
