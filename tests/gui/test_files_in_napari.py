"""Readers, writers, sample data and commands as napari sees them, through npe2."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest, io_utils

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.files import readers
from napari_voxelmorph.gui.register.present import present_of
from napari_voxelmorph.gui.views.display import KEY, layer_from_volume, volume_from_layer

NAME = "napari-voxelmorph"


@pytest.fixture
def manager(npe2pm):
    npe2pm.register(PluginManifest.from_distribution(NAME))
    return npe2pm


def test_the_manifest_is_valid_and_every_command_imports(manager):
    manifest = manager.get_manifest(NAME)
    manifest.validate_imports()
    assert manifest.display_name == "VoxelMorph"
    menus = manifest.contributions.menus
    offered = ("register", "qa", "apply", "train", "for_tuning", "for_qa", "for_training")
    commands = [item.command for item in menus["napari/layers/register"]]
    assert commands == [f"{NAME}.{name}" for name in offered]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mgz", ".nrrd", ".mha"])
def test_an_image_is_written_and_read_in_its_place(manager, tmp_path, pair_3d, suffix):
    layer = layer_from_volume(pair_3d.moving)
    path = tmp_path / f"scan{suffix}"
    io_utils.write(str(path), [layer], plugin_name=NAME)
    ((data, kwargs, kind),) = io_utils.read([str(path)], plugin_name=NAME, stack=False)
    again = volume_from_layer(Layer.create(data, kwargs, kind))
    assert again.orientation == pair_3d.moving.orientation
    np.testing.assert_allclose(again.affine, pair_3d.moving.affine, atol=1e-3)
    np.testing.assert_array_equal(again.data, pair_3d.moving.data)


def test_labels_keep_their_numbers(manager, tmp_path, pair_3d):
    path = tmp_path / "anatomy.nii.gz"
    io_utils.write(str(path), [layer_from_volume(pair_3d.fixed_labels)], plugin_name=NAME)
    again = files.load(path, "labels")
    np.testing.assert_array_equal(again.data, pair_3d.fixed_labels.data)


def test_a_session_folder_brings_its_result_along(tmp_path, pair_3d):
    affine = np.eye(4)
    affine[:3, 3] = (3, -2, 5)
    registration = Registration(pair_3d.fixed, pair_3d.moving, affine)
    files.save_session(registration, tmp_path / "result")
    read = readers.get_reader(str(tmp_path / "result"))
    assert read is not None
    moving, fixed, moved = read(str(tmp_path / "result"))
    again = fixed[1]["metadata"][KEY]["session"].registration
    np.testing.assert_array_equal(again.affine, affine)
    shown = volume_from_layer(Layer.create(*moved)).data
    np.testing.assert_allclose(shown, registration.moved.data, atol=1e-4)
    assert moving[1]["visible"] is False


def test_other_folders_and_files_are_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert readers.get_reader(str(tmp_path)) is None
    assert readers.get_reader(str(tmp_path / "notes.txt")) is None
    assert readers.get_reader([]) is None


def test_a_damaged_file_is_refused_in_words(tmp_path):
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(b"not a scan")
    read = readers.get_reader(str(path))
    with pytest.raises(files.images.FileFormatError, match=r"broken\.nii\.gz"):
        read(str(path))


@pytest.mark.parametrize("key, ndim", [("brain_pair_2d", 2), ("brain_pair_3d", 3)])
def test_sample_pairs_come_with_all_that_belongs_to_them(manager, key, ndim):
    manifest = manager.get_manifest(NAME)
    (sample,) = [s for s in manifest.contributions.sample_data if s.key == key]
    layers = [Layer.create(*data) for data in sample.open()]
    assert [type(la).__name__ for la in layers] == ["Image", "Image", "Labels", "Labels",
                                                    "Points", "Points"]  # fmt: skip
    assert all(la.ndim == ndim for la in layers)
    assert [la.visible for la in layers] == [True, True, False, False, False, False]


def test_the_folder_of_the_command_line_opens_by_its_session(tmp_path, pair_3d):
    registration = Registration(pair_3d.fixed, pair_3d.moving, np.eye(4))
    (tmp_path / "result").mkdir()
    files.save_session(registration, tmp_path / "result" / "session")
    opened = readers.get_reader(str(tmp_path / "result"))(str(tmp_path / "result"))
    assert [kind for _, _, kind in opened] == ["image"] * 3
    assert readers.get_reader(str(tmp_path)) is None


def test_opened_sessions_show_in_the_dock(empty_window, qtbot, tmp_path, pair_2d):
    registration = Registration(pair_2d.fixed, pair_2d.moving, np.eye(3))
    files.save_session(registration, tmp_path / "result")
    for data in readers.read(str(tmp_path / "result")):
        empty_window.viewer.add_layer(Layer.create(*data))
    dock = empty_window.dock
    qtbot.waitUntil(lambda: dock.pair_view.registration is not None)
    assert dock.inputs.layer("fixed").name == dock.pair_view.registration.fixed.name
    assert dock.inputs.layer("moving") is not None


@pytest.mark.parametrize("dropped", ["", "session.json"])
def test_napari_opens_a_session_together_with_its_dock(
    manager, make_napari_viewer, qtbot, jobs, tmp_path, pair_2d, dropped
):
    registration = Registration(pair_2d.fixed, pair_2d.moving, np.eye(3))
    files.save_session(registration, tmp_path / "result")
    viewer = make_napari_viewer()
    place = tmp_path / "result" / dropped
    if dropped:
        viewer.window._qt_viewer._qt_open([str(place)], stack=False)
    else:
        viewer.open(str(place), plugin=NAME)
    present = present_of(viewer)
    qtbot.waitUntil(lambda: present.outcome is not None)
    shown = present.view.registration
    np.testing.assert_array_equal(shown.fixed.data, pair_2d.fixed.data)
    assert len(viewer.window.dock_widgets) == 1
    assert engine_thread_of(viewer).close(60)
