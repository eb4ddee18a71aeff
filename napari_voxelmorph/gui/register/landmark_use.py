"""Whether matching points take part in the registration: one choice, seen in two docks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.register.inputs_section import InputsSection
from napari_voxelmorph.gui.register.method_section import MethodSection
from napari_voxelmorph.gui.register.present import Present
from napari_voxelmorph.gui.views.display import volume_from_layer
from napari_voxelmorph.gui.views.landmark_layer import landmark_layer
from napari_voxelmorph.gui.views.shown_pair import same_volume

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Volume

Points = NDArray[np.float64]
_ROLES = ("fixed", "moving")
#: Equal rights for points and images, until the form says something else.
_USUAL = 1.0


@dataclass(frozen=True, eq=False)
class PlacedPoints:
    """Pairs that were placed on two scans; points (N, D), world mm of their own scan."""

    images: dict[str, Volume]
    points: dict[str, Points]


class LandmarkUse:
    """Keeps the box below the points, the weight in the form and `Present.landmarks` alike.

    Another dock sets ``present.landmarks`` to its `PlacedPoints`, or to None; they become points
    layers that are chosen as inputs, and the weight is no longer 0.
    """

    def __init__(
        self, viewer: Any, inputs: InputsSection, method: MethodSection, present: Present
    ) -> None:
        self._viewer, self._inputs, self._method = viewer, inputs, method
        self._present = present
        self._layers: dict[str, Layer] = {}
        self._taken: PlacedPoints | None = None
        inputs.use_points.clicked.connect(self.switch)
        method.form.changed.connect(self.sync)
        present.changed.connect(self._on_present)
        self.sync()

    def switch(self, on: bool) -> None:
        """Let the points pull, or only be measured."""
        weight = self._method.form.fields["landmark_weight"]
        if on != (weight.value() > 0):
            weight.set(_USUAL if on else 0.0)

    def sync(self) -> None:
        """Say in both docks what the form says."""
        on = self._method.form.fields["landmark_weight"].value() > 0
        self._inputs.use_points.setChecked(on)
        if self._present.landmarks_used != on:
            self._present.set(landmarks_used=on)

    def leave(self) -> None:
        """The dock is gone."""
        with suppress(RuntimeError):
            self._present.changed.disconnect(self._on_present)

    def _on_present(self) -> None:
        placed = self._present.landmarks
        if placed is self._taken:
            return
        self._taken = placed
        if placed is None:
            self._take_away()
            self.switch(False)
            return
        try:
            fits = all(self._is_chosen(role, placed.images[role]) for role in _ROLES)
        except VoxelMorphError:
            fits = False
        if not fits:
            self._taken = None
            self._present.set(landmarks=None)
            return
        for role in _ROLES:
            self._show(role, placed)
        self._inputs.more.link.setChecked(True)
        self.switch(True)

    def _is_chosen(self, role: str, image: Volume) -> bool:
        layer = self._inputs.image(role)
        return layer is not None and same_volume(volume_from_layer(layer), image)

    def _show(self, role: str, placed: PlacedPoints) -> None:
        """The points as a layer that is chosen; hidden, for the other dock draws them."""
        data, look, _ = landmark_layer(
            f"placed {role} points", placed.points[role], placed.images[role]
        )
        layer = self._layers.get(role)
        if layer is not None and layer in self._viewer.layers:
            layer.data = data
            layer.selected_data = set()
        else:
            selection = set(self._viewer.layers.selection)
            layer = self._viewer.add_points(
                data, ndim=placed.images[role].ndim, visible=False, **look
            )
            self._viewer.layers.selection = selection & set(self._viewer.layers)
            self._layers[role] = layer
        self._inputs.choose(f"{role}_landmarks", layer)

    def _take_away(self) -> None:
        layers, self._layers = self._layers, {}
        for layer in layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
