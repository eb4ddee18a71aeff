"""Landmark pairs: clicked in turn, measured against the definition, undone, saved."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.gui.landmarks.pairs import Landmarks
from napari_voxelmorph.gui.register.jobs import Outcome, Pair


@pytest.fixture
def docks(
    make_napari_viewer: Any, jobs: Any, make_deformed_pair: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A window with a deformed pair on show, and the Landmarks dock."""
    from napari_voxelmorph.gui.landmarks.landmarks_dock import LandmarksDock
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    monkeypatch.setattr("napari_voxelmorph.gui.register.register_dock.open_strip", lambda v: None)
    viewer = make_napari_viewer()
    register, dock = RegisterDock(viewer), LandmarksDock(viewer)
    viewer.window.add_dock_widget(register, name="Register", area="right")
    viewer.window.add_dock_widget(dock, name="Landmarks", area="right")
    return SimpleNamespace(viewer=viewer, register=register, dock=dock, make=make_deformed_pair)


def show(docks: Any, code: str = "LPI") -> Any:
    made = docks.make(3, code)
    pair = Pair(made.moving, made.fixed)
    docks.register.runner.take_up(Outcome(made.result, pair, np.eye(4)))
    return made


def canvas_of(made: Any, voxel: Any) -> Any:
    """Where a fixed voxel is drawn."""
    from napari_voxelmorph.gui.views.display_grid import DisplayGrid, transform_points

    world = made.fixed.affine[:3, :3] @ voxel + made.fixed.affine[:3, 3]
    return transform_points(np.linalg.inv(DisplayGrid.of(made.fixed).canvas_to_world), world)[0]


def test_without_a_pair_it_says_so(docks):
    dock = docks.dock
    assert "Register dock" in dock.words.text() and not dock.place.isEnabled()
    docks.dock.placing.click((0.0, 0.0, 0.0))
    assert dock.table.rowCount() == 0


@pytest.mark.parametrize("code", ["RAS", "LPI", "SRA"])
def test_clicks_become_pairs_with_the_right_error(docks, code):
    made = show(docks, code)
    dock = docks.dock
    dock.place.setChecked(True)
    assert "FIXED" in dock.words.text()
    first, second = np.array([4.0, 6.0, 5.0]), np.array([5.0, 6.0, 5.0])
    dock.placing.click(canvas_of(made, first))
    assert "MOVED" in dock.words.text() and dock.table.item(0, 1).text() == "…"
    dock.placing.click(canvas_of(made, second))
    assert "FIXED" in dock.words.text() and "1 pair" in dock.summary.text()
    fixed, moving, _ = dock.landmarks.complete()
    world = [made.fixed.affine[:3, :3] @ v + made.fixed.affine[:3, 3] for v in (first, second)]
    np.testing.assert_allclose(fixed[0], world[0], atol=1e-6)
    # What is clicked on the moved image lies where the transform takes it in the moving scan.
    np.testing.assert_allclose(moving[0], made.result.fixed_to_moving(world[1][None])[0], atol=1e-6)
    found = dock.errors()
    before, after = found.before, found.after
    assert found.predicted is None and dock.table.item(0, 3).text() == "–"
    assert "Estimate spread" in dock.summary.text()
    assert before[0] == pytest.approx(np.linalg.norm(world[0] - moving[0]))
    mapped = made.result.fixed_to_moving(world[0][None])[0]
    assert after[0] == pytest.approx(np.linalg.norm(mapped - moving[0]))
    assert dock.table.item(0, 2).text() == f"{after[0]:.2f}"
    layer = docks.viewer.layers["landmark pairs"]
    drawn = [layer.data_to_world(point) for point in layer.data]
    np.testing.assert_allclose(drawn[0], canvas_of(made, first), atol=1e-3)
    back = np.linalg.inv(made.fixed.affine)
    at = made.result.moving_to_fixed(moving)[0]
    voxel = back[:3, :3] @ at + back[:3, 3]
    np.testing.assert_allclose(drawn[1], canvas_of(made, voxel), atol=1e-3)


def test_undo_remove_and_another_pair(docks):
    made = show(docks)
    dock = docks.dock
    dock.place.setChecked(True)
    for n in range(5):
        dock.placing.click(canvas_of(made, np.array([3.0 + n, 5.0, 5.0])))
    assert dock.table.rowCount() == 3 and dock.landmarks.waiting
    dock.undo.click()
    dock.undo.click()
    assert dock.table.rowCount() == 2 and dock.landmarks.waiting
    dock.placing.click(canvas_of(made, np.array([6.0, 6.0, 6.0])))
    dock.table.selectRow(0)
    dock.remove.click()
    assert [item.name for item in dock.landmarks.items] == ["2"]
    dock.placing.click(canvas_of(made, np.array([6.0, 6.0, 6.0])))
    assert [item.name for item in dock.landmarks.items] == ["2", "1"]
    dock._fly(0)
    show(docks, "RAS")  # another pair: these points mean nothing there
    assert dock.table.rowCount() == 0 and "landmark pairs" not in docks.viewer.layers


def test_the_points_stay_when_the_register_dock_goes(docks):
    made = show(docks)
    docks.dock.placing.click(canvas_of(made, np.array([4.0, 5.0, 5.0])))
    docks.dock.present.set(view=None, outcome=None)
    assert "landmark pairs" in docks.viewer.layers and docks.dock.table.rowCount() == 0
    assert "Register dock" in docks.dock.words.text()
    docks.dock.present.set(view=docks.register.pair_view)


def test_drags_place_nothing_and_switching_off_leaves_clicks_alone(docks):
    made = show(docks)
    dock = docks.dock
    dock.place.setChecked(True)
    where = canvas_of(made, np.array([4.0, 5.0, 5.0]))
    for path in ([(0, 0), (30, 0)], [(0, 0), (1, 1)]):
        event = SimpleNamespace(type="mouse_press", pos=path[0], position=where)
        steps = dock.placing._clicked(docks.viewer, event)
        next(steps)
        event.type, event.pos = "mouse_move", path[1]
        next(steps)
        event.type = "mouse_release"
        with pytest.raises(StopIteration):
            next(steps)
    assert dock.table.rowCount() == 1  # of the click, which shook by a pixel
    dock.place.setChecked(False)
    assert dock.placing._clicked not in docks.viewer.mouse_drag_callbacks


def test_pairs_are_saved_and_opened_again(docks, tmp_path: Path):
    made = show(docks)
    dock = docks.dock
    for n in range(4):
        dock.placing.click(canvas_of(made, np.array([3.0 + n, 5.0, 5.0])))
    before = dock.landmarks.complete()
    dock.write(str(tmp_path / "marks.csv"))
    assert dock.message.kind == "done"
    dock.landmarks.remove([0, 1])
    dock.open(str(tmp_path / "marks_fixed.csv"), str(tmp_path / "marks_moving.csv"))
    after = dock.landmarks.complete()
    np.testing.assert_allclose(after[0], before[0], atol=1e-3)
    np.testing.assert_allclose(after[1], before[1], atol=1e-3)
    (tmp_path / "one.csv").write_text("name,x,y,z\na,1,2,3\n")
    dock.open(str(tmp_path / "one.csv"), str(tmp_path / "marks_moving.csv"))
    assert dock.message.kind == "error" and len(dock.landmarks.items) == 2


def test_a_pair_that_waits_is_not_measured():
    landmarks = Landmarks()
    assert landmarks.complete()[0].shape == (0, 3) and not landmarks.waiting
    landmarks.undo()
    landmarks.place(np.zeros(2), np.ones(2))
    assert landmarks.waiting and len(landmarks.complete()[2]) == 0
    landmarks.place(np.zeros(2), np.ones(2))
    np.testing.assert_array_equal(landmarks.complete()[1], [[1, 1]])


# What the spread predicts -----------------------------------------------------------------------


def spread_of(made: Any, covariance: Any) -> Any:
    """The same covariance (mm², world axes) everywhere."""
    from napari_voxelmorph.engine.uncertainty.spread import PAIRS, Spread

    field = made.result.field
    numbers = np.array([covariance[i][j] for i, j in PAIRS], np.float32)
    grid = np.broadcast_to(numbers.reshape(6, 1, 1, 1), (6, *field.data.shape[1:])).copy()
    return Spread(grid, field.scale, field.offset, "samples", 16)


@pytest.mark.parametrize("code", ["RAS", "SRA"])
def test_the_spread_is_told_beside_each_distance(docks, code):
    """Against the definition: √(trace / 3), √(λ χ²₃(.95)), and Mahalanobis distances."""
    from scipy.stats import chi2

    made = show(docks, code)
    dock = docks.dock
    truth = np.array([[4.0, 1.0, 0], [1.0, 2.0, 0], [0, 0, 0.25]])
    docks.register.pair_view.spreads.put(made.result, spread_of(made, truth))
    fixed = np.array([[4.0, 6.0, 5.0], [5.0, 9.0, 6.0], [7.0, 7.0, 4.0]])
    fixed = fixed @ made.fixed.affine[:3, :3].T + made.fixed.affine[:3, 3]
    away = np.array([[3.0, 1.0, 0.2], [0.0, 0.0, 2.5], [0.0, 0.0, 0.0]])
    linear = made.result.affine[:3, :3]
    dock.landmarks.set(fixed, made.result.fixed_to_moving(fixed) + away @ linear.T, ["a", "b", "c"])
    dock.refresh()
    predicted = dock.errors().predicted
    np.testing.assert_allclose(predicted.deviation, np.sqrt(6.25 / 3), rtol=1e-5)
    limit = chi2.ppf(0.95, 3)
    radii = np.sqrt(np.linalg.eigvalsh(truth)[::-1] * limit)
    np.testing.assert_allclose(predicted.radii, np.tile(radii, (3, 1)), rtol=1e-4)
    squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(truth), away)
    np.testing.assert_array_equal(predicted.within, squares <= limit)
    assert predicted.within.tolist() == [True, False, True]
    assert [dock.table.item(n, 3).text() for n in range(3)] == ["1.44"] * 3
    assert "outside" in dock.table.item(1, 2).toolTip()
    assert "within" in dock.table.item(0, 2).toolTip()
    colors = [dock.table.item(n, 2).foreground().color().name() for n in range(3)]
    assert colors[1] != colors[0] == colors[2]
    assert "2 of 3 within" in dock.summary.text() and "Estimate" not in dock.summary.text()


# Used in the registration -------------------------------------------------------------------------


@pytest.fixture
def chosen(docks: Any) -> Any:
    """Two layers chosen in the Register dock, their pair on show, and two landmark pairs."""
    from napari.layers import Layer

    from napari_voxelmorph.gui.register.chosen_pair import chosen_pair
    from napari_voxelmorph.gui.views.display import layer_from_volume

    made = docks.make(3, "LPI")
    inputs = docks.register.inputs
    for role in ("moving", "fixed"):
        layer = docks.viewer.add_layer(Layer.create(*layer_from_volume(getattr(made, role))))
        inputs.choose(role, layer)
    pair = chosen_pair(inputs)
    from dataclasses import replace

    made.result = replace(made.result, fixed=pair.fixed, moving=pair.moving)
    docks.register.runner.take_up(Outcome(made.result, pair, np.eye(4)))
    for n in range(4):
        docks.dock.placing.click(canvas_of(made, np.array([3.0 + 2 * n, 5.0 + n, 5.0])))
    docks.made = made
    return docks


def test_pairs_are_used_by_the_next_run_and_both_docks_say_so(chosen):
    from napari_voxelmorph.gui.register.chosen_pair import chosen_pair

    dock, register = chosen.dock, chosen.register
    assert register.method.config().landmark_weight == 0
    assert "honest test" in dock.use_words.text() and not register.inputs.use_points.isChecked()
    dock.use.click()
    assert dock.use.isChecked() and register.inputs.use_points.isChecked()
    assert "2 pairs pull" in dock.use_words.text()
    assert register.method.config().landmark_weight == 1.0
    fixed, moving, _ = dock.landmarks.complete()
    pair = chosen_pair(register.inputs)
    np.testing.assert_allclose(pair.fixed_landmarks, fixed, atol=1e-4)
    np.testing.assert_allclose(pair.moving_landmarks, moving, atol=1e-4)
    # Another pair is passed on as it is placed, to the same two layers.
    layers = len(chosen.viewer.layers)
    for voxel in ([6.0, 7.0, 5.0], [6.0, 7.0, 6.0]):
        dock.placing.click(canvas_of(chosen.made, np.array(voxel)))
    assert len(chosen_pair(register.inputs).fixed_landmarks) == 3
    assert len(chosen.viewer.layers) == layers
    dock.use.click()
    assert register.method.config().landmark_weight == 0 and not dock.use.isChecked()
    assert chosen_pair(register.inputs).fixed_landmarks is None


def test_the_register_dock_may_have_the_last_word(chosen):
    dock, register = chosen.dock, chosen.register
    dock.use.click()
    register.inputs.use_points.click()
    assert not dock.use.isChecked() and "only measured" in dock.use_words.text()
    assert register.method.config().landmark_weight == 0
    register.method.form.fields["landmark_weight"].set(3.0)
    assert dock.use.isChecked() and register.inputs.use_points.isChecked()
    assert register.method.config().landmark_weight == 3.0


def test_the_pairs_outlive_the_run_that_they_take_part_in(chosen):
    """The pair is shown anew, with its landmarks, by volumes that are new and voxels that are not."""
    from dataclasses import replace

    from napari_voxelmorph.gui.register.chosen_pair import chosen_pair

    dock, register = chosen.dock, chosen.register
    dock.use.click()
    pair = chosen_pair(register.inputs)
    told = {"fixed": pair.fixed_landmarks.tolist(), "moving": pair.moving_landmarks.tolist()}
    result = replace(
        chosen.made.result, fixed=pair.fixed, moving=pair.moving, provenance={"landmarks": told}
    )
    register.runner.take_up(Outcome(result, pair, np.eye(4)))
    assert len(dock.landmarks.items) == 2 and dock.use.isChecked()
    assert "took part" in dock.summary.text() and "All of them" in dock.summary.text()
    for voxel in ([6.0, 7.0, 5.0], [6.0, 7.0, 6.0]):
        dock.placing.click(canvas_of(chosen.made, np.array(voxel)))
    assert "2 of them" in dock.summary.text()
    rows = [row.what for row in _rows(Outcome(result, pair, np.eye(4), landmarks=_stages()))]
    assert "Landmark distance (used)" in rows


def _rows(outcome: Any) -> Any:
    from napari_voxelmorph.gui.register.result_words import rows_of

    return rows_of(outcome)


def _stages() -> Any:
    from napari_voxelmorph.engine.report.findings import Stages

    return Stages(3.0, 2.0, 1.0)


def test_other_scans_in_the_register_dock_are_told(chosen):
    chosen.register.inputs.swap_roles()
    chosen.dock.use.click()
    assert not chosen.dock.use.isChecked() and "other scans" in chosen.dock.message.text.text()
    assert chosen.register.method.config().landmark_weight == 0


def test_nothing_to_use_is_said(docks):
    show(docks)
    dock = docks.dock
    assert not dock.use.isEnabled() and "whole pair" in dock.use_words.text()


def test_the_last_pair_removed_is_used_no_more(chosen):
    dock = chosen.dock
    dock.use.click()
    dock.table.selectAll()
    dock.remove.click()
    assert not dock.use.isChecked() and chosen.register.method.config().landmark_weight == 0
