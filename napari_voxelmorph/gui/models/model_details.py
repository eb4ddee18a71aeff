"""What a model's card says, its curves, and what can be done with it."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_voxelmorph.gui.charts.chart import Chart
from napari_voxelmorph.gui.charts.chart_series import ChartColors, Series
from napari_voxelmorph.gui.models.model_lines import Curves, ModelLine
from napari_voxelmorph.gui.section import Section, WrappingLabel

#: Curve of the card -> name in the legend, colour, and whether it is measured on the right.
_SHOWN = {
    "loss": ("training", "#56b4e9", False),
    "validation loss": ("held out", "#f0a830", False),
    "validation dice": ("Dice", "#35c28d", True),
}


class ModelDetails(Section):
    """Emits `export_asked`, `rename_asked` and `remove_asked`, each with the model's name."""

    export_asked = Signal(str)
    rename_asked = Signal(str)
    remove_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__("Details", "model details")
        self._name = ""
        self.buttons = QWidget()
        line = QHBoxLayout(self.buttons)
        line.setContentsMargins(0, 0, 0, 0)
        self.export = QPushButton("Export…")
        self.export.setToolTip("Write the model to a zip file or a folder, to send or to keep")
        self.rename = QPushButton("Rename…")
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Move the model to the trash of the shelf; it can be brought back")
        for button, signal in (
            (self.export, self.export_asked),
            (self.rename, self.rename_asked),
            (self.remove, self.remove_asked),
        ):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda *_, s=signal: s.emit(self._name))
            line.addWidget(button, 1)
        self.name = WrappingLabel()
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        font = self.name.font()
        font.setBold(True)
        self.name.setFont(font)
        self.card = QWidget()
        self._rows = QVBoxLayout(self.card)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(1)
        self.curves = Chart("Curves of the training", height=120)
        for part in (self.name, self.buttons, self.curves, self.card):
            self.add(part)
        self.show_model(None)

    def show_model(self, line: ModelLine | None) -> None:
        """Show a model's card, or nothing."""
        self.setVisible(line is not None)
        self._clear()
        if line is None:
            return
        self._name = line.name
        self.name.setText(line.name)
        self.export.setEnabled(not line.problem)
        for button in (self.rename, self.remove):
            button.setEnabled(line.own)
        self.rename.setToolTip("" if line.own else "It came with the program and stays as it is")
        for heading, text in line.page:
            self._add(heading, text)
        series = _series(line.curves)
        self.curves.setVisible(bool(series))
        self.curves.show_series(series)

    def set_colors(self, colors: ChartColors) -> None:
        """Follow the window's theme."""
        self.curves.set_colors(colors)

    def texts(self) -> dict[str, str]:
        """The card as it is shown."""
        items = (self._rows.itemAt(i) for i in range(self._rows.count()))
        labels = [item.widget() for item in items if item is not None]
        words = [w.text().replace("\u200b", "") for w in labels if isinstance(w, QLabel)]
        return dict(zip(words[::2], words[1::2], strict=True))

    def _add(self, heading: str, text: str) -> None:
        title = QLabel(heading)
        title.setEnabled(False)
        words = WrappingLabel()
        # A stranger's card: its words are shown, never obeyed as HTML.
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setText(_breaking(text))
        words.setContentsMargins(0, 0, 0, 5)
        self._rows.addWidget(title)
        self._rows.addWidget(words)

    def _clear(self) -> None:
        while self._rows.count():
            item = self._rows.takeAt(0)
            label = None if item is None else item.widget()
            if label is not None:
                label.hide()
                label.deleteLater()


def _breaking(text: str) -> str:
    """Long words may break after every 16 letters (a checksum has no other place)."""
    words = text.split(" ")
    return " ".join(
        "\u200b".join(w[i : i + 16] for i in range(0, len(w), 16)) if len(w) > 40 else w
        for w in words
    )


def _series(curves: Curves) -> list[Series]:
    found = []
    for key, (name, color, right) in _SHOWN.items():
        if key in curves:
            x, y = np.array(curves[key]).T
            found.append(Series(name, color, x, y, right=right))
    return found
