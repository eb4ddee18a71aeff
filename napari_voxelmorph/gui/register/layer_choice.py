"""A drop-down of the layers of a window, a button that opens a file, and which of its volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_voxelmorph.gui.form_parts import Combo
from napari_voxelmorph.gui.views.series_layers import count_of, is_series, one_of, seconds_of


class LayerChoice(QWidget):
    """Choose one layer, or none; of a 4-D layer one volume, counted from 0 as napari does.

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
    volume_turned = Signal()

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
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.combo, 1)
        row.addWidget(self.open)
        column.addLayout(row)
        column.addWidget(self._volume_row(what))
        self.refresh([])
        self.combo.currentIndexChanged.connect(self._on_chosen)

    def _volume_row(self, what: str) -> QWidget:
        """Which volume of a 4-D layer; hidden for all others."""
        self.volume_row = QWidget()
        self.volume = QSpinBox()
        self.volume.setToolTip(f"Which volume of the {what} is taken; they count from 0")
        self.volume.setAccessibleName(f"volume of the {what}")
        self.volume.setKeyboardTracking(False)
        self.volume_words = QLabel()
        row = QHBoxLayout(self.volume_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(QLabel("Volume"))
        row.addWidget(self.volume)
        row.addWidget(self.volume_words, 1)
        self.volume.valueChanged.connect(self._on_volume)
        return self.volume_row

    @property
    def layers(self) -> list[Any]:
        """The layers that are offered."""
        return self._layers

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        index = self.combo.currentIndex() - 1
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def image(self) -> Any:
        """The chosen layer, or of a 4-D one a 3-D layer with the chosen volume; or None."""
        return None if self.layer is None else one_of(self.layer, self.volume.value())

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

    def _on_volume(self) -> None:
        self._show_volume()
        self.volume_turned.emit()
        self.changed.emit()

    def _show_name(self) -> None:
        layer = self.layer
        if layer is not None:
            self.combo.setToolTip(layer.name)
        blocked = self.volume.blockSignals(True)
        self.volume.setRange(0, count_of(layer) - 1 if layer is not None else 0)
        self.volume.blockSignals(blocked)
        self._show_volume()

    def _show_volume(self) -> None:
        layer = self.layer
        self.volume_row.setVisible(is_series(layer))
        if is_series(layer):
            seconds = seconds_of(layer, self.volume.value())
            when = "" if seconds is None else f" · t = {seconds:g} s"
            self.volume_words.setText(f"of 0 … {count_of(layer) - 1}{when}")
