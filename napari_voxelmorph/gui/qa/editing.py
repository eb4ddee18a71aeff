"""Correct the moved segmentation by hand: a Labels layer with napari's tools and undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.gui.qa.qa_jobs import Judged
from napari_voxelmorph.gui.ticker import Ticker
from napari_voxelmorph.gui.views.display import KEY, remembered
from napari_voxelmorph.gui.views.display_grid import DisplayGrid

if TYPE_CHECKING:
    from napari_voxelmorph.gui.views.views import PairView

_AFTER_MS = 600


class Editing(QObject):
    """The editable layer of one result, or none.  Main thread only."""

    #: Voxels were painted (or a stroke was undone), and the brush has come to rest.
    edited = Signal()
    #: The layer has come or gone.
    changed = Signal()

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._grid: DisplayGrid | None = None
        self.layer: Labels | None = None
        self._released: dict[str, Labels] = {}
        self._rest = Ticker(viewer, self.edited.emit, _AFTER_MS)
        viewer.layers.events.removed.connect(self._on_removed)

    def begin(self, view: PairView, judged: Judged, corrected: NDArray[Any] | None = None) -> None:
        """Put the moved segmentation into a layer that can be painted on.

        Parameters
        ----------
        corrected : ndarray, optional
            As it was corrected before, array order of the fixed image; instead of the moved one.
        """
        if self.layer is not None:
            return
        fixed = judged.outcome.registration.fixed
        self._grid = DisplayGrid.of(fixed)
        labels = judged.moved.labels if corrected is None else corrected
        data = np.ascontiguousarray(self._grid.to_display(labels))
        if data.dtype.kind not in "iu":
            data = data.astype(np.uint8)
        kept = {**remembered(fixed, "corrected"), "kind": "labels", "shows": "moved labels"}
        layer = Layer.create(
            # A copy: what was computed stays, to tell what was changed.
            data.copy(),
            {"name": "moved labels, corrected by hand", "metadata": {KEY: kept}, "opacity": 1.0,
             "blending": "translucent_no_depth", **self._grid.layer_place()},
            "labels",
        )  # fmt: skip
        assert isinstance(layer, Labels)
        layer.contour = 1
        self.layer = layer
        view.set_overlay("moved labels", False)
        self._viewer.add_layer(layer)
        self._viewer.layers.selection = {layer}
        layer.brush_size = 3
        layer.mode = "paint"
        layer.events.paint.connect(self._on_paint)
        layer.events.labels_update.connect(self._on_paint)
        layer.events.data.connect(self._on_paint)
        self.changed.emit()

    def data(self) -> NDArray[Any] | None:
        """What is painted, array order of the fixed image (a copy); None without a layer."""
        if self.layer is None or self._grid is None:
            return None
        return np.ascontiguousarray(self._grid.to_array(np.asarray(self.layer.data))).copy()

    def choose(self, label: int) -> None:
        """Paint with a label from now on."""
        if self.layer is not None:
            self.layer.selected_label = label

    def release(self, case: str = "") -> None:
        """Leave the layer, with what was corrected, to the window; until `drop(case)`."""
        layer = self.layer
        if layer is None:
            return
        for event in (layer.events.paint, layer.events.labels_update, layer.events.data):
            event.disconnect(self._on_paint)
        self._rest.stop()
        layer.visible = False
        if case:
            self._released[case] = layer
        self.layer, self._grid = None, None
        self.changed.emit()

    def drop(self, case: str) -> None:
        """Take a released layer away: what was corrected is on the disk."""
        layer = self._released.pop(case, None)
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def end(self) -> None:
        """Take the layer away."""
        layer = self.layer
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def let_go(self) -> None:
        """Stop listening; the layer stays with its owner."""
        self._rest.stop()
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _on_paint(self, event: Any = None) -> None:
        self._rest.start()

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self._rest.stop()
            self.layer, self._grid = None, None
            self.changed.emit()


def edits_of(judged: Judged) -> dict[int, str]:
    """What was changed by hand, per structure, in words."""
    now, computed = judged.moved.labels, judged.computed
    if now is computed:
        return {}
    differs = now != computed
    added, taken = now[differs], computed[differs]
    found = {}
    for label in sorted({*np.unique(added).tolist(), *np.unique(taken).tolist()} - {0}):
        more, less = int((added == label).sum()), int((taken == label).sum())
        found[int(label)] = f"Corrected by hand: {more} voxels added, {less} taken away."
    return found
