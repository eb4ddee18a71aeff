"""What the window shows is saved with a session, and shown again however that is opened."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.files.session_window import Look
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.files import readers
from napari_voxelmorph.gui.register.jobs import Outcome, Pair, measured
from napari_voxelmorph.gui.register.session_parts import session_parts_of
from napari_voxelmorph.gui.views.window_view import seen

WAIT = 60


def outcome_of(made: Any) -> Outcome:
    """A result with all that can belong to a pair."""
    result = made.result
    ndim = result.ndim
    fixed_labels = result.fixed.with_data(
        result.warp(made.labels, "nearest"), kind="labels", name="fixed anatomy"
    )
    mask = Volume(result.fixed.data > 0.1, result.fixed.affine, name="mask")
    points = result.fixed.center + np.random.default_rng(3).normal(0, 3, (5, ndim))
    pair = Pair(
        result.moving, result.fixed, fixed_mask=mask, moving_labels=made.labels,
        fixed_labels=fixed_labels, moving_landmarks=result.fixed_to_moving(points),
        fixed_landmarks=points,
    )  # fmt: skip
    return measured(result, pair, np.eye(ndim + 1))


def arrange(dock: Any, ndim: int) -> None:
    """Nothing as it is at first."""
    view = dock.pair_view
    view.configure(grid_spacing=4.0, arrow_spacing=6.0, checker_size=11.0, swipe=0.25,
                   flicker_interval=900, unsure_above=2.5, hide_unsure=True)  # fmt: skip
    view.set_overlay("grid", True)
    view.set_overlay("fixed labels", True)
    view.set_overlay("landmarks", True)
    view.stack.get("fixed").contrast_limits = (0.2, 0.6)
    view.stack.get("moved").colormap = "yellow"
    view.fade(0.25)
    view.set_mode("swipe")
    if ndim == 3:
        view.set_convention("neurological")
        view.set_plane("sagittal")
    dims, camera = dock.viewer.dims, dock.viewer.scene.camera
    steps = [n // 3 for n in dims.nsteps]
    for axis, step in enumerate(steps):
        dims.set_current_step(axis, step)
    camera.zoom *= 1.75
    camera.center = tuple(c + 2.0 for c in camera.center)


@pytest.fixture(autouse=True)
def without_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The λ strip has tests of its own, and would compute fields here."""
    monkeypatch.setattr("napari_voxelmorph.gui.register.register_dock.open_strip", lambda v: None)


@pytest.fixture
def saved(empty_window: Any, make_deformed_pair: Any, qtbot: Any, tmp_path: Any) -> Any:
    """`save(ndim)` saves an arranged window; returns what was seen, and where."""

    def save(ndim: int = 3) -> Any:
        dock, folder = empty_window.dock, tmp_path / "result"
        outcome = outcome_of(make_deformed_pair(ndim, "LIA"))
        dock.runner.take_up(outcome)
        arrange(dock, ndim)
        state = seen(dock.pair_view)
        dock.runner.save("session", str(folder))
        qtbot.waitUntil(lambda: dock.message.kind == "done")
        return SimpleNamespace(folder=folder, state=state, outcome=outcome, dock=dock)

    return save


@pytest.fixture
def second(make_napari_viewer: Any, empty_window: Any) -> Any:
    """Another window with a Register dock, as after a new start."""
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    viewer = make_napari_viewer()
    dock = RegisterDock(viewer)
    viewer.window.add_dock_widget(dock, name="Register", area="right")
    yield dock
    assert dock.engine.close(WAIT)


def by_reader(dock: Any, folder: Any) -> None:
    """As napari does: File > Open Folder, and a folder that is dropped."""
    for data in readers.get_reader(str(folder))(str(folder)):
        dock.viewer.add_layer(Layer.create(*data))


def by_index(dock: Any, folder: Any) -> None:
    """The session.json itself is dropped."""
    by_reader(dock, folder / "session.json")


def by_button(dock: Any, folder: Any) -> None:
    """Open a session…"""
    dock.opening.open_session(str(folder))


def by_file_dialog(dock: Any, folder: Any) -> None:
    """Open… of the dock, where the session.json was chosen."""
    dock.opening.open_pair([str(folder / "session.json")])


def opened(qtbot: Any, dock: Any, folder: Any, how: Any = by_button) -> None:
    """Open a session in a window from which all else was taken away."""
    parts = session_parts_of(dock.viewer)
    before = parts.opened
    dock.viewer.layers.clear()
    dock.message.clear()
    how(dock, folder)
    qtbot.waitUntil(lambda: parts.opened is not before or dock.message.kind == "error")


def check_same(state: Any, dock: Any) -> None:
    """What is seen is what was saved; the camera as the canvas allows."""
    again = seen(dock.pair_view)
    assert replace(again, zoom=1, canvas=(0, 0)) == replace(
        state, zoom=1, canvas=(0, 0), center=again.center, angles=again.angles, point=again.point
    )
    np.testing.assert_allclose(again.center, state.center, atol=1e-3)
    np.testing.assert_allclose(again.angles, state.angles, atol=1e-3)
    # napari rounds to its steps, which begin where the first of all layers does.
    half = max(step for _, _, step in dock.viewer.dims.range) / 2
    np.testing.assert_allclose(again.point, state.point, atol=half + 1e-3)
    share = min(now / then for now, then in zip(again.canvas, state.canvas, strict=True))
    assert again.zoom == pytest.approx(state.zoom * share, rel=1e-3)


def test_the_window_is_as_it_was_however_it_is_opened(saved, second, qtbot):
    made = saved(3)
    assert made.state.looks["fixed"] == Look(1.0, 0.2, 0.6, 1.0, "magenta")
    assert made.state.looks["moved"].colormap == "yellow"
    history = second.runner.history
    for how in (by_reader, by_index, by_button, by_file_dialog):
        opened(qtbot, second, made.folder, how)
        check_same(made.state, second)
        inputs = {role for role in second.inputs.choices if second.inputs.layer(role) is not None}
        assert inputs == {"moving", "fixed", "fixed_mask", "moving_labels", "fixed_labels",
                          "moving_landmarks", "fixed_landmarks"}  # fmt: skip
        qtbot.waitUntil(lambda: history.present.dice is not None)
        then, now = made.outcome, history.present
        assert now.dice.after == pytest.approx(then.dice.after)
        assert now.dice.before == pytest.approx(then.dice.before)
        assert now.landmarks.after == pytest.approx(then.landmarks.after, abs=1e-4)
    # The closer look at the inputs a moment later finds the same pair, and leaves the view.
    qtbot.wait(300)
    qtbot.waitUntil(lambda: not second.engine.works_on("check"))
    check_same(made.state, second)
    assert second.message.kind == ""


def test_two_dimensions(saved, second, qtbot):
    made = saved(2)
    opened(qtbot, second, made.folder)
    check_same(made.state, second)


def test_other_modes_and_three_dimensions(saved, second, qtbot):
    made = saved(3)
    dock = made.dock
    for mode, ndisplay in (("flicker", 2), ("side by side", 2), ("overlay", 3)):
        dock.pair_view.set_mode(mode)
        dock.viewer.dims.ndisplay = ndisplay
        dock.viewer.scene.camera.angles = (10.0, 20.0, 30.0) if ndisplay == 3 else (0.0, 0.0, 90.0)
        dock.message.clear()
        dock.runner.save("session", str(made.folder))
        qtbot.waitUntil(lambda: dock.message.kind == "done")
        opened(qtbot, second, made.folder)
        again = second.pair_view
        assert (again.mode, second.viewer.dims.ndisplay) == (mode, ndisplay)
        angles = dock.viewer.scene.camera.angles
        np.testing.assert_allclose(second.viewer.scene.camera.angles, angles, atol=1e-6)
        again.set_mode("overlay")  # the colours of the user, not the grey of the mode
        assert again.stack.get("moved").colormap.name == "yellow"


def edit(folder: Any, change: Any) -> None:
    path = folder / "session.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    change(index)
    path.write_text(json.dumps(index), encoding="utf-8")


def test_sessions_of_other_versions_and_damaged_ones(saved, second, qtbot):
    made, text = saved(2), second.message.text
    files.save_session(files.load_session(made.folder), made.folder.with_name("old"))
    opened(qtbot, second, made.folder.with_name("old"))
    assert second.message.kind == "" and second.pair_view.mode == "overlay"

    def strange(index: Any) -> None:
        index["window"] |= {"mode": "hologram", "overlays": ["aura", "grid"], "convention": "odd"}
        index["window"]["settings"] |= {"grid_spacing": 1e6, "glow": 3.0}
        index["window"]["looks"]["fixed"]["colormap"] = "no such"

    edit(made.folder, strange)
    opened(qtbot, second, made.folder)
    view = second.pair_view
    assert view.mode == "overlay" and view.is_overlay_on("grid")
    assert view.settings.grid_spacing == 50 and second.message.kind == ""

    edit(made.folder, lambda index: index["window"].__setitem__("point", "nowhere"))
    opened(qtbot, second, made.folder)
    told = text.text().replace("\u200b", "")
    assert second.message.kind == "warning" and "could not be restored" in told and "point" in told
    assert second.inputs.layer("moving_labels") is not None

    edit(made.folder, lambda index: index.__setitem__("schema", 9))
    opened(qtbot, second, made.folder)
    assert "newer napari-voxelmorph" in text.text().replace("\u200b", "")
    assert len(second.viewer.layers) == 0


def test_saved_again_nothing_is_lost(saved, second, qtbot, tmp_path):
    """Also what belongs to docks that are not open."""
    made = saved(2)

    def change(index: Any) -> None:
        index["window"]["reviewed"] = {
            "reader": "me",
            "verdicts": [{"answer": "reject", "note": "n", "structure": 3, "time": ""}],
        }

    edit(made.folder, change)
    opened(qtbot, second, made.folder)
    second.runner.save("session", str(tmp_path / "again"))
    qtbot.waitUntil(lambda: second.message.kind == "done")
    first, again = (files.open_session(f) for f in (made.folder, tmp_path / "again"))
    assert again.companions.keys() == first.companions.keys()
    assert again.window.reviewed == first.window.reviewed is not None
