"""The layers chosen in the dock, as volumes for the engine."""

from __future__ import annotations

from typing import Any

from napari_voxelmorph.engine.geometry.volume import Matrix
from napari_voxelmorph.gui.register.inputs_section import COMPANIONS, InputsSection
from napari_voxelmorph.gui.register.jobs import Pair
from napari_voxelmorph.gui.views.display import (
    points_from_layer,
    start_from_layers,
    volume_from_layer,
)


def chosen_pair(inputs: InputsSection) -> Pair:
    """Collect the chosen layers as volumes; raises `InputError` with the reason.

    Nothing is copied: the engine gets the arrays that the layers hold now, whatever becomes
    of the layers.
    """
    moving, fixed = inputs.image("moving"), inputs.image("fixed")
    parts: dict[str, Any] = {}
    for role in COMPANIONS:
        layer = inputs.image(role)
        image = moving if role.startswith("moving") else fixed
        if layer is not None:
            reads = points_from_layer if role.endswith("landmarks") else volume_from_layer
            parts[role] = reads(layer, image)
    return Pair(volume_from_layer(moving), volume_from_layer(fixed), **parts)


def as_placed(inputs: InputsSection) -> Matrix | None:
    """Start as the two images lie in the window; None when nobody moved them."""
    return start_from_layers(inputs.image("moving"), inputs.image("fixed"))
