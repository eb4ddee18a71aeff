"""What the result section says of the uncertainty, and of the structures' volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.section import More, WrappingLabel
from napari_voxelmorph.gui.views.spread_words import (
    about_folding,
    how_large,
    landmark_line,
    meaning,
    structure_lines,
)
from napari_voxelmorph.gui.views.spread_work import SpreadWork
from napari_voxelmorph.gui.views.views import PairView

if TYPE_CHECKING:
    from napari_voxelmorph.engine.uncertainty.spread import Spread

_VOLUMES = "Volumes ± standard deviation"


class SpreadResult(QWidget):
    """Hidden until something is known of the result in view."""

    def __init__(self, view: PairView, work: SpreadWork) -> None:
        super().__init__()
        self._view, self._work = view, work
        self._told: Spread | None = None
        self.words = WrappingLabel("")
        self.more = More(_VOLUMES)
        self.volumes = WrappingLabel("")
        self.more.add(self.volumes)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.words)
        column.addWidget(self.more)
        sync = self.sync
        work.changed.connect(sync)
        when_destroyed(self, lambda: work.changed.disconnect(sync, missing_ok=True))
        self.sync()

    def sync(self) -> None:
        """Say what is known now."""
        result, spread = self._view.registration, self._work.spread
        self.setVisible(result is not None and spread is not None)
        if result is None or spread is None or self._told is spread:
            return
        self._told = spread
        told = [
            f"Uncertainty: {how_large(spread, result)}",
            about_folding(spread),
            landmark_line(spread, result, self._view.layers.extras.fixed_landmarks),
            meaning(spread),
        ]
        self.words.setText(" ".join(part for part in told if part))
        lines = structure_lines(spread)
        self.volumes.setText("\n".join(lines))
        self.more.setVisible(bool(lines))
