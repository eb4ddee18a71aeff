"""Section 2 of the Register dock: by which model, how, from where, and on what device."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
from qtpy.QtCore import Qt, Signal

from napari_voxelmorph.engine.config import DEFAULT, PRESETS, RegistrationConfig, Start
from napari_voxelmorph.engine.geometry.volume import Matrix
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.models.model_choice import ModelChoice
from napari_voxelmorph.gui.register.jobs import Pair
from napari_voxelmorph.gui.register.parameters_form import ParametersForm
from napari_voxelmorph.gui.register.start_matrix import MATRIX, WINDOW, StartMatrix
from napari_voxelmorph.gui.section import Section, WrappingLabel

_CUSTOM = "Own settings"


class MethodSection(Section):
    """Model, preset, parameters, start and device; `changed` when any of them changes."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("2  Method", "method")
        self.models = ModelChoice()
        self.preset = Combo()
        self.about = WrappingLabel()
        self.about.setEnabled(False)
        self.form: ParametersForm[RegistrationConfig] = ParametersForm(
            DEFAULT, leave_out=("start", "device", "model", "model_lambda", "refine")
        )
        self.start = StartMatrix()
        self.device = Combo()
        self.device.addItem("auto", "auto")
        self.needs = WrappingLabel()
        self.needs.setEnabled(False)
        self._fill_presets()
        top, bottom = Rows(), Rows()
        top.add("Preset", self.preset, "Settings that suit a kind of pair")
        bottom.add("Device", self.device, "Where to compute; “auto” takes a GPU when there is one")
        for part in (self.models, top, self.about, self.form, self.start, bottom, self.needs):
            self.add(part)
        self.preset.currentIndexChanged.connect(self._on_preset)
        self.form.changed.connect(self._on_edited)
        self.models.changed.connect(self.changed)
        self.start.changed.connect(self.changed)
        self.device.currentIndexChanged.connect(lambda *_: self.changed.emit())
        self._recall()

    def _fill_presets(self) -> None:
        for name, (_, help) in PRESETS.items():
            self.preset.addItem(name)
            index = self.preset.count() - 1
            self.preset.setItemData(index, help, Qt.ItemDataRole.ToolTipRole)
        self.preset.addItem(_CUSTOM)

    def _recall(self) -> None:
        name = memory.recall_text("preset", next(iter(PRESETS)))
        index = self.preset.findText(name if name in PRESETS else next(iter(PRESETS)))
        self.preset.setCurrentIndex(index)
        self._on_preset()

    def _on_preset(self, *_: object) -> None:
        name = self.preset.currentText()
        if name in PRESETS:
            config, help = PRESETS[name]
            self.about.setText(help)
            self.form.set_config(config)
            memory.remember("preset", name)
        else:
            self.about.setText("The settings below, as you changed them.")

    def _on_edited(self) -> None:
        """Name the preset that the fields agree with, if any."""
        try:
            config = self.form.config()
        except ValueError:
            config = None
        if config is not None:
            self.models.set_deforms(config.transform != "none")
        name = self.preset.currentText()
        fits = name in PRESETS and PRESETS[name][0] == config
        if not fits:
            same = [other for other, (preset, _) in PRESETS.items() if preset == config]
            blocked = self.preset.blockSignals(True)
            self.preset.setCurrentText(same[0] if same else _CUSTOM)
            self.preset.blockSignals(blocked)
            self.about.setText(
                PRESETS[same[0]][1] if same else "The settings below, as you changed them."
            )
        self.changed.emit()

    def config(self) -> RegistrationConfig:
        """Return the settings; raises `InputError` when a field cannot be read."""
        start = self.start.name
        known = start if start in get_args(Start) else "header"
        return replace(
            self.form.config(),
            start=known,  # type: ignore[arg-type]
            device=self.device.currentData(),
            model=self.models.model,
            model_lambda=self.models.lam.value(),
            refine=self.models.refine.isChecked(),
        )

    def start_matrix(self, as_placed: Matrix | None) -> Matrix | None:
        """Return the start matrix to pass on, or None when the configuration's start does it."""
        if self.start.name == WINDOW:
            return as_placed
        return self.start.matrix()

    def show_start(self, pair: Pair, as_placed: Matrix | None) -> None:
        """Show the matrix behind the chosen start for this pair."""
        name, size = self.start.name, pair.fixed.ndim + 1
        if name == MATRIX:
            if self.start.table.rowCount() != pair.fixed.ndim:
                self.start.show_matrix(np.eye(size))
            return
        matrix: Matrix | None = None
        if name == "header":
            matrix = np.eye(size)
        elif name == "centers":
            matrix = np.eye(size)
            matrix[:-1, -1] = pair.moving.center - pair.fixed.center
        elif name == WINDOW:
            matrix = np.eye(size) if as_placed is None else as_placed
        self.start.show_matrix(matrix, pair.fixed.ndim)

    def set_devices(self, names: list[str]) -> None:
        """Offer the devices of this machine."""
        chosen = self.device.currentData()
        blocked = self.device.blockSignals(True)
        self.device.clear()
        best = names[0] if names else "cpu"
        self.device.addItem(f"auto ({best})", "auto")
        for name in names:
            self.device.addItem(name, name)
        self.device.setCurrentIndex(max(0, self.device.findData(chosen)))
        self.device.blockSignals(blocked)

    def show_needs(self, device: str, needs: str) -> None:
        """Say on what it will run and what that takes."""
        self.needs.setText(f"{device}: needs {needs}" if needs else "")
