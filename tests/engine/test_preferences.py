"""Preferences: kept whole, read again, damaged ones told, and honoured where they count."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from napari_voxelmorph.engine import device, estimate, parallel, preferences, shelf
from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import InputError, NotEnoughMemoryError, OutputError
from napari_voxelmorph.engine.files.reading import require_memory
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.preferences import SECTIONS, Preferences

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of this test alone."""
    path = tmp_path / "new" / "preferences.json"
    monkeypatch.setenv("NAPARI_VOXELMORPH_PREFERENCES", str(path))
    return path


def test_without_a_file_there_are_the_defaults_and_none_is_made(place: Path) -> None:
    assert preferences.load() == (Preferences(), "")
    assert not place.parent.exists()


def test_what_is_changed_is_there_for_all(place: Path, tmp_path: Path) -> None:
    wanted = preferences.change(memory_gb=7.5, threads=3, convention="neurological",
                                models_folder=str(tmp_path / "mödels"))  # fmt: skip
    assert preferences.current() == wanted == preferences.load()[0]
    code = "from napari_voxelmorph.engine.preferences import current; print(current().threads)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           encoding="utf-8", check=True)  # fmt: skip
    assert other.stdout.strip() == "3"
    assert [p.name for p in place.parent.iterdir()] == [place.name]


def test_what_another_program_writes_is_seen_at_once(place: Path) -> None:
    preferences.save(Preferences(threads=2))
    assert preferences.current().threads == 2
    text = place.read_text(encoding="utf-8").replace('"threads": 2', '"threads": 7')
    place.write_text(text, encoding="utf-8")
    assert preferences.current().threads == 7


def test_what_a_later_version_put_there_stays(place: Path) -> None:
    preferences.save(Preferences())
    found = json.loads(place.read_text(encoding="utf-8"))
    found["preferences"]["holograms"] = "on"
    place.write_text(json.dumps(found), encoding="utf-8")
    preferences.change(threads=5)
    again = json.loads(place.read_text(encoding="utf-8"))["preferences"]
    assert (again["holograms"], again["threads"]) == ("on", 5)
    assert preferences.load()[1] == ""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"format": "other"}', "\0" * 100, "[" * 100_000, "x" * 2_000_000,
             '{"format": "napari-voxelmorph preferences", "preferences": 3}'],
)  # fmt: skip
def test_a_damaged_file_is_told_and_kept_for_mending(place: Path, text: str) -> None:
    place.parent.mkdir()
    place.write_text(text, encoding="utf-8")
    found, problem = preferences.load()
    assert found == Preferences()
    assert "cannot be read" in problem and str(place) in problem and "Traceback" not in problem
    preferences.change(threads=2)
    assert preferences.load() == (Preferences(threads=2), "")
    assert place.with_name("preferences.json.damaged").read_text(encoding="utf-8") == text


def test_one_wrong_value_costs_only_itself(place: Path) -> None:
    preferences.save(Preferences(threads=4))
    text = place.read_text(encoding="utf-8").replace('"radiological"', '"upside down"')
    place.write_text(text, encoding="utf-8")
    found, problem = preferences.load()
    assert found == Preferences(threads=4)
    assert "Display" in problem and "upside down" in problem


@pytest.mark.parametrize(
    "values",
    [{"device": "abacus"}, {"device": "cuda:x"}, {"memory_gb": -1}, {"memory_gb": float("nan")},
     {"memory_gb": "8"}, {"memory_gb": True}, {"threads": 2.5}, {"threads": 10**30},
     {"threads": float("inf")}, {"convention": "left"}, {"models_folder": 3},
     {"device": "cuda:\u0663"}, {"models_folder": "\ud800"},
     {"sessions_folder": "a\0b"}, {"last_folder": "x" * 10_000}],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_changes(values: dict, place: Path) -> None:
    preferences.save(Preferences(threads=4))
    (name,) = values
    label = next(f for f in dataclasses.fields(Preferences) if f.name == name).metadata["label"]
    with pytest.raises(InputError, match=label.split(" (")[0]):
        preferences.change(**values)
    assert preferences.current() == Preferences(threads=4)


def test_a_folder_whose_name_is_no_text_is_kept(place: Path) -> None:
    """Bytes that are not UTF-8 come from the command line as lone surrogates."""
    name = "/data/\udcff\udce4/Möller"
    preferences.change(models_folder=name)
    assert preferences.load() == (Preferences(models_folder=name), "")
    assert [path.name for path in place.parent.iterdir()] == ["preferences.json"]


def test_a_whole_number_may_be_written_with_a_point(place: Path) -> None:
    preferences.save(Preferences(threads=4))
    text = place.read_text(encoding="utf-8").replace('"threads": 4', '"threads": 4.0')
    place.write_text(text, encoding="utf-8")
    assert type(preferences.current().threads) is int and preferences.load()[1] == ""
    assert preferences.current() == Preferences(threads=4)


def test_a_folder_that_cannot_be_written_is_told(place: Path) -> None:
    place.parent.write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputError, match="were not kept"):
        preferences.change(threads=2)
    assert place.parent.read_text(encoding="utf-8") == "in the way"


def test_every_preference_has_its_place_in_the_form() -> None:
    named = [name for _, names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(f.name for f in dataclasses.fields(Preferences))


# Honoured ---------------------------------------------------------------------------------


def test_the_device_of_the_preferences_is_what_auto_means(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.pick_device("auto").type == "cuda"
    preferences.change(device="cpu")
    assert device.pick_device("auto").type == "cpu"
    preferences.change(device="cuda:99")
    with pytest.raises(InputError, match="preferences ask for the device “cuda:99”"):
        device.pick_device("auto")
    assert device.pick_device("cpu").type == "cpu"  # asked for by name: the preference is passed by


def test_the_memory_is_what_the_preferences_leave(tmp_path: Path) -> None:
    taken = psutil.Process().memory_info().rss
    preferences.change(memory_gb=(taken + 300e6) / 1e9)
    assert device.free_memory(CPU) == pytest.approx(300e6, abs=60e6)
    with pytest.raises(NotEnoughMemoryError, match=r"left of the .* GB that the preferences allow"):
        require_memory(500_000_000, tmp_path / "scan.nii")
    preferences.change(memory_gb=0.1)  # less than the program has already
    assert device.free_memory(CPU) == 0
    preferences.change(memory_gb=4096.0)
    assert device.memory_words(device.free_memory(CPU), CPU).endswith("GB are free")


def test_a_pair_beyond_the_limit_is_refused_with_a_grid_that_fits() -> None:
    scan = Volume(np.broadcast_to(np.float32(0), (256, 256, 200)))
    free = psutil.virtual_memory().available
    need = estimate.estimate(scan, scan, DEFAULT, CPU).bytes
    if free < 1.2 * need:
        pytest.skip(f"needs {need / 1e9:.1f} GB of free memory to show the difference")
    estimate.check_memory(scan, scan, DEFAULT, CPU)
    preferences.change(memory_gb=(psutil.Process().memory_info().rss + 0.6 * need) / 1e9)
    with pytest.raises(NotEnoughMemoryError, match=r"preferences allow\. (Set|At)"):
        estimate.check_memory(scan, scan, DEFAULT, CPU)


def test_threads_are_used_and_put_back() -> None:
    ours, of_torch = parallel.thread_count(), torch.get_num_threads()
    try:
        preferences.change(threads=3)
        parallel.use_threads()
        assert (parallel.thread_count(), torch.get_num_threads()) == (3, 3)
        parallel.use_threads(2)  # given for one run: goes first
        assert (parallel.thread_count(), torch.get_num_threads()) == (2, 2)
        preferences.change(threads=0)
        parallel.use_threads()
        assert (parallel.thread_count(), torch.get_num_threads()) == (ours, of_torch)
    finally:
        parallel.set_threads(ours)
        torch.set_num_threads(of_torch)


def test_folders_and_the_variable_that_goes_first(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("NAPARI_VOXELMORPH_MODELS", raising=False)
    usual = shelf.user_folder()
    preferences.change(models_folder=str(tmp_path / "mine"))
    assert shelf.user_folder() == tmp_path / "mine" != usual
    assert shelf.trainings_folder() == tmp_path / "trainings"
    assert preferences.overridden() == {}
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "named"))
    assert shelf.user_folder() == tmp_path / "named"
    assert preferences.overridden() == {"models_folder": "NAPARI_VOXELMORPH_MODELS"}
    preferences.change(trainings_folder=str(tmp_path / "runs"))
    assert shelf.trainings_folder() == tmp_path / "runs"
