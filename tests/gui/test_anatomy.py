"""Left is never right: letters, planes and cameras, against hand-written truths."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.views.anatomy import (
    PLANES,
    AnatomyView,
    camera_orientation,
    screen_letters,
)
from napari_voxelmorph.gui.views.display import layer_from_volume
from napari_voxelmorph.gui.views.views import PairView

AXIAL, CORONAL, SAGITTAL = (0, 1, 2), (1, 0, 2), (2, 0, 1)


@pytest.mark.parametrize(
    ("order", "convention", "letters"),  # left, right, top, bottom
    [
        (AXIAL, "radiological", "RLAP"),
        (AXIAL, "neurological", "LRAP"),
        (CORONAL, "radiological", "RLSI"),
        (CORONAL, "neurological", "LRSI"),
        (SAGITTAL, "radiological", "APSI"),
        (SAGITTAL, "neurological", "PASI"),
    ],
)
def test_letters_of_the_planes(order, convention, letters):
    found = screen_letters(order, camera_orientation(order, convention))
    assert "".join(found[s] for s in ("left", "right", "top", "bottom")) == letters


def test_letters_follow_a_camera_that_the_user_turned():
    assert screen_letters(AXIAL, ("away", "down", "right")) == {
        "top": "P", "bottom": "A", "left": "L", "right": "R",
    }  # fmt: skip


def test_no_letters_in_3d_or_across_foreign_axes():
    camera = camera_orientation(AXIAL, "radiological")
    assert screen_letters(AXIAL, camera, ndisplay=3) == {}
    assert screen_letters((1, 2, 0, 3), camera) == {}  # the fourth axis is someone's time
    assert screen_letters((0, 1), camera) == {}
    assert screen_letters((0, 1, 2, 3), camera)["left"] == "R"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("convention", ["radiological", "neurological"])
def test_the_head_is_never_mirrored_in_3d(order, convention):
    depth, vertical, horizontal = camera_orientation(order, convention)
    # Unit vectors of the screen (right, up, towards the viewer) for each displayed axis.
    screen = {
        order[0]: np.array([0, 0, 1 if depth == "towards" else -1]),
        order[1]: np.array([0, 1 if vertical == "up" else -1, 0]),
        order[2]: np.array([1 if horizontal == "right" else -1, 0, 0]),
    }
    superior, anterior, right = screen[0], screen[1], screen[2]
    np.testing.assert_array_equal(np.cross(right, anterior), superior)  # RAS is right-handed


def model_with(volume: Volume) -> tuple[ViewerModel, AnatomyView]:
    model = ViewerModel()
    data, kwargs, _ = layer_from_volume(volume)
    model.add_layer(Image(data, **kwargs))
    view = AnatomyView(model)
    view.start(volume.oriented, volume.ndim)
    return model, view


def shown_letters(model: ViewerModel) -> dict[str, str]:
    return {key.removeprefix("voxelmorph_"): overlay.text
            for key, overlay in model.canvas.overlays.items()
            if key.startswith("voxelmorph_") and overlay.visible}  # fmt: skip


def test_the_canvas_follows_plane_convention_and_camera():
    model, view = model_with(Volume(np.zeros((4, 5, 6)), np.eye(4)))
    assert shown_letters(model) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    for plane in PLANES:
        view.set_plane(plane)
        assert view.plane == plane
    assert shown_letters(model)["left"] == "A"
    view.set_convention("neurological")
    assert shown_letters(model)["left"] == "P"
    model.scene.camera.orientation2d = ("down", "left")
    assert shown_letters(model) == {"left": "A", "right": "P", "top": "I", "bottom": "S"}
    model.dims.ndisplay = 3
    assert shown_letters(model) == {}
    assert model.canvas.overlays.scale_bar.visible


def test_a_convention_turns_the_camera_and_nothing_else():
    data = np.arange(120.0).reshape(4, 5, 6)
    model, view = model_with(Volume(data, np.eye(4)))
    before = np.array(model.layers[0].data)
    view.set_convention("neurological")
    np.testing.assert_array_equal(model.layers[0].data, before)
    assert str(model.scene.camera.orientation[2]) == "right"


def test_nothing_is_claimed_of_a_scan_without_orientation():
    model = ViewerModel()
    orientation = model.scene.camera.orientation
    for shape in ((4, 5, 6), (4, 5)):
        model, view = model_with(Volume(np.zeros(shape), oriented=False))
        assert shown_letters(model) == {}
        assert model.scene.camera.orientation == orientation
        view.set_plane("coronal")


def test_the_screen_s_left_end_is_known_for_the_swipe():
    _, view = model_with(Volume(np.zeros((4, 5, 6)), np.eye(4)))
    assert view.screen_left == (2, "end")  # radiological: the right of the patient
    view.set_convention("neurological")
    assert view.screen_left == (2, "start")
    view.set_plane("sagittal")
    assert view.screen_left == (1, "start")


def test_stop_leaves_the_viewer_as_it_was():
    model = ViewerModel()
    orientation, bar = model.scene.camera.orientation, model.canvas.overlays.scale_bar.visible
    model.add_layer(Image(np.zeros((4, 5, 6))))
    view = AnatomyView(model)
    view.start(True, 3)
    view.stop()
    view.stop()
    assert model.scene.camera.orientation == orientation
    assert model.canvas.overlays.scale_bar.visible == bar
    assert shown_letters(model) == {}
    model.dims.order = (1, 0, 2)
    assert model.scene.camera.orientation == orientation


def test_scans_are_upright_before_there_is_a_pair():
    model = ViewerModel()
    orientation = model.scene.camera.orientation
    view = PairView(model)
    data, kwargs, _ = layer_from_volume(Volume(np.zeros((4, 5, 6)), np.eye(4)))
    model.add_layer(Image(data, **kwargs))
    assert shown_letters(model)["left"] == "R"
    foreign = Image(np.zeros((4, 5, 6)))
    model.add_layer(foreign)  # nobody knows where its left is
    assert shown_letters(model) == {}
    assert model.scene.camera.orientation == orientation
    model.layers.remove(foreign)
    assert shown_letters(model)["left"] == "R"
    model.layers.clear()
    assert shown_letters(model) == {}
    assert not view.has_pair


def test_left_structures_of_a_real_brain_are_on_the_left(data_dir):
    import nibabel

    with (data_dir / "oasis_brains" / "label_names.csv").open() as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    sides = {}
    for row in rows:
        text = " ".join(row)
        number = next((int(c) for c in row if c.isdigit()), None)
        for side in ("Left", "Right"):
            if number is not None and side in text and "Hippocampus" in text:
                sides[side] = number
    assert set(sides) == {"Left", "Right"}, rows[:3]
    scan = nibabel.load(data_dir / "oasis_brains" / "1000_labels.nii.gz")
    volume = Volume(np.asarray(scan.dataobj), scan.affine, "labels")
    data, _, _ = layer_from_volume(volume)
    middle = {side: np.argwhere(data == n).mean(axis=0)[2] for side, n in sides.items()}
    assert middle["Right"] > middle["Left"]  # the third displayed axis points to the right
