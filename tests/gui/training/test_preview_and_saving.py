"""A held-out pair in the viewer while it trains, and the model on the shelf."""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.gui.models.shelf_events import shelf_events
from napari_voxelmorph.gui.training import train_shelving


def test_the_held_out_pair_is_shown_in_place_and_can_be_switched_off(
    qtbot, in_window, fake, viewer, user
):
    own = viewer.add_image(np.random.default_rng(0).random((9, 9, 9)), name="mine")
    in_window.recipe.steps.fields["steps"].widget.setValue(4)
    user.run_to_end(in_window)
    qtbot.waitUntil(lambda: len(viewer.layers) == 5)
    names = [layer.name for layer in viewer.layers]
    assert {"fixed: a", "moved: a", "fixed labels", "moved labels"} < set(names)
    assert not own.visible
    before = list(viewer.layers)
    in_window.recipe.steps.fields["steps"].widget.setValue(6)
    user.run_to_end(in_window)
    assert list(viewer.layers) == before
    in_window.progress.preview.setChecked(False)
    assert list(viewer.layers) == [own] and own.visible
    in_window.recipe.steps.fields["steps"].widget.setValue(8)
    user.run_to_end(in_window)
    assert list(viewer.layers) == [own]


def test_a_layer_that_is_taken_away_does_not_end_the_training(qtbot, in_window, fake, viewer, user):
    fake.gate.clear()
    user.click(in_window.controls.button)
    qtbot.waitUntil(fake.entered.is_set)
    fake.gate.set()
    qtbot.waitUntil(lambda: user.has_ended(in_window))
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    viewer.layers.clear()
    in_window.recipe.steps.fields["steps"].widget.setValue(9)
    user.run_to_end(in_window)
    assert in_window.message.kind == "done" and len(in_window.runner.history.loss) == 9


def test_the_model_goes_to_the_shelf_with_what_was_said_of_it(
    qtbot, ready, fake, monkeypatch, user
):
    asked, heard = [], []

    def save(folder, *words):
        asked.append((folder, *words))
        return lambda: words[0]

    monkeypatch.setattr(train_shelving, "save_to_shelf", save)
    shelf_events.changed.connect(heard.append)
    user.run_to_end(ready)
    assert not ready.save.button.isEnabled()
    assert ready.save.button.text() == "Give it a name first"
    ready.save.name.setText("mine")
    ready.save.domain.setText("T1")
    ready.save.licence.setCurrentText("CC0-1.0")
    user.click(ready.save.button)
    qtbot.waitUntil(lambda: heard == ["mine"])
    shelf_events.changed.disconnect(heard.append)
    assert asked == [(fake.tasks[0].folder, "mine", "CC0-1.0", "", "T1")]
    assert "“mine” is on the shelf" in ready.message.text.text()
    qtbot.waitUntil(lambda: ready.recipe.start_from.findText("mine") > 0)
