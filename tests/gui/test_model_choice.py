"""Choosing a model in the Register dock, refining, stopping, and undoing the refinement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.gui.models.model_lines import ModelLine
from napari_voxelmorph.gui.models.shelf_events import shelf_events
from napari_voxelmorph.gui.register.jobs import Pair, RegistrationJobs
from napari_voxelmorph.gui.register.method_section import MethodSection

FLAT = ModelLine("flat", "slices", "2-D", unsuited={2: "", 3: "for 2-D images; these are 3-D"})
SOLID = ModelLine("solid", "heads", "3-D", unsuited={2: "for 3-D images; these are 2-D", 3: ""})
BROKEN = ModelLine("broken", "damaged", problem="“broken” is damaged.")


def enabled(choice: Any) -> list[bool]:
    return [choice.combo.model().item(i).isEnabled() for i in range(choice.combo.count())]


@pytest.fixture
def section(qtbot: Any) -> Any:
    found = MethodSection()
    qtbot.addWidget(found)
    return found


def test_no_model_is_the_first_choice(section):
    assert section.models.combo.currentText() == "No model: optimise only"
    assert section.config() == DEFAULT
    section.models.set_lines([FLAT, SOLID, BROKEN])
    assert section.config() == DEFAULT and section.models.refine.isHidden()


def test_unsuitable_models_are_grey_with_the_reason(section):
    models = section.models
    models.set_lines([FLAT, SOLID, BROKEN])
    assert enabled(models) == [True, True, True, False]
    models.set_pair(2)
    assert enabled(models) == [True, True, False, False]
    texts = [models.combo.itemText(i) for i in range(4)]
    assert texts[1] == "flat – slices · 2-D" and "these are 2-D" in texts[2]
    assert "damaged" in texts[3]


def test_a_chosen_model_and_refining_are_in_the_configuration(section, qtbot):
    models = section.models
    models.set_lines([FLAT, SOLID])
    with qtbot.waitSignal(section.changed):
        models.combo.setCurrentIndex(1)
    assert section.config() == replace(DEFAULT, model="flat")
    assert not models.refine.isHidden() and "refined for this pair" in models.about.text()
    models.refine.setChecked(False)
    assert section.config() == replace(DEFAULT, model="flat", refine=False)
    assert "pre-alignment" in models.about.text()
    # The preset stays what it was.
    assert section.preset.currentText() == "Same contrast"
    section.preset.setCurrentText("Different contrast")
    assert section.config().similarity == "mind" and section.config().model == "flat"


def test_a_model_that_does_not_suit_is_not_used_and_comes_back(section):
    models = section.models
    models.set_lines([FLAT, SOLID])
    models.combo.setCurrentIndex(1)
    models.set_pair(3)
    assert section.config().model == "" and "cannot be used" in models.about.text()
    models.set_pair(2)
    assert section.config().model == "flat"
    models.set_lines([SOLID])
    assert section.config().model == "" and "not on the shelf" in models.about.text()


def test_warnings_stand_beside_the_model(section):
    models = section.models
    models.set_lines([FLAT])
    models.show_warnings(["The voxels differ."])
    assert models.message.isHidden()  # no model is chosen
    models.combo.setCurrentIndex(1)
    models.show_warnings(["The voxels differ.", "And the contrast."])
    assert not models.message.isHidden() and "• And" in models.message.text.text()
    models.combo.setCurrentIndex(0)
    assert models.message.isHidden()


def test_without_deforming_no_model_is_used(section):
    models = section.models
    models.set_lines([FLAT])
    models.combo.setCurrentIndex(1)
    section.preset.setCurrentText("Rigid only")
    assert section.config().model == "" and not models.combo.isEnabled()
    assert "Nothing is deformed" in models.about.text()
    section.preset.setCurrentText("Same contrast")
    assert section.config().model == "flat" and models.combo.isEnabled()


def test_the_choice_is_remembered(section, qtbot):
    section.models.set_lines([FLAT])
    section.models.combo.setCurrentIndex(1)
    section.models.refine.setChecked(False)
    again = MethodSection()
    qtbot.addWidget(again)
    again.models.set_lines([FLAT])
    assert again.config() == replace(DEFAULT, model="flat", refine=False)


# In the dock --------------------------------------------------------------------------------


def put_on_shelf(name: str, ndim: int = 2) -> None:
    import torch

    from napari_voxelmorph.engine.checkpoints import save_model
    from napari_voxelmorph.engine.model_card import ModelCard
    from napari_voxelmorph.engine.networks.architecture import Architecture
    from napari_voxelmorph.engine.networks.registry import build
    from napari_voxelmorph.engine.networks.space import Space
    from napari_voxelmorph.engine.shelf import new_folder

    architecture = Architecture(ndim=ndim, encoder=(2, 2), decoder=((2,), (2,)))
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, generator)
    torch.nn.init.normal_(network.field.weight, 0.0, 0.1, generator)
    save_model(network, ModelCard(name, architecture, Space(None, None)), new_folder(name))


def test_the_list_follows_the_shelf(qtbot, window):
    put_on_shelf("new one")
    put_on_shelf("solid", ndim=3)
    shelf_events.changed.emit("new one")
    combo = window.dock.method.models.combo
    qtbot.waitUntil(lambda: combo.findData("solid") > 0, timeout=20000)
    qtbot.waitUntil(lambda: enabled(window.dock.method.models)[-1] is False, timeout=20000)
    combo.setCurrentIndex(combo.findData("new one"))
    qtbot.mouseClick(window.dock.controls.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert window.jobs.asked[0][1].model == "new one"


def finished(generator: Any) -> Any:
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


@pytest.fixture
def outcome(pair_2d: Any) -> Any:
    put_on_shelf("tiny")
    pair = Pair(pair_2d.moving, pair_2d.fixed, moving_labels=pair_2d.moving_labels,
                fixed_labels=pair_2d.fixed_labels)  # fmt: skip
    config = replace(DEFAULT, affine="none", start="header", model="tiny", device="cpu",
                     refine_iterations=(0, 3, 2))  # fmt: skip
    return finished(RegistrationJobs().register(pair, config, np.eye(3), lambda: False))


def test_undo_brings_the_networks_result_back(qtbot, window, outcome, monkeypatch):
    assert outcome.unrefined.dice is not None and outcome.registration.unrefined is None

    def register(*_: Any) -> Any:
        return outcome

    monkeypatch.setattr(window.jobs, "register", register)
    qtbot.mouseClick(window.dock.controls.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    dock = window.dock
    assert dock.pair_view.registration is outcome.registration
    assert "“tiny” and refined for this pair" in dock.result.verdict.text()
    dock.result.undo.click()
    assert dock.pair_view.registration is outcome.unrefined.registration
    assert "“tiny” alone" in dock.result.verdict.text()
    dock.result.redo.click()
    assert dock.pair_view.registration is outcome.registration
    dock.result.undo.click()
    dock.result.undo.click()
    assert dock.pair_view.registration is None


def test_a_check_tells_what_the_model_thinks_of_the_pair(pair_2d, pair_3d):
    put_on_shelf("solid", ndim=3)
    jobs, config = RegistrationJobs(), replace(DEFAULT, model="solid", device="cpu")
    assert "for 3-D images" in jobs.check(Pair(pair_2d.moving, pair_2d.fixed), config).problem
    assert not jobs.check(Pair(pair_3d.moving, pair_3d.fixed), config).problem
    gone = jobs.check(Pair(pair_3d.moving, pair_3d.fixed), replace(config, model="gone"))
    assert "no model “gone”" in gone.problem


def test_stop_keeps_what_there_is(qtbot, window):
    jobs, controls = window.jobs, window.dock.controls
    jobs.gate.clear()
    qtbot.mouseClick(controls.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(jobs.entered.is_set)
    assert controls.stop.isHidden()  # nothing to keep yet
    controls.show_step("Refining (1 mm)", 0.5, 1.0)
    assert not controls.stop.isHidden()
    controls.stop.click()
    assert controls.stop.text() == "Stopping…" and not controls.stop.isEnabled()
    jobs.gate.set()
    qtbot.waitUntil(lambda: not window.dock.engine.busy)
    assert jobs.steps_done <= 1 and window.dock.pair_view.registration is not None
    assert controls.stop.isHidden()
