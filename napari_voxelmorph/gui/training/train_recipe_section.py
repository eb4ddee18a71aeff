"""Section 2 of the Train dock: how to train, from which weights, and on what device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal

from napari_voxelmorph.engine.training.config import DEFAULT, RECIPES, TrainingConfig
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.register.parameters_form import ParametersForm
from napari_voxelmorph.gui.section import More, Section, WrappingLabel

if TYPE_CHECKING:
    from napari_voxelmorph.gui.training.training_jobs import ModelName

_CUSTOM = "Own settings"
_SCRATCH = "nothing (new weights)"
_OWN = "The settings below, as you changed them."


class TrainRecipeSection(Section):
    """Recipe, parameters, first weights and device; `changed` when any of them changes."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("2  Recipe", "train recipe")
        self.recipe = Combo()
        self.about = WrappingLabel()
        self.steps = ParametersForm(
            DEFAULT, leave_out=set(DEFAULT.__dataclass_fields__) - {"steps"}
        )
        self.steps.more.hide()
        self.start_from = Combo()
        self.start_from.addItem(_SCRATCH, "")
        self.form: ParametersForm[TrainingConfig] = ParametersForm(
            DEFAULT, leave_out=("start_from", "device", "steps")
        )
        self.settings = More("settings of the recipe")
        self.settings.add(self.form)
        self.device = Combo()
        self.device.addItem("auto", "auto")
        self.needs = WrappingLabel()
        self._fill_recipes()
        top, bottom = Rows(), Rows()
        top.add("Recipe", self.recipe, "Settings that suit a kind of cohort")
        bottom.add(
            "Start from",
            self.start_from,
            "Continue from a model of the shelf (fine-tuning): fewer scans and steps are enough. "
            "Its network is used, whatever the recipe says.",
        )
        bottom.add("Device", self.device, "Where to compute; “auto” takes a GPU when there is one")
        for part in (top, self.about, self.steps, bottom, self.needs, self.settings):
            self.add(part)
        self.recipe.currentIndexChanged.connect(self._on_recipe)
        self.form.changed.connect(self._on_edited)
        self.steps.changed.connect(self._on_edited)
        for combo in (self.start_from, self.device):
            combo.currentIndexChanged.connect(lambda *_: self.changed.emit())
        name = memory.recall_text("recipe", next(iter(RECIPES)))
        self.recipe.setCurrentIndex(max(0, self.recipe.findText(name)))
        self._on_recipe()

    def _fill_recipes(self) -> None:
        for name, (_, help) in RECIPES.items():
            self.recipe.addItem(name)
            index = self.recipe.count() - 1
            self.recipe.setItemData(index, help, Qt.ItemDataRole.ToolTipRole)
        self.recipe.addItem(_CUSTOM)

    def _on_recipe(self, *_: object) -> None:
        name = self.recipe.currentText()
        if name in RECIPES:
            config, help = RECIPES[name]
            self.about.setText(help)
            self._fill(config)
            memory.remember("recipe", name)
        else:
            self.about.setText(_OWN)
            self.settings.link.setChecked(True)
        self.changed.emit()

    def _fill(self, config: TrainingConfig) -> None:
        for form in (self.steps, self.form):
            blocked = form.blockSignals(True)
            form.set_config(config)
            form.blockSignals(blocked)

    def _on_edited(self) -> None:
        """Name the recipe that the fields agree with, if any."""
        config = self._settings()
        name = self.recipe.currentText()
        if name not in RECIPES or RECIPES[name][0] != config:
            same = [other for other, (recipe, _) in RECIPES.items() if recipe == config]
            blocked = self.recipe.blockSignals(True)
            self.recipe.setCurrentText(same[0] if same else _CUSTOM)
            self.recipe.blockSignals(blocked)
            self.about.setText(RECIPES[same[0]][1] if same else _OWN)
        self.changed.emit()

    def _settings(self) -> TrainingConfig:
        return replace(self.form.config(), steps=self.steps.config().steps)

    def config(self) -> TrainingConfig:
        """Return the settings; raises `InputError` when a field cannot be read."""
        return replace(
            self._settings(),
            start_from=self.start_from.currentData(),
            device=self.device.currentData(),
        )

    def show_config(self, config: TrainingConfig) -> None:
        """Show the settings of an earlier training."""
        if config.start_from and self.start_from.findData(config.start_from) < 0:
            self.start_from.addItem(config.start_from, config.start_from)
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(config.start_from)))
        self.device.setCurrentIndex(max(0, self.device.findData(config.device)))
        self._fill(replace(config, start_from="", device="auto"))
        self._on_edited()

    def set_devices(self, names: list[str]) -> None:
        """Offer the devices of this machine."""
        chosen = self.device.currentData()
        blocked = self.device.blockSignals(True)
        self.device.clear()
        self.device.addItem(f"auto ({names[0] if names else 'cpu'})", "auto")
        for name in names:
            self.device.addItem(name, name)
        self.device.setCurrentIndex(max(0, self.device.findData(chosen)))
        self.device.blockSignals(blocked)

    def set_models(self, models: list[ModelName]) -> None:
        """Offer the models of the shelf to start from."""
        chosen = self.start_from.currentData()
        blocked = self.start_from.blockSignals(True)
        self.start_from.clear()
        self.start_from.addItem(_SCRATCH, "")
        for model in models:
            self.start_from.addItem(model.title, model.name)
            index = self.start_from.count() - 1
            self.start_from.setItemData(index, model.about, Qt.ItemDataRole.ToolTipRole)
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(chosen)))
        self.start_from.blockSignals(blocked)

    def show_needs(self, text: str) -> None:
        """Say what a training will take."""
        self.needs.setText(text)

    def set_fixed(self, running: bool, loaded: bool) -> None:
        """While a training runs its settings stay; one that goes on may go on for longer."""
        for part in (self.recipe, self.form, self.start_from):
            part.setEnabled(not running and not loaded)
        for part in (self.steps, self.device):
            part.setEnabled(not running)
