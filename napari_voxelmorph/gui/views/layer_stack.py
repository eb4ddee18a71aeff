"""The layers of one pair inside a viewer that also belongs to the user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_voxelmorph.gui.views.lazy import LazyArray
from napari_voxelmorph.gui.views.overlays import RANK


class LayerStack:
    """At most one layer per role, in a fixed order, however the user meddles.

    A layer that the user deletes is forgotten; a name that the user changes is kept.

    Parameters
    ----------
    viewer : ViewerModel
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._names: dict[str, str] = {}
        self._hidden: list[Layer] = []
        viewer.layers.events.removed.connect(self._on_removed)

    def __iter__(self) -> Iterator[tuple[str, Layer]]:
        return iter(list(self._layers.items()))

    def __len__(self) -> int:
        return len(self._layers)

    def get(self, role: str) -> Layer | None:
        """The layer of `role`, if the viewer still has it."""
        return self._layers.get(role)

    def put(self, role: str, layer: Layer) -> Layer:
        """Add a layer at its place between ours, without taking the user's selection away."""
        self.remove(role)
        layers = self.viewer.layers
        above = [layers.index(other) for r, other in self if RANK[r] > RANK[role]]
        selected = set(layers.selection)
        layers.insert(min(above, default=len(layers)), layer)
        if selected:
            layers.selection = {s for s in selected if s in layers}
        self._layers[role] = layer
        self._names[role] = layer.name
        layer.events.visible.connect(self._on_visible)
        return layer

    def remove(self, role: str) -> None:
        """Take a layer out."""
        layer = self._layers.pop(role, None)
        if layer is None:
            return
        layer.events.visible.disconnect(self._on_visible)
        if layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def rename(self, role: str, name: str) -> None:
        """Give a layer its new name, unless the user has named it."""
        layer = self._layers.get(role)
        if layer is not None and layer.name == self._names[role] and layer.name != name:
            layer.name = name
            self._names[role] = layer.name

    def show(self, role: str, visible: bool) -> None:
        """Open or close a layer's eye."""
        layer = self._layers.get(role)
        if layer is not None and layer.visible != visible:
            layer.visible = visible

    def set_opacity(self, role: str, opacity: float) -> None:
        """0 … 1; values beyond are clipped."""
        layer = self._layers.get(role)
        if layer is not None:
            layer.opacity = min(max(float(opacity), 0.0), 1.0)

    def is_shown(self, role: str) -> bool:
        """Whether the layer is there with its eye open."""
        layer = self._layers.get(role)
        return layer is not None and bool(layer.visible)

    def refresh(self) -> None:
        """Slice the lazy layers again; hidden ones are skipped by napari and cost nothing."""
        for _, layer in self:
            if isinstance(layer.data, LazyArray):
                layer.refresh(extent=False, highlight=False, thumbnail=False)

    def hide_others(self) -> None:
        """Close the eyes of the user's images and labels (a pair would drown in them)."""
        ours = list(self._layers.values())
        for layer in self.viewer.layers:
            if isinstance(layer, Image | Labels) and layer.visible and layer not in ours:
                layer.visible = False
                self._hidden.append(layer)

    def clear(self, show_hidden: bool = True) -> None:
        """Remove our layers and (unless told not to) show again what `hide_others` hid."""
        for role, _ in self:
            self.remove(role)
        self._names = {}
        if not show_hidden:
            return
        for layer in self._hidden:
            if layer in self.viewer.layers:
                layer.visible = True
        self._hidden = []

    def close(self) -> None:
        """Let go of the viewer."""
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def _on_removed(self, event: Any) -> None:
        for role, layer in self:
            if layer is event.value:
                layer.events.visible.disconnect(self._on_visible)
                del self._layers[role]
                self.changed.emit()

    def _on_visible(self, event: Any = None) -> None:
        self.changed.emit()
