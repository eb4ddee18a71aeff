"""The report: planes lie as radiologists expect, pictures show what they should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError, OutputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.report.findings import find
from napari_voxelmorph.engine.report.panels import Panels, window_of
from napari_voxelmorph.engine.report.picture import draw_report, save_report
from napari_voxelmorph.engine.report.planes import planes_of
from napari_voxelmorph.engine.report.summary import summarize
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.synthesis.phantom import PhantomPair

FLIPS = [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)]
ORDERS = [(0, 1, 2), (2, 0, 1), (1, 2, 0)]


def truth_of(pair: PhantomPair) -> Registration:
    """The registration that would be perfect."""
    field = Field(
        pair.truth.displacement(pair.fixed),
        np.ones(pair.fixed.ndim),
        np.zeros(pair.fixed.ndim),
        "displacement",
    )
    return Registration(pair.fixed, pair.moving, pair.truth.affine, field)


def marked_volume(order: tuple[int, ...], signs: tuple[int, ...]) -> Volume:
    """A block that is brightest at its right, front and upper corner, on any axes."""
    x, y, z = np.meshgrid(np.arange(20), np.arange(24), np.arange(28), indexing="ij")
    data = (100 + x + 2 * y + 3 * z).astype(np.float32)
    affine = np.eye(4)
    for axis, sign in enumerate(signs):
        if sign < 0:
            data = np.flip(data, axis)
            affine[axis, axis], affine[axis, 3] = -1, data.shape[axis] - 1
    columns = [*order, 3]
    return Volume(np.ascontiguousarray(data.transpose(order)), affine[:, columns])


@pytest.mark.parametrize("signs", FLIPS)
@pytest.mark.parametrize("order", ORDERS)
def test_right_is_on_the_left_of_the_page(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    volume = marked_volume(order, signs)
    axial, coronal, sagittal = planes_of(volume)
    assert [p.name for p in (axial, coronal, sagittal)] == ["Axial", "Coronal", "Sagittal"]
    for plane, edges in ((axial, "RLAP"), (coronal, "RLSI"), (sagittal, "APSI")):
        picture = plane.lay(volume.data[plane.index])
        assert "".join(plane.edges) == edges
        # Brightness grows to the right side, the front and the top of the patient.
        assert picture[0, 0] > picture[0, -1]
        assert picture[0, 0] > picture[-1, 0]


def test_jacobian_and_grid_of_a_known_scaling() -> None:
    data = np.random.default_rng(0).random((24, 24, 24)).astype(np.float32)
    volume = Volume(data)
    grid = np.indices(data.shape).astype(np.float32)
    field = Field(0.25 * (grid - 10), np.ones(3), np.zeros(3), "displacement")
    result = Registration(volume, volume, np.eye(4), field)
    panel = Panels(result, planes_of(volume)[0], ((0, 1), (0, 1)))
    assert panel.jacobian_values == pytest.approx(1.25**3, abs=1e-4)
    # Lines 5 mm apart on the moving side are 4 mm apart on the fixed side.
    lines = np.flatnonzero((panel.grid(5.0)[..., 0] > 0.8).all(axis=0))
    assert set(np.diff(lines)) == {4}


def test_folding_is_yellow() -> None:
    volume = Volume(np.full((16, 16), 0.5, np.float32))
    u = np.zeros((2, 16, 16), np.float32)
    u[0, 7], u[0, 8] = 2, -2
    result = Registration(
        volume, volume, np.eye(3), Field(u, np.ones(2), np.zeros(2), "displacement")
    )
    panel = Panels(result, planes_of(volume)[0], ((0, 1), (0, 1)))
    picture = panel.jacobian()
    folded = panel.jacobian_values <= 0
    assert folded.any() and not folded.all()
    assert np.allclose(picture[folded], (1, 0.9, 0))


@pytest.mark.parametrize("name", ["pair_2d", "pair_3d"])
def test_overlay_is_grey_where_images_agree(name: str, request: pytest.FixtureRequest) -> None:
    pair: PhantomPair = request.getfixturevalue(name)
    result = truth_of(pair)
    windows = (window_of(pair.fixed.data), window_of(pair.moving.data))
    panel = Panels(result, planes_of(pair.fixed)[0], windows)
    before, after = panel.before(), panel.after()
    # Red and blue are fixed, green is moved.
    assert np.array_equal(after[..., 0], after[..., 2])
    colourful = [np.abs(p[..., 0] - p[..., 1]).mean() for p in (before, after)]
    assert colourful[1] < 0.6 * colourful[0]


@pytest.mark.parametrize("name", ["pair_2d", "pair_3d"])
@pytest.mark.parametrize("affine_only", [False, True])
def test_page_and_summary(
    name: str, affine_only: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pair: PhantomPair = request.getfixturevalue(name)
    result = truth_of(pair)
    if affine_only:
        result = Registration(pair.fixed, pair.moving, pair.truth.affine)
    labels = (pair.moving_labels, pair.fixed_labels)
    found = find(result, labels, (pair.moving_landmarks, pair.fixed_landmarks))
    assert found.dice is not None and found.landmark_error_mm is not None
    assert found.dice.after > found.dice.before
    assert found.landmark_error_mm.after < found.landmark_error_mm.before
    if not affine_only:
        assert found.landmark_error_mm.after < 0.5
    page = np.asarray(draw_report(result, found))
    assert page.shape[1] > 1200 and page.std() > 40
    text = json.dumps(summarize(result, found, {"moved": "moved.nii.gz"}), allow_nan=False)
    assert json.loads(text)["findings"]["dice"]["after"] == pytest.approx(found.dice.after)
    save_report(result, tmp_path / "report.png", found)
    with pytest.raises(OutputError, match="does not exist"):
        save_report(result, tmp_path / "no such folder" / "report.png")


def test_landmarks_come_in_pairs(pair_2d: PhantomPair) -> None:
    with pytest.raises(InputError, match="in pairs"):
        find(truth_of(pair_2d), None, (pair_2d.moving_landmarks[1:], pair_2d.fixed_landmarks))
