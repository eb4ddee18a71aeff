"""Section 3 of the Train dock: which run, its curves and figures, and the validation pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QWidget

from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.charts.chart import Chart
from napari_voxelmorph.gui.charts.chart_series import ChartColors, Series
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.section import Section, WrappingLabel

if TYPE_CHECKING:
    from pathlib import Path

    from napari_voxelmorph.gui.training.training_history import TrainingHistory
    from napari_voxelmorph.gui.training.training_runs import Run

_NEW = "a new training"
_TRAINING, _HELD_OUT, _FOLDED = "#56b4e9", "#f0a830", "#e4655b"
_OVERLAP = "#35c28d"
_HINT = (
    "Once the training runs, its curves are here, and a pair that the network never learns from "
    "is registered before your eyes."
)


class TrainProgressSection(Section):
    """Emits `run_chosen(folder or None)`, `open_asked` and `preview_switched(bool)`."""

    run_chosen = Signal(object)
    open_asked = Signal()
    preview_switched = Signal(bool)

    def __init__(self) -> None:
        super().__init__("3  Training", "train progress")
        self.run = Combo()
        self.open = QPushButton("Open…")
        self.open.setToolTip(
            "Open the folder of an earlier training, to look at it or to resume it"
        )
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.run, 1)
        line.addWidget(self.open)
        rows = Rows()
        rows.add("Training", row, "A new one, or an earlier one that can be looked at and resumed")
        self.state = WrappingLabel()
        self.hint = WrappingLabel(_HINT)
        self.loss = Chart("Loss", "The loss appears with the first steps.")
        self.scores = Chart("Scores of the held-out pairs")
        self._build_switches()
        for part in (rows, self.state, self.hint, self.loss, self._switches, self.scores,
                     self.figures, self.preview):  # fmt: skip
            self.add(part)
        self._history: TrainingHistory | None = None
        self._shown = -1
        self.set_runs([], None)
        self.run.currentIndexChanged.connect(lambda *_: self.run_chosen.emit(self.folder))
        self.open.clicked.connect(lambda: self.open_asked.emit())
        self.show_history(None)

    def _build_switches(self) -> None:
        self.log = QCheckBox("log scale")
        self.log.setToolTip("Logarithmic; offered while every loss is above 0")
        self.which = Combo()
        self.which.addItems(["Dice (overlap)", "Similarity"])
        self.which.setMinimumContentsLength(12)
        self.which.setToolTip("What is drawn of the held-out pairs, beside the folded voxels")
        self._switches = QWidget()
        line = QHBoxLayout(self._switches)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.log)
        line.addStretch(1)
        line.addWidget(self.which)
        self.figures = WrappingLabel()
        self.preview = QCheckBox("show a held-out pair in the viewer")
        self.preview.setToolTip(
            "<qt>Registers one pair by the present weights, between two steps, and shows it. "
            "Takes at most a tenth of the time.</qt>"
        )
        self.preview.setChecked(memory.recall_truth("train preview", True))
        self.log.toggled.connect(self.loss.set_log)
        self.which.currentIndexChanged.connect(lambda *_: self._draw(again=True))
        self.preview.toggled.connect(self._on_preview)

    def _on_preview(self, on: bool) -> None:
        memory.remember("train preview", on)
        self.preview_switched.emit(on)

    # Runs -------------------------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """The run that is chosen; None for a new one."""
        return self.run.currentData()

    def set_runs(self, runs: list[Run], chosen: Path | None) -> None:
        """Offer the runs that there are, newest first."""
        blocked = self.run.blockSignals(True)
        self.run.clear()
        self.run.addItem(_NEW, None)
        for run in runs:
            self.run.addItem(run.title, run.folder)
            self.run.setItemData(self.run.count() - 1, str(run.folder), Qt.ItemDataRole.ToolTipRole)
            if run.folder == chosen:
                self.run.setCurrentIndex(self.run.count() - 1)
        self.run.blockSignals(blocked)

    def set_running(self, running: bool) -> None:
        """While a training runs no other can be chosen."""
        self.run.setEnabled(not running)
        self.open.setEnabled(not running)

    # Curves -----------------------------------------------------------------------------

    def show_history(self, history: TrainingHistory | None) -> None:
        """Draw the curves of a run, or say what will be here."""
        self._history = history
        started = history is not None
        self.hint.setVisible(not started)
        for part in (self.loss, self.scores, self._switches, self.figures, self.preview):
            part.setVisible(started)
        self._draw(again=True)

    def refresh(self) -> None:
        """Draw what has come since."""
        self._draw()

    def set_colors(self, colors: ChartColors) -> None:
        """Follow the window's theme."""
        self.loss.set_colors(colors)
        self.scores.set_colors(colors)

    def _draw(self, again: bool = False) -> None:
        history = self._history
        if history is None or (history.version == self._shown and not again):
            return
        self._shown = history.version
        x, y, mean = history.loss.arrays()
        held_x, held_y, _ = history.scores["loss"].arrays()
        self.loss.show_series([
            Series("each step", _TRAINING, x, y, "faint"),
            Series("loss", _TRAINING, x, mean),
            Series("held-out", _HELD_OUT, held_x, held_y, "dots"),
        ])  # fmt: skip
        self.log.setVisible(self.loss.can_be_log)
        has_dice = len(history.scores["dice"]) > 0
        self.which.setVisible(has_dice)
        self._draw_scores(history, has_dice and self.which.currentIndex() == 0)
        self.figures.setText(figures(history.latest, history.best))

    def _draw_scores(self, history: TrainingHistory, overlap: bool) -> None:
        name = "dice" if overlap else "similarity"
        x, y, _ = history.scores[name].arrays()
        ndv_x, ndv, _ = history.scores["ndv"].arrays()
        before = (history.latest or {}).get(f"{name}_before")
        color = _OVERLAP if overlap else _HELD_OUT
        shown = [Series("Dice" if overlap else "similarity", color, x, y, "dots")]
        if before is not None:
            shown.append(Series("before", color, x, 0 * x + before, "level"))
        if len(ndv) and ndv.max() > 0:
            shown.append(Series("folded (right)", _FOLDED, ndv_x, ndv, "dots", True, " %"))
        self.scores.empty = "Scores of the held-out pairs appear with the first validation."
        if history.latest is None and len(history.loss) == 0:
            self.scores.empty = "Scores of the held-out pairs"
        steps = history.loss.arrays()[0]
        self.scores.show_series(shown, float(steps[-1]) if len(steps) else 1.0)


def figures(latest: dict[str, Any] | None, best: dict[str, Any] | None) -> str:
    """The latest validation in words, and the best one when it was another."""
    if latest is None:
        return ""
    words = f"Held-out pairs at step {latest['step']:,}: {_scores(latest)}."
    if best is not None and best["step"] != latest["step"]:
        words += f" Best at step {best['step']:,}: {_scores(best, short=True)} – kept."
    return words


def _scores(values: dict[str, Any], short: bool = False) -> str:
    parts = []
    for key, name in (("dice", "Dice"), ("similarity", "similarity")):
        if values.get(key) is not None:
            before = values.get(f"{key}_before")
            was = "" if before is None or short else f" (before {before:.3f})"
            parts.append(f"{name} {values[key]:.3f}{was}")
            if short:
                return parts[0]
    if values.get("ndv") is not None:
        parts.append("nothing folded" if values["ndv"] == 0 else f"folded {values['ndv']:.2g} %")
    return ", ".join(parts)
