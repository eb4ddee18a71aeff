"""What the window says to images that cannot be registered; nothing is lost, nothing pops up."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.gui.register.register_dock import RegisterDock

RNG = np.random.default_rng(0)
GOOD = RNG.random((12, 14, 10)).astype(np.float32)


@pytest.fixture
def dock(make_napari_viewer, monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    monkeypatch.setattr(
        "napari_voxelmorph.gui.register.jobs.RegistrationJobs.warm_up", lambda self: ["cpu"]
    )
    viewer = make_napari_viewer()
    dock = RegisterDock(viewer)
    viewer.window.add_dock_widget(dock, name="Register", area="right")
    return dock


def choose(dock, moving, **companions):
    viewer = dock.viewer
    dock.inputs.choose("fixed", viewer.add_image(GOOD, name="good"))
    dock.inputs.choose("moving", viewer.add_image(moving, name="bad"))
    for role, data in companions.items():
        dock.inputs.choose(role, viewer.add_labels(data, name=role))
    dock.runner.check()


NOWHERE = np.full(GOOD.shape, np.nan, np.float32)


@pytest.mark.parametrize(
    "moving, says",
    [
        (np.ones_like(GOOD), "constant"),
        (np.zeros((12, 14, 10), np.uint8), "constant"),
        (NOWHERE, "no finite value"),
        (GOOD[:, :, :1], "axis of one voxel"),
    ],
)
def test_the_reason_is_in_the_window_and_the_button_waits(dock, moving, says):
    choose(dock, moving)
    assert dock.inputs.message.kind == "error"
    assert says in dock.inputs.message.text.text()
    assert "bad" in dock.inputs.message.text.text()
    assert not dock.controls.button.isEnabled()


def test_a_slice_and_a_volume_are_not_shown_together(dock, qtbot, tmp_path):
    import nibabel

    for name, data in (("volume", GOOD), ("slice", GOOD[:, :, 0])):
        nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii.gz")
    dock.opening.open_pair([str(tmp_path / "slice.nii.gz"), str(tmp_path / "volume.nii.gz")])
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2)
    qtbot.waitUntil(lambda: not dock.runner.drawing)
    assert dock.message.kind != "error"
    assert not dock.inputs.show_both.isEnabled()
    assert dock.controls.button.text() == "Moving is 2-D, fixed is 3-D"


def test_a_segmentation_of_another_grid_is_named(dock):
    choose(dock, GOOD[::-1].copy(), moving_labels=np.ones((3, 4, 5), np.int32))
    assert "moving_labels" in dock.inputs.message.text.text()
    dock.inputs.choose("moving_labels", None)
    dock.runner.check()
    assert dock.controls.button.isEnabled()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64])
def test_any_kind_of_number_will_do(dock, dtype):
    moving = (RNG.random(GOOD.shape) * 3).astype(np.int8).astype(dtype)
    choose(dock, moving)
    assert dock.inputs.message.kind != "error"
    assert dock.controls.button.isEnabled()
    assert "GB" in dock.method.needs.text()


def test_a_little_nan_is_a_warning(dock):
    moving = GOOD.copy()
    moving[0, 0, 0] = np.nan
    choose(dock, moving)
    assert dock.inputs.message.kind == "warning"
    assert "NaN" in dock.inputs.message.text.text()


def test_bad_iterations_stop_the_button(dock):
    choose(dock, GOOD[::-1].copy())
    dock.method.form.fields["iterations"].widget.setText("many")
    dock.runner.check()
    assert "terations" in dock.inputs.message.text.text()
    assert not dock.controls.button.isEnabled()
