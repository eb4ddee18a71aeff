"""Before a training: what the button says, what was found, the recipe."""

from __future__ import annotations

from dataclasses import replace

from napari_voxelmorph.engine.training.config import RECIPES
from napari_voxelmorph.gui.training.training_choice import Found


def test_an_empty_dock_says_what_is_expected(dock):
    assert dock.controls.button.text() == "Choose a folder"
    assert not dock.controls.button.isEnabled()
    assert "_seg.nii.gz" in dock.data.about.text().replace("\u200b", "")
    assert dock.progress.loss.isHidden() and not dock.progress.hint.isHidden()
    assert not dock.save.button.isEnabled()
    dock.data.source.setCurrentIndex(1)
    assert dock.controls.button.text() == "Choose a table" and "“image”" in dock.data.about.text()
    dock.data.source.setCurrentIndex(3)
    assert dock.controls.button.text() == "Open the scans first"
    assert dock.data._path_row.isHidden() and "layers" in dock.data.about.text().lower()


def test_what_was_found_is_told_and_the_rest_is_measured(qtbot, ready, fake):
    assert ready.data.headline.text() == fake.found.headline
    assert "9 × 9 × 9" in ready.data.found.text()
    assert ready.data.skipped.link.text().startswith("1 file left out")
    assert ready.data.reasons.text() == "bad: It is damaged."
    assert ready.controls.button.text() == "Start training"
    qtbot.waitUntil(lambda: "10 min" in ready.recipe.needs.text())


def test_data_that_cannot_be_used_stop_the_button(qtbot, dock, fake, tmp_path):
    fake.found = Found(problem="“x” holds only 1 scan.")
    dock.data.choose_path(str(tmp_path))
    qtbot.waitUntil(lambda: dock.data.message.kind == "error")
    assert dock.data.message.text.text() == "“x” holds only 1 scan."
    assert dock.controls.button.text() == "Mend the data first (see above)"
    assert not dock.controls.button.isEnabled()


def test_a_recipe_with_segmentations_needs_some(qtbot, dock, fake, tmp_path):
    fake.found = replace(fake.found, structures=0)
    dock.recipe.recipe.setCurrentText("With segmentations")
    dock.data.choose_path(str(tmp_path))
    wanted = "The recipe needs segmentations: choose another"
    qtbot.waitUntil(lambda: dock.controls.button.text() == wanted)
    dock.recipe.recipe.setCurrentText("Same contrast")
    assert dock.controls.button.text() == "Start training"


def test_an_atlas_is_asked_for(ready, fake):
    assert ready.data.preparation.atlas_row.isHidden()
    ready.data.preparation.target.setCurrentIndex(1)
    assert not ready.data.preparation.atlas_row.isHidden()
    assert ready.controls.button.text() == "Choose an atlas"
    ready.data.preparation.target.setCurrentIndex(0)
    assert ready.controls.button.text() == "Start training"
    assert ready.data.headline.text() == fake.found.headline


def test_the_recipe_is_named_after_its_settings(ready):
    recipe = ready.recipe
    recipe.recipe.setCurrentText("With segmentations")
    config = RECIPES["With segmentations"][0]
    assert recipe.config() == config
    assert recipe.steps.fields["steps"].widget.value() == config.steps
    recipe.form.fields["smoothness"].widget.setValue(3.0)
    assert recipe.recipe.currentText() == "Own settings"
    recipe.form.fields["smoothness"].widget.setValue(config.smoothness)
    assert recipe.recipe.currentText() == "With segmentations"
    recipe.start_from.setCurrentIndex(1)
    assert recipe.config() == replace(config, start_from="brain")


def test_a_model_to_start_from_is_looked_at_too(qtbot, ready, fake):
    assert fake.looked == [""]
    ready.recipe.start_from.setCurrentIndex(1)
    qtbot.waitUntil(lambda: ready.controls.button.isEnabled())
    assert fake.looked == ["", "brain"]
    ready.recipe.form.fields["smoothness"].widget.setValue(3.0)
    assert fake.looked == ["", "brain"] and not ready.data.preparation.isHidden()
