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
    before, after = dock.errors()
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
