"""4-D images in the window: one volume is chosen, by its number, for every role."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Layer

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.files.series import load_series
from napari_voxelmorph.gui.files import file_jobs, opening, readers
from napari_voxelmorph.gui.register.chosen_pair import as_placed, chosen_pair
from napari_voxelmorph.gui.register.register_dock import RegisterDock
from napari_voxelmorph.gui.views.display import volume_from_layer
from napari_voxelmorph.gui.views.series_layers import layer_from_series, one_of

RANDOM = np.random.default_rng(0)
SERIES = RANDOM.integers(0, 900, (12, 14, 10, 4)).astype(np.int16)
WAIT = 30_000  # ms: slow machines


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


@pytest.fixture
def path(tmp_path):
    """A series of four volumes, 1.5 s apart, stored left to right and back to front."""
    image = nibabel.Nifti1Image(SERIES, np.diag([-2.0, 2, 3, 1]))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 1500
    nibabel.save(image, tmp_path / "bold.nii.gz")
    return str(tmp_path / "bold.nii.gz")


def one_volume(dock, role):
    return getattr(chosen_pair(dock.inputs), role)


def test_a_volume_of_a_series_is_the_volume_of_the_file(path):
    layer = Layer.create(*layer_from_series(load_series(files.images.Path(path)), None))
    assert layer.data.shape == (4, 10, 14, 12) and layer.scale[0] == 1.5
    for index in range(4):
        again, expected = volume_from_layer(one_of(layer, index)), files.load(path, None, index)
        np.testing.assert_array_equal(again.data, expected.data)
        np.testing.assert_allclose(again.affine, expected.affine, atol=1e-6)
        assert again.oriented and again.name == f"bold [{index}]"


def test_a_dropped_series_is_one_layer_and_its_volume_is_chosen(dock, path, qtbot):
    (data, looks, kind), *more = readers.get_reader(path)(path)
    assert not more
    series = dock.viewer.add_layer(Layer.create(data, looks, kind))
    dock.viewer.add_layer(Layer.create(*readers.read(path)[0]))
    dock.inputs.choose("moving", series)
    dock.inputs.choose("fixed", dock.viewer.layers[1])
    choice = dock.inputs.choices["moving"]
    assert not choice.volume_row.isHidden()
    assert (choice.volume.value(), choice.volume.maximum()) == (0, 3)
    choice.volume.setValue(2)
    assert choice.volume_words.text() == "of 0 … 3 · t = 3 s"
    assert dock.viewer.dims.current_step[0] == 2
    np.testing.assert_array_equal(one_volume(dock, "moving").data, SERIES[..., 2])
    np.testing.assert_array_equal(one_volume(dock, "fixed").data, SERIES[..., 0])
    assert as_placed(dock.inputs) is None
    assert dock.inputs.facts["moving"].text().startswith("10 × 14 × 12 · 3 × 2 × 2 mm")
    dock.runner.check()
    assert dock.controls.button.isEnabled() and "GB" in dock.method.needs.text()
    dock.inputs.swap_roles()
    np.testing.assert_array_equal(one_volume(dock, "fixed").data, SERIES[..., 2])


def test_any_four_axes_masks_and_labels_too(dock, qtbot):
    viewer, data = dock.viewer, np.moveaxis(SERIES, -1, 0)
    image = viewer.add_image(data, name="series", scale=(1, 2, 2, 3), translate=(0, 5, 6, 7))
    labels = viewer.add_labels(data // 300, scale=(1, 2, 2, 3), translate=(0, 5, 6, 7))
    still = viewer.add_image(data[0].astype(np.float32), name="still")
    for role, layer in (("moving", image), ("fixed", still), ("moving_labels", labels),
                        ("moving_mask", labels)):  # fmt: skip
        dock.inputs.choose(role, layer)
    choices = dock.inputs.choices
    assert choices["fixed"].volume_row.isHidden()
    for index, role in enumerate(("moving", "moving_labels", "moving_mask")):
        assert not choices[role].volume_row.isHidden()
        choices[role].volume.setValue(index + 1)
    assert choices["moving"].volume_words.text() == "of 0 … 3"  # pixels are no time
    pair = chosen_pair(dock.inputs)
    np.testing.assert_array_equal(pair.moving.data, data[1])
    np.testing.assert_array_equal(pair.moving_labels.data, data[2] // 300)
    np.testing.assert_array_equal(pair.moving_mask.data, data[3] // 300)
    assert pair.moving.spacing == pytest.approx((2, 2, 3))
    np.testing.assert_allclose(pair.moving.affine[:3, 3], (5, 6, 7))
    dock.runner.check()
    assert dock.controls.button.isEnabled()
    # Another series has its own first volume; what is no series has no number.
    choices["moving"].choose(still)
    assert choices["moving"].volume_row.isHidden()


def test_two_volumes_of_one_series_are_registered(dock):
    layer = dock.viewer.add_image(np.moveaxis(SERIES, -1, 0), name="series")
    for role, index in (("fixed", 0), ("moving", 3)):
        dock.inputs.choose(role, layer)
        dock.inputs.choices[role].volume.setValue(index)
    dock.method.form.fields["iterations"].widget.setText("2,0")
    dock.runner.check()
    assert dock.controls.button.isEnabled()
    dock.runner.register()
    assert dock.message.kind != "error", dock.message.details
    outcome = dock.runner.history.present
    assert outcome.registration.moved.shape == (12, 14, 10)
    np.testing.assert_array_equal(outcome.pair.moving.data, SERIES[..., 3])


def test_a_series_is_opened_for_its_role(dock, path, tmp_path):
    files.save(files.load(path, "image", 1), tmp_path / "still.nii.gz")
    dock.opening.open_pair([path, str(tmp_path / "still.nii.gz")])
    assert dock.inputs.layer("moving").data.shape == (4, 10, 14, 12)
    assert dock.controls.button.isEnabled()
    assert dock.message.kind != "error", dock.message.details


@pytest.mark.parametrize("suffix", [".mgz", ".nrrd"])
def test_other_formats_open_as_a_series_too(dock, tmp_path, suffix):
    path = str(tmp_path / f"cine{suffix}")
    if suffix == ".mgz":
        nibabel.save(nibabel.MGHImage(SERIES, np.diag([-2.0, 2, 3, 1])), path)
    else:
        frames = [sitk.GetImageFromArray(SERIES[..., n].transpose()) for n in range(4)]
        sitk.WriteImage(sitk.JoinSeries(frames), path)
    dock.opening.open_pair([path])
    layer = dock.inputs.layer("moving")
    assert dock.message.kind != "error" and layer.data.shape[0] == 4
    dock.inputs.choices["moving"].volume.setValue(3)
    volume = volume_from_layer(dock.inputs.image("moving"))
    np.testing.assert_array_equal(volume.data, SERIES[..., 3])
    np.testing.assert_allclose(volume.affine, files.load(path, "image", 3).affine, atol=1e-6)


def test_too_large_a_file_is_offered_on_a_coarser_grid(dock, tmp_path, monkeypatch):
    """Told by the header; what is asked for is what is opened."""
    from napari_voxelmorph.engine import estimate

    data = RANDOM.integers(0, 900, (40, 36, 30)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "large.nii.gz")
    asked = []
    monkeypatch.setattr(opening, "ask_how", lambda parent, found: asked.append(found))
    monkeypatch.setattr(estimate, "free_memory", lambda device: 3.21e8)
    dock.opening.open_pair([str(tmp_path / "large.nii.gz")])
    assert len(dock.viewer.layers) == 0 and dock.message.kind != "error"
    (found,) = asked
    assert isinstance(found, file_jobs.TooLarge) and found.readable
    assert "GB" in found.sentence and "large" in found.sentence
    monkeypatch.setattr(opening, "ask_how", lambda parent, found: {"voxel_size": found.voxel_size})
    dock.opening.open_pair([str(tmp_path / "large.nii.gz")])
    (layer,) = dock.viewer.layers
    np.testing.assert_allclose(layer.scale, found.voxel_size)
    monkeypatch.setattr(opening, "ask_how", lambda parent, found: {"to_register": False})
    dock.opening.open_pair([str(tmp_path / "large.nii.gz")])
    assert dock.viewer.layers[1].data.shape == (30, 36, 40)


@pytest.mark.parametrize(
    "press, how", [("Open at 0.8 mm", {"voxel_size": 0.8}), ("Open as it is", {"to_register": False}),
                   ("Cancel", None)],
)  # fmt: skip
def test_the_question_has_three_answers(qtbot, dock, monkeypatch, press, how):
    from qtpy.QtWidgets import QMessageBox

    found = file_jobs.TooLarge("Too large.", 0.8, True)

    def answer(box):
        (button,) = (b for b in box.buttons() if b.text().replace("&", "") == press)
        box.setResult(0)
        button.click()
        monkeypatch.setattr(QMessageBox, "clickedButton", lambda self: button)

    monkeypatch.setattr(QMessageBox, "exec", answer)
    assert opening.ask_how(dock, found) == how
