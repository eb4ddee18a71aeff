"""The Apply dock: files and layers, by the result that is shown or by a file of any program."""

from __future__ import annotations

import threading

import nibabel
import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtWidgets import QFileDialog

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.files.transforms.registry import load_transform, save_transform
from napari_voxelmorph.gui.apply import apply_dock
from napari_voxelmorph.gui.register.register_dock import RegisterDock
from napari_voxelmorph.gui.register.save_menu import SaveMenu
from napari_voxelmorph.gui.views.display import layer_from_volume, volume_from_layer


@pytest.fixture
def pair(make_deformed_pair):
    return make_deformed_pair(3, "LIA")


@pytest.fixture
def dock(make_napari_viewer, qtbot, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    viewer = make_napari_viewer()
    found = apply_dock.ApplyDock(viewer)
    viewer.window.add_dock_widget(found, name="Apply", area="right")
    (tmp_path / "out").mkdir()
    return found


def things_of(pair, folder):
    """Files of the moving scan."""
    files.save(pair.result.moving, folder / "image.nii.gz")
    files.save(pair.labels, folder / "seg.nii.gz")
    data = np.stack([pair.result.moving.data] * 2, -1)
    nibabel.save(nibabel.Nifti1Image(data, pair.result.moving.affine), folder / "bold.nii.gz")
    save_landmarks(pair.result.moving.center + np.eye(3), folder / "points.csv")
    return [str(folder / n) for n in ("image.nii.gz", "seg.nii.gz", "bold.nii.gz", "points.csv")]


def test_the_button_says_what_is_missing(dock, pair, tmp_path):
    assert dock.button.text() == "Add what shall be carried over" and not dock.button.isEnabled()
    dock.transform.source.setCurrentIndex(1)
    assert dock.button.text() == "Choose a transform"
    dock.transform.set_path(str(tmp_path / "out"))
    dock.things.add_files(things_of(pair, tmp_path))
    dock.things.add_files([str(tmp_path / "image.nii.gz")])  # not twice
    assert dock.button.text() == "Choose a folder for the results"
    dock.set_folder(str(tmp_path / "out"))
    assert dock.button.text() == "Apply to 4 things" and dock.button.isEnabled()
    dock.things.list.item(0).setSelected(True)
    dock.things.remove.click()
    assert dock.button.text() == "Apply to 3 things"
    # There is no session in that folder: a sentence, and all can be changed.
    dock.button.click()
    assert dock.message.kind == "error" and "session" in dock.message.text.text()
    assert dock.button.isEnabled() and dock.bar.isHidden()


@pytest.mark.parametrize(
    "suffix, name", [("", "session"), (".h5", "itk-composite"), (".nii.gz", "fsl")]
)
def test_files_by_a_transform_of_any_program(dock, pair, tmp_path, suffix, name):
    path = tmp_path / f"transform{suffix}"
    if suffix:
        save_transform(pair.result, path, name)
    else:
        files.save_session(pair.result, path)
    assert dock.transform.format.count() == 13
    dock.transform.set_path(str(path))
    dock.things.add_files(things_of(pair, tmp_path))
    dock.things.set_labels(1, True)
    dock.set_folder(str(tmp_path / "out"))
    dock.button.click()
    assert dock.message.kind == "done", dock.message.text.text()
    out = {p.name for p in (tmp_path / "out").iterdir()}
    assert out == {
        "image_moved.nii.gz",
        "seg_moved.nii.gz",
        "bold_moved.nii.gz",
        "points_moved.csv",
    }
    moved = files.load(tmp_path / "out" / "image_moved.nii.gz").data
    both = (moved != 0) & (pair.result.moved.data != 0)
    assert np.abs(moved - pair.result.moved.data)[both].max() < 0.01
    points, _ = load_landmarks(tmp_path / "out" / "points_moved.csv", 3)
    # Where they came from; a file without the velocity gives an inverse found by iteration.
    back = pair.result.fixed_to_moving(points)
    np.testing.assert_allclose(back, pair.result.moving.center + np.eye(3), atol=0.3)
    # The image, the segmentation and the points are layers now; the series is only a file.
    kinds = [type(layer).__name__ for layer in dock.viewer.layers]
    assert kinds == ["Image", "Labels", "Points"]
    np.testing.assert_array_equal(volume_from_layer(dock.viewer.layers[0]).data, moved)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "", "a\\b:c*?"])
def test_names_of_layers_cannot_lead_out_of_the_folder(dock, pair, tmp_path, monkeypatch, name):
    layer = dock.viewer.add_layer(Layer.create(*layer_from_volume(pair.result.moving)))
    layer.name = name
    dock.things.add_layer(layer)
    dock.set_folder(str(tmp_path / "out"))
    outcome = type("Outcome", (), {"registration": pair.result})
    monkeypatch.setattr(apply_dock, "result_in", lambda viewer: outcome)
    before = set(tmp_path.rglob("*"))
    dock.button.click()
    assert dock.message.kind == "done", dock.message.text.text()
    (new,) = set(tmp_path.rglob("*")) - before
    assert new.parent == tmp_path / "out" and new.name.endswith("_moved.nii.gz")


def test_layers_by_the_result_that_is_shown(dock, pair, tmp_path, monkeypatch):
    viewer = dock.viewer
    for volume in (pair.result.moving, pair.labels, pair.result.fixed):
        viewer.add_layer(Layer.create(*layer_from_volume(volume)))
    dock.things.add_layer(viewer.layers[0])
    dock.things.add_layer(viewer.layers[1])
    dock.set_folder(str(tmp_path / "out"))
    dock.show_results.setChecked(False)
    dock.button.click()
    assert "no result in this window" in dock.message.text.text()
    outcome = type("Outcome", (), {"registration": pair.result})
    monkeypatch.setattr(apply_dock, "result_in", lambda viewer: outcome)
    dock.mode.setCurrentText("Nearest")
    dock.button.click()
    assert dock.message.kind == "done" and len(viewer.layers) == 3
    labels = files.load(tmp_path / "out" / "labels_moved.nii.gz", "labels").data
    np.testing.assert_array_equal(labels, pair.result.warp(pair.labels, "nearest"))
    # Onto the grid of another layer, the other way.
    dock.direction.setCurrentIndex(1)
    dock.things.list.clear()
    dock.things.add_layer(viewer.layers[2])
    dock.grid.choose(viewer.layers[1])
    dock.button.click()
    back = files.load(tmp_path / "out" / "fixed_back.nii.gz")
    assert back.shape == pair.labels.shape
    # A layer that leaves the window leaves the list.
    viewer.layers.remove("fixed")
    assert dock.things.things() == [] and not dock.button.isEnabled()


def test_what_is_asked_for(window, tmp_path, monkeypatch):
    """Points lie over the image that is chosen; DICOM results are folders and single files."""
    from napari_voxelmorph.gui.apply.asked import asked_for, result_in

    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    assert result_in(window.viewer) is None
    dock = apply_dock.ApplyDock(window.viewer)
    window.viewer.window.add_dock_widget(dock, name="Apply", area="right")
    dock.transform.set_path(str(tmp_path))
    dock.set_folder(str(tmp_path))
    spots = window.viewer.add_points(np.array([[3.0, 4.0], [5.0, 6.0]]), name="my points!")
    dock.things.add_layer(spots)
    (item,) = asked_for(dock, None).items
    assert item.out == tmp_path / "my_points__moved.csv"
    assert item.source.points.shape == (2, 2)
    window.dock.inputs.choose("moving", None)
    with pytest.raises(InputError, match="moving image must be chosen"):
        asked_for(dock, None)
    dock.things.list.clear()
    dock.dicom.setChecked(True)
    for name in ("t2.nii.gz", "seg.mgz", "p.csv"):
        (tmp_path / name).touch()
    dock.things.add_files([str(tmp_path / n) for n in ("t2.nii.gz", "seg.mgz", "p.csv")])
    dock.things.set_labels(1, True)
    items = asked_for(dock, None).items
    assert [i.out.name for i in items] == ["t2_moved", "seg_moved.dcm", "p_moved.csv"]
    assert [i.dicom for i in items] == [True, True, False]
    dock.things.add_files([str(tmp_path / "other" / "t2.nii.gz")])
    with pytest.raises(InputError, match="one name"):
        asked_for(dock, None)


def test_cancel_keeps_what_is_finished(dock, pair, qtbot, tmp_path, monkeypatch):
    from napari_voxelmorph.engine.apply import run

    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "0")
    files.save_session(pair.result, tmp_path / "session")
    dock.transform.set_path(str(tmp_path / "session"))
    dock.things.add_files(things_of(pair, tmp_path))
    dock.set_folder(str(tmp_path / "out"))
    entered, gate = threading.Event(), threading.Event()
    plain = run._one

    def held(registration, warp, item, way):
        yield from plain(registration, warp, item, way)
        entered.set()
        assert gate.wait(20)
        yield 1.0

    monkeypatch.setattr(run, "_one", held)
    dock.button.click()
    assert dock.button.text() == "Cancel" and not dock.bar.isHidden()
    qtbot.waitUntil(entered.is_set, timeout=20000)
    dock.button.click()
    assert dock.button.text() == "Cancelling…" and not dock.button.isEnabled()
    gate.set()
    qtbot.waitUntil(lambda: dock.message.kind == "warning", timeout=20000)
    assert dock.button.isEnabled() and dock.bar.isHidden()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["image_moved.nii.gz"]


def test_the_menu_of_what_can_be_saved(qtbot, pair, tmp_path, monkeypatch):
    """Every format by the filter of the file dialogue; the suffix is added when it is missing."""
    from qtpy.QtWidgets import QWidget

    from napari_voxelmorph.gui.files.file_jobs import save_as

    parent = QWidget()
    qtbot.addWidget(parent)
    menu = SaveMenu(parent)
    asked = []
    menu.asked.connect(lambda kind, path: asked.append((kind, path)))
    menu.show_outcome(None)
    assert not menu.entries["dicom"].isEnabled()

    def choose(start):
        def answer(parent, title, name, filters):
            kind = next((f for f in filters.split(";;") if f.startswith(start)), "")
            return str(tmp_path / f"saved_{len(asked)}"), kind

        monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)

    choose("FreeSurfer warp")
    menu.entries["transform"].trigger()
    choose("ITK composite")
    menu.entries["inverse"].trigger()
    choose("")
    menu.entries["session"].trigger()
    assert [kind for kind, _ in asked] == [
        "transform:freesurfer",
        "inverse:itk-composite",
        "session",
    ]
    assert asked[0][1].endswith(".mgz") and asked[1][1].endswith(".h5")
    for kind, path in asked:
        assert save_as(kind, pair.result, path)() == path
    points = pair.result.fixed.center + np.eye(3)
    np.testing.assert_allclose(
        load_transform(asked[0][1])(points), pair.result.fixed_to_moving(points), atol=0.05
    )
    assert files.load_session(asked[2][1]).fixed.shape == pair.result.fixed.shape


def test_the_register_dock_opens_it(window, monkeypatch):
    from napari_voxelmorph.gui.register import register_dock

    opened = []
    monkeypatch.setattr(register_dock, "open_apply", opened.append)
    assert not window.dock.result.apply.isEnabled()
    window.dock.result.apply_asked.emit()
    assert opened == [window.viewer]
    assert isinstance(window.dock, RegisterDock)
