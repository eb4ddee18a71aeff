"""A drop-down of the layers of a window, and a button that opens a file instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_voxelmorph.gui.form_parts import Combo


class LayerChoice(QWidget):
    """Choose one layer, or none.

    Parameters
    ----------
    accepts : callable
        Whether a layer may be chosen.
    empty : str
        Text of the entry without a layer.
    what : str
        What is chosen here, for the tool tips.
    """

    changed = Signal()
    open_asked = Signal()

    def __init__(self, accepts: Callable[[Any], bool], empty: str, what: str) -> None:
        super().__init__()
        self._accepts = accepts
        self._empty = empty
        self._layers: list[Any] = []
        self.combo = Combo(Qt.TextElideMode.ElideMiddle)
        self.combo.setToolTip(f"The {what}, from the layer list")
        self.combo.setAccessibleName(what)
        self.open = QPushButton("Open…")
        self.open.setToolTip(f"Open the {what} from a file")
        self.open.clicked.connect(lambda: self.open_asked.emit())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.combo, 1)
        row.addWidget(self.open)
        self.refresh([])
        self.combo.currentIndexChanged.connect(self._on_chosen)

    @property
    def layers(self) -> list[Any]:
        """The layers that are offered."""
        return self._layers

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        index = self.combo.currentIndex() - 1
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Any) -> None:
        """Choose a layer that is in the list; anything else chooses none."""
        found = [i for i, other in enumerate(self._layers) if other is layer]
        self.combo.setCurrentIndex(found[0] + 1 if found else 0)

    def refresh(self, layers: Any) -> None:
        """Offer these layers, newest first; keep the choice when it is still there."""
        before = self.layer
        self._layers = [layer for layer in reversed(list(layers)) if self._accepts(layer)]
        blocked = self.combo.blockSignals(True)
        self.combo.clear()
        self.combo.addItem(self._empty)
        for layer in self._layers:
            self.combo.addItem(layer.name)
            index = self.combo.count() - 1
            self.combo.setItemData(index, layer.name, Qt.ItemDataRole.ToolTipRole)
        self.choose(before)
        self.combo.blockSignals(blocked)
        self._show_name()
        if self.layer is not before:
            self.changed.emit()

    def _on_chosen(self) -> None:
        self._show_name()
        self.changed.emit()

    def _show_name(self) -> None:
        layer = self.layer
        if layer is not None:
            self.combo.setToolTip(layer.name)
