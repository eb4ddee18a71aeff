"""The plugin's page in napari's Preferences, and the preferences of the engine, say the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from napari.settings import get_plugin_settings
from npe2 import PluginManifest
from qtpy.QtWidgets import QWidget

from napari_voxelmorph.engine import parallel, preferences
from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.device import pick_device
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.preferences import SECTIONS, Preferences
from napari_voxelmorph.gui import preferences_page
from napari_voxelmorph.gui.files import places
from napari_voxelmorph.gui.preferences_page import PreferencesPage
from napari_voxelmorph.gui.register import save_menu
from napari_voxelmorph.gui.register.jobs import Pair, RegistrationJobs
from napari_voxelmorph.gui.register.present import present_of

NAME = "napari-voxelmorph"
page_of_napari = preferences_page.page


@pytest.fixture
def page(plugin_settings: Any, npe2pm: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """napari's page, with a file of this test alone."""
    npe2pm.register(PluginManifest.from_distribution(NAME))
    monkeypatch.setattr(preferences_page, "page", page_of_napari)
    return get_plugin_settings(NAME)


def test_the_manifest_says_what_the_engine_says() -> None:
    root = Path(__file__).parents[2]
    manifest = yaml.safe_load((root / "napari.yaml").read_text(encoding="utf-8"))
    told = manifest["contributions"]["configurations"]
    assert {key: tuple(part["properties"]) for key, part in told.items()} == {
        key: names for key, (_, names) in SECTIONS.items()
    }
    kinds, json_kinds = (
        get_type_hints(Preferences),
        {str: "string", int: "integer", float: "number"},
    )
    for field in dataclasses.fields(Preferences):
        said = next(p["properties"][field.name] for p in told.values()
                    if field.name in p["properties"])  # fmt: skip
        assert said["default"] == field.default
        assert said["type"] == json_kinds.get(kinds[field.name], "string")
        assert (said.get("minimum"), said.get("maximum")) == (
            field.metadata.get("min"), field.metadata.get("max"))  # fmt: skip
        if field.name == "convention":
            assert tuple(said["enum"]) == get_args(kinds[field.name])
        if field.name == "device":
            for device in said["enum"]:
                Preferences(device=device)
                with pytest.raises(InputError):
                    pick_device(f"{device} no such")
        for word in ("0 =", "Empty ="):  # what nothing means is said
            if field.metadata.get("zero") and field.name != "last_folder":
                assert ("0 =" in said["description"]) or ("Empty =" in said["description"]), word


def test_napari_shows_the_page_and_what_is_set_there_counts(
    page: Any, make_napari_viewer: Any, qtbot: Any
) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    viewer = make_napari_viewer()
    window = viewer.window._qt_window
    follower = PreferencesPage(viewer, window)
    preferences.change(memory_gb=12.5)  # meanwhile, on the command line
    follower.agree()
    dialog = PreferencesDialog(window)
    qtbot.addWidget(dialog)
    titles = [dialog._list.item(n).text() for n in range(dialog._list.count())]
    assert titles[-1] == "VoxelMorph"
    forms = dialog._stack.widget(len(titles) - 1).widget()
    found = {}
    for n in range(forms.layout().count()):
        found |= forms.layout().itemAt(n).widget().widget.widgets
    assert found.keys() == {f.name for f in dataclasses.fields(Preferences)}
    assert found["memory_gb"].state == 12.5
    found["memory_gb"].setValue(6.0)
    assert preferences.current().memory_gb == 6.0
    found["device"].setCurrentText("cpu")
    assert preferences.current() == Preferences(device="cpu", memory_gb=6.0)
    dialog.reject()  # Cancel puts napari's values back, and ours with them
    assert preferences.current() == Preferences(memory_gb=12.5)
    page.reset()  # Restore defaults
    assert preferences.current() == Preferences()


def test_whoever_changed_last_is_followed(page: Any, make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    window = viewer.window._qt_window
    first = PreferencesPage(viewer, window)
    page.folders.sessions_folder = "/of/napari"
    assert preferences.current().sessions_folder == "/of/napari"
    first.setParent(None)
    first.deleteLater()
    # Without a window of ours: one is changed in napari, another on the command line.
    for section in SECTIONS:
        getattr(page, section).events.disconnect()
    page.folders.models_folder = "/models"
    preferences.change(trainings_folder="/runs", sessions_folder="/of/shell")
    PreferencesPage(viewer, window)
    wanted = Preferences(models_folder="/models", trainings_folder="/runs",
                         sessions_folder="/of/shell")  # fmt: skip
    assert preferences.current() == wanted
    assert page.folders.model_dump() == {
        name: getattr(wanted, name) for name in SECTIONS["folders"][1]
    }


def test_the_window_follows_at_once(page: Any, empty_window: Any, qtbot: Any) -> None:
    viewer, before = empty_window.viewer, parallel.thread_count()
    assert present_of(viewer).view.anatomy.convention == "radiological"
    try:
        page.display.convention = "neurological"
        assert present_of(viewer).view.anatomy.convention == "neurological"
        page.computing.threads = before + 1
        qtbot.waitUntil(lambda: parallel.thread_count() == before + 1)
        page.computing.threads = 0
        qtbot.waitUntil(lambda: parallel.thread_count() == before)
    finally:
        parallel.set_threads(before)


def test_a_registration_goes_where_the_preferences_say_now(pair_2d: Any) -> None:
    jobs, pair = RegistrationJobs(), Pair(pair_2d.moving, pair_2d.fixed)
    assert jobs.check(pair, DEFAULT).problem == ""
    preferences.change(device="cuda:99")
    assert "preferences ask for the device “cuda:99”" in jobs.check(pair, DEFAULT).problem
    preferences.change(device="cpu")
    assert jobs.check(pair, DEFAULT).device.startswith("CPU")


def test_a_damaged_file_is_told_in_the_window(make_napari_viewer: Any, monkeypatch: Any) -> None:
    told: list[str] = []
    monkeypatch.setattr(preferences_page, "show_warning", told.append)
    preferences.place().write_text("{", encoding="utf-8")
    viewer = make_napari_viewer()
    PreferencesPage(viewer, viewer.window._qt_window)
    assert len(told) == 1 and "cannot be read" in told[0]


def test_dialogs_begin_where_the_preferences_say(tmp_path: Path) -> None:
    assert places.begin_in("registration", sessions=True) == "registration"
    places.remember_place(str(tmp_path / "scans.nii.gz"))
    assert places.begin_in("moved.nii.gz") == str(tmp_path / "moved.nii.gz")
    assert places.begin_in("registration", sessions=True) == str(tmp_path / "registration")
    (tmp_path / "sessions").mkdir()
    preferences.change(sessions_folder=str(tmp_path / "sessions"))
    assert places.begin_in(sessions=True) == str(tmp_path / "sessions")
    preferences.change(sessions_folder=str(tmp_path / "gone"))
    assert places.begin_in(sessions=True) == str(tmp_path)


def test_saving_asks_there_and_remembers(tmp_path: Path, qtbot: Any, monkeypatch: Any) -> None:
    asked: list[str] = []

    def ask(parent: Any, title: str, start: str, kinds: str) -> tuple[str, str]:
        asked.append(start)
        return str(tmp_path / "new" / "result"), ""

    monkeypatch.setattr(save_menu.QFileDialog, "getSaveFileName", ask)
    (tmp_path / "new").mkdir()
    parent = QWidget()
    qtbot.addWidget(parent)
    menu = save_menu.SaveMenu(parent)
    preferences.change(sessions_folder=str(tmp_path))
    for kind in ("session", "moved", "transform"):
        menu.ask(kind)
    assert asked[0] == str(tmp_path / "registration")
    assert [Path(start).parent for start in asked[1:]] == [tmp_path / "new"] * 2
