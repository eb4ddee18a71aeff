"""λ, its source and its pins come along with a session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.files import open_session
from napari_voxelmorph.gui.lambda_strip import tuner as tuner_module
from napari_voxelmorph.gui.lambda_strip.strip import LambdaStrip

from .test_lambda_strip import FakeLambdaJobs, outcome_of


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = FakeLambdaJobs()
    monkeypatch.setattr(tuner_module, "LambdaJobs", lambda: made)
    monkeypatch.setattr("napari_voxelmorph.gui.register.register_dock.open_strip", lambda v: None)
    return made


def strip_of(dock: Any) -> LambdaStrip:
    strip = LambdaStrip(dock.viewer)
    dock.viewer.window.add_dock_widget(strip, name="λ", area="bottom")
    return strip


def test_lambda_and_pins_are_where_they_were(
    empty_window, fake, make_napari_viewer, qtbot, tmp_path
):
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    dock, strip = empty_window.dock, strip_of(empty_window.dock)
    base = outcome_of(labels=True)
    dock.runner.take_up(base)
    tuner, showing = strip.tuner, strip.showing
    qtbot.waitUntil(lambda: tuner.knots is not None and not tuner.sweeping)
    tuner.choose_source(1)
    for name, value in (("A", 0.25), ("B", 0.75)):
        showing.set_value(value)
        qtbot.waitUntil(lambda: showing.state == "exact" and not showing.measuring)
        showing.pin(name)
    folder = tmp_path / "session"
    dock.runner.save("session", str(folder))
    qtbot.waitUntil(lambda: dock.message.kind == "done")
    kept = open_session(folder)
    assert kept.others.keys() == {"untuned", "A", "B"} and kept.problems == ()
    np.testing.assert_array_equal(kept.others["untuned"].field.data, base.registration.field.data)

    viewer = make_napari_viewer()
    second = RegisterDock(viewer)
    viewer.window.add_dock_widget(second, name="Register", area="right")
    second.opening.open_session(str(folder))
    qtbot.waitUntil(lambda: second.runner.history.present is not None)
    # The strip may be opened later: it finds what belongs to it.
    again = strip_of(second)
    qtbot.waitUntil(lambda: again.showing.pins.keys() == {"A", "B"})
    assert again.tuner.source.name == "another"
    assert (again.showing.value, again.showing.state) == (0.75, "exact")
    assert [again.showing.pins[n].value for n in "AB"] == [0.25, 0.75]
    for name in "AB":
        now, then = again.showing.pins[name].result, showing.pins[name].result
        np.testing.assert_array_equal(now.field.data, then.field.data)
        assert now.fixed is second.pair_view.registration.fixed
    np.testing.assert_array_equal(
        again.tuner.base.registration.field.data, base.registration.field.data
    )
    # What is pinned can be held up, exactly; and all of it is saved once more.
    again.showing.hold(True)
    shown = second.pair_view.layers.scene.registration
    assert shown is again.showing.pins["A"].result
    again.showing.hold(False)
    second.runner.save("session", str(tmp_path / "again"))
    qtbot.waitUntil(lambda: second.message.kind == "done")
    assert open_session(tmp_path / "again").window.tuned == kept.window.tuned
    assert second.engine.close(60)


def test_a_source_that_is_gone_is_told(empty_window, fake, qtbot, tmp_path):
    dock, strip = empty_window.dock, strip_of(empty_window.dock)
    dock.runner.take_up(outcome_of())
    qtbot.waitUntil(lambda: strip.tuner.knots is not None and not strip.tuner.sweeping)
    strip.showing.pin("A")
    dock.runner.save("session", str(tmp_path / "session"))
    qtbot.waitUntil(lambda: dock.message.kind == "done")
    fake.source.name = fake.other.name = "renamed since"
    before = dock.runner.history.present
    dock.opening.open_session(str(tmp_path / "session"))
    qtbot.waitUntil(lambda: dock.runner.history.present is not before)
    qtbot.waitUntil(lambda: "not here now" in strip.row.words.text())
    assert strip.showing.pins == {}
