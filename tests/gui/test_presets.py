"""The window arranged for a task, through the commands of the manifest."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtWidgets import QDockWidget, QLabel

from napari_voxelmorph.gui.presets import (
    PRESETS,
    arrange,
    arrange_for_qa,
    arrange_for_training,
    arrange_for_tuning,
)


def shown(viewer: Any) -> set[str]:
    """Our docks whose eye is open, by the first part of their title."""
    docks = viewer.window._qt_window.findChildren(QDockWidget)
    titles = {d.windowTitle().split(" (")[0] for d in docks if not d.isHidden()}
    return titles & {name for names in PRESETS.values() for name in names}


def test_each_preset_shows_its_docks_and_hides_the_others(
    make_napari_viewer: Any, jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    viewer = make_napari_viewer()
    viewer.window.add_dock_widget(QLabel("mine"), name="mine")
    for use, preset in (
        (arrange_for_tuning, "tune"),
        (arrange_for_qa, "qa"),
        (arrange_for_training, "train"),
        (arrange_for_qa, "qa"),
    ):
        use(viewer)
        assert shown(viewer) == set(PRESETS[preset])
    docks = viewer.window._qt_window.findChildren(QDockWidget)
    assert not next(d for d in docks if d.windowTitle() == "mine").isHidden()
    # Coming back opens nothing twice.
    titles = [d.windowTitle().split(" (")[0] for d in docks]
    assert all(titles.count(name) == 1 for name in PRESETS["qa"])
    with pytest.raises(KeyError):
        arrange(viewer, "nothing")


def test_the_menu_arranges_the_window(
    make_napari_viewer: Any, jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari._app_model import get_app_model
    from napari.plugins import _initialize_plugins

    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    _initialize_plugins()
    viewer = make_napari_viewer()
    get_app_model().commands.execute_command("napari-voxelmorph.for_qa").result()
    assert shown(viewer) == set(PRESETS["qa"])
