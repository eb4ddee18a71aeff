"""The line of controls under the overlays that belongs to the uncertainty map."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QWidget

from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.section import WrappingLabel
from napari_voxelmorph.gui.views.mode_settings import millimetres
from napari_voxelmorph.gui.views.spread_words import OF_LABELS, OF_STARTS, meaning
from napari_voxelmorph.gui.views.spread_work import SpreadWork
from napari_voxelmorph.gui.views.views import PairView

_ESTIMATE_TIP = (
    "This result has no posterior: register again from a few slightly other starts, with few "
    "iterations, and show how far the answers differ. Against known answers it came out up to five "
    "times too small.\n" + OF_STARTS
)


class SpreadRow(QWidget):
    """Limit in mm, hide what is above it, estimate what the model does not say, and the legend."""

    def __init__(self, view: PairView, work: SpreadWork) -> None:
        super().__init__()
        self._view, self._work = view, work
        self.limit = millimetres(0.1, 50, "Draws the line around all that is more uncertain")
        self.hide_above = QCheckBox("Hide above")
        self.hide_above.setToolTip("Leave the moved image dark where its place is more uncertain")
        self.estimate = QPushButton("Estimate spread")
        self.estimate.setToolTip(_ESTIMATE_TIP)
        self.legend = WrappingLabel("")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        self.line = QLabel("Uncertain above")
        for column, widget in enumerate((self.line, self.limit, self.hide_above)):
            grid.addWidget(widget, 0, column)
            grid.setColumnStretch(column, 1)
        grid.addWidget(self.estimate, 1, 0, 1, 3)
        grid.addWidget(self.legend, 2, 0, 1, 3)
        self.limit.valueChanged.connect(lambda mm: view.configure(unsure_above=mm))
        self.hide_above.clicked.connect(lambda on: view.configure(hide_unsure=on))
        self.estimate.clicked.connect(lambda: work.estimate())
        sync = self.sync
        work.changed.connect(sync)
        when_destroyed(self, lambda: work.changed.disconnect(sync, missing_ok=True))
        self.sync()

    def sync(self) -> None:
        """Show what there is, and what is being done."""
        view, work = self._view, self._work
        result, known = view.registration, work.knows
        self.limit.blockSignals(True)
        self.limit.setValue(view.settings.unsure_above)
        self.limit.blockSignals(False)
        self.hide_above.setChecked(view.settings.hide_unsure)
        for widget in (self.line, self.limit, self.hide_above):
            widget.setVisible(known)
        deformed = result is not None and result.field is not None
        self.estimate.setVisible(deformed and not known)
        self.estimate.setEnabled(not work.working)
        told = [work.progress, work.problem]
        if known and work.is_shown and work.spread is not None:
            told.insert(0, meaning(work.spread))
            if work.is_entropy_shown:
                told.insert(0, OF_LABELS)
        text = " ".join(part for part in told if part)
        self.legend.setText(text)
        self.legend.setVisible(bool(text))
