"""The λ strip: what moves is a preview, what rests is exact, and nobody can trip it up."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.preview import Preview
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale
from napari_voxelmorph.engine.lambda_sweep.source import SweepStep
from napari_voxelmorph.engine.lambda_sweep.sources import Sources
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.lambda_strip import tuner as tuner_module
from napari_voxelmorph.gui.lambda_strip.jobs import LambdaJobs
from napari_voxelmorph.gui.lambda_strip.strip import LambdaStrip
from napari_voxelmorph.gui.register.jobs import Outcome, Pair


class KnownSource:
    """A shift of ``3 (1 - s)`` voxels along the first axis; every field waits at the gate."""

    kind, name, members, registered = "hypernetwork", "known", (), 0.5

    def __init__(self, ndim):
        self.scale, self.ndim = LambdaScale(), ndim
        self.gate = threading.Event()
        self.gate.set()
        self.asked = []

    def path(self, positions):
        return None

    def field(self, value):
        self.asked.append(value)
        yield SweepStep("known", 0.1)
        assert self.gate.wait(20), "the test never opened the gate"
        yield SweepStep("known", 0.9)
        data = np.zeros((self.ndim, *[8] * self.ndim), np.float32)
        data[0] = (1 - value) * np.linspace(0.3, 0.7, 8).reshape(-1, *[1] * (self.ndim - 1))
        return Field(data, np.full(self.ndim, 4.0), np.full(self.ndim, 1.5), "displacement")


class FakeLambdaJobs(LambdaJobs):
    """The real jobs on a known source."""

    def __init__(self):
        self.source, self.other, self.note = KnownSource(2), KnownSource(2), ""
        self.other.name = "another"
        self.measured = 0

    def sources(self, outcome):
        if outcome.registration.field is None:
            return Sources((), "nothing")
        return Sources((self.source, self.other), self.note)

    def measure(self, result, base):
        self.measured += 1
        return super().measure(result, base)


@pytest.fixture
def lambda_jobs(monkeypatch):
    fake = FakeLambdaJobs()
    monkeypatch.setattr(tuner_module, "LambdaJobs", lambda: fake)
    yield fake
    fake.source.gate.set()


def outcome_of(ndim=2, labels=False, seed=0):
    rng = np.random.default_rng(seed)
    shape = (30, 26, 22)[:ndim]
    images = [Volume(rng.random(shape, np.float32), name=n) for n in ("fixed", "moving")]
    ids = [Volume((v.data > 0.5).astype(np.uint8) + 3, kind="labels") for v in images]
    field = Field(
        rng.normal(0, 0.2, (ndim, *[5] * ndim)).astype(np.float32),
        np.full(ndim, 6.0), np.full(ndim, 2.5), "displacement",
    )  # fmt: skip
    result = Registration(*images, np.eye(ndim + 1), field, metrics={"similarity_after": 0.5,
                          "similarity_before": 0.1}, timings={"total": 1.0})  # fmt: skip
    named = dict(zip(("fixed_labels", "moving_labels"), ids, strict=True)) if labels else {}
    return Outcome(result, Pair(images[1], images[0], **named), np.eye(ndim + 1))


@pytest.fixture
def strip(empty_window, lambda_jobs, qtbot):
    """A strip in a window whose Register dock has no result yet."""
    widget = LambdaStrip(empty_window.viewer)
    empty_window.viewer.window.add_dock_widget(widget, name="λ", area="bottom")
    return SimpleNamespace(
        widget=widget, jobs=lambda_jobs, window=empty_window, runner=empty_window.dock.runner,
        view=empty_window.dock.pair_view, tuner=widget.tuner, showing=widget.showing,
    )  # fmt: skip


def give(strip, outcome):
    strip.runner.history.add(outcome)
    strip.runner._show_present(outcome.pair)


@pytest.fixture
def ready(strip, qtbot):
    """A strip with all knots of a 2-D pair with segmentations."""
    give(strip, outcome_of(labels=True))
    qtbot.waitUntil(
        lambda: strip.tuner.knots is not None and not strip.tuner.sweeping, timeout=20000
    )
    return strip


def shown(strip):
    return strip.view.layers.scene.registration


def exact(strip):
    return lambda: strip.showing.state == "exact" and not strip.showing.measuring


def test_empty_it_says_what_to_do(strip):
    assert strip.widget.pages.currentIndex() == 0
    assert "Register with a model that has λ" in strip.widget.empty.text()


def test_a_result_without_deformation_has_nothing_to_tune(strip, qtbot):
    outcome = outcome_of()
    outcome = Outcome(
        Registration(outcome.pair.fixed, outcome.pair.moving, np.eye(3)), outcome.pair, np.eye(3)
    )
    give(strip, outcome)
    qtbot.waitUntil(lambda: not strip.tuner.sweeping)
    assert strip.widget.pages.currentIndex() == 0
    assert "no deformation" in strip.widget.empty.text()


def test_it_begins_with_the_registered_result(ready):
    assert ready.widget.pages.currentIndex() == 1
    assert ready.showing.state == "registered" and ready.showing.value == 0.5
    assert shown(ready) is ready.runner.history.present.registration
    assert {c.name for c in ready.widget.slider.curves} == {"similarity", "folding", "mean Dice"}


def test_dragging_shows_previews_and_rest_the_exact_result(ready, qtbot):
    before = ready.runner.history.present
    layers = list(ready.window.viewer.layers)
    for position in (0.6, 0.61, 0.7):
        ready.widget.slider.dragged.emit(position)
        assert isinstance(shown(ready), Preview) and ready.showing.state == "preview"
        assert ready.runner.history.present is before  # what is saved stays exact
    assert list(ready.window.viewer.layers) == layers
    ready.widget.slider.released.emit()
    qtbot.waitUntil(exact(ready), timeout=20000)
    tuned = ready.runner.history.present
    assert shown(ready) is tuned.registration and not isinstance(shown(ready), Preview)
    told = tuned.registration.provenance["lambda"]
    assert told["value"] == ready.showing.value == pytest.approx(0.7)
    assert told["exact"] and told["chosen"] == "by hand"
    assert tuned.registration.metrics["similarity_after"] > 0
    assert tuned.dice is not None and ready.jobs.measured == 1


def test_the_preview_is_nearly_what_follows(ready, qtbot):
    ready.widget.slider.dragged.emit(0.83)
    nearly = shown(ready).displacement
    ready.showing.settle()
    qtbot.waitUntil(exact(ready), timeout=20000)
    np.testing.assert_allclose(nearly, shown(ready).displacement, atol=0.01)


def test_many_rests_are_one_step_of_undo(ready, qtbot):
    base = ready.runner.history.present
    for position in (0.2, 0.9):
        ready.widget.slider.dragged.emit(position)
        ready.showing.settle()
        qtbot.waitUntil(exact(ready), timeout=20000)
    ready.runner.undo()
    assert ready.runner.history.present is base
    assert ready.showing.state == "registered" and ready.showing.value == 0.5
    assert not ready.tuner.sweeping  # its knots are still there
    ready.runner.redo()
    assert ready.showing.state == "exact" and ready.showing.value == pytest.approx(0.9)


def test_an_old_exact_result_never_comes_late(ready, qtbot):
    ready.jobs.source.gate.clear()
    ready.widget.slider.dragged.emit(0.2)
    ready.showing.settle()
    qtbot.waitUntil(lambda: ready.jobs.source.asked[-1] == pytest.approx(0.2))
    ready.widget.slider.dragged.emit(0.8)
    ready.jobs.source.gate.set()
    ready.showing.settle()
    seen = []
    ready.showing.moved.connect(lambda: seen.append((ready.showing.state, ready.showing.value)))
    qtbot.waitUntil(exact(ready), timeout=20000)
    assert {value for state, value in seen if state == "exact"} == {0.8}
    assert ready.jobs.measured == 1


def test_rest_alone_is_enough(ready, qtbot):
    ready.widget.slider.dragged.emit(0.31)  # the mouse stays down
    qtbot.waitUntil(exact(ready), timeout=20000)


@pytest.mark.parametrize("text", ["1.4", "two"])
def test_a_value_that_cannot_be_is_refused_in_words(ready, text):
    ready.widget.row.value.setText(text)
    ready.widget.row.value.returnPressed.emit()
    assert ready.showing.value == 0.5 and ready.showing.state == "registered"
    assert (
        "0 to 1" in ready.widget.row.words.text() or "not a number" in ready.widget.row.words.text()
    )
    assert ready.widget.row.value.text() == "0.500"


def test_a_typed_value_is_taken_as_it_is(ready, qtbot):
    ready.widget.row.value.setText("0,337")
    ready.widget.row.value.returnPressed.emit()
    qtbot.waitUntil(exact(ready), timeout=20000)
    assert ready.runner.history.present.registration.provenance["lambda"]["value"] == 0.337


def test_keys(ready, qtbot):
    slider, showing = ready.widget.slider, ready.showing
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert showing.value == pytest.approx(0.51)
    QTest.keyClick(slider, Qt.Key.Key_Left)
    QTest.keyClick(slider, Qt.Key.Key_Left)
    assert showing.value == pytest.approx(0.49)
    places = [k.position for k in ready.tuner.knots.knots]
    QTest.keyClick(slider, Qt.Key.Key_PageUp)
    assert showing.position == min(p for p in places if p > 0.49)
    QTest.keyClick(slider, Qt.Key.Key_PageDown)
    assert showing.position == max(p for p in places if p < 0.5)
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert showing.value == 0
    QTest.keyClick(slider, Qt.Key.Key_Left)
    assert showing.value == 0


def test_the_mouse_takes_the_handle_wherever_it_is(ready, qtbot):
    slider = ready.widget.slider
    slider.resize(800, 120)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(400, 60))
    assert ready.showing.position == pytest.approx(0.5, abs=0.01)
    QTest.mouseMove(slider, QPoint(2000, 60))
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(2000, 60))
    assert ready.showing.state in ("preview", "computing", "exact")
    assert not slider.grab().isNull()


def test_pins_are_held_up_and_let_go(ready, qtbot):
    base = shown(ready)
    ready.showing.pin("A")
    ready.widget.slider.dragged.emit(0.9)
    ready.showing.settle()
    qtbot.waitUntil(exact(ready), timeout=20000)
    tuned = shown(ready)
    ready.widget.row.compare.pressed.emit()
    assert shown(ready) is base and ready.showing.held == "A"
    ready.widget.row.compare.released.emit()
    assert shown(ready) is tuned and not ready.view.layers.scene.coarse
    ready.showing.pin("B")
    assert ready.showing.other_pin() == "A"
    assert ready.runner.history.present.registration is tuned


def test_a_result_that_comes_while_a_pin_is_held_waits(ready, qtbot):
    base = shown(ready)
    ready.showing.pin("A")
    ready.jobs.source.gate.clear()
    ready.widget.slider.dragged.emit(0.9)
    ready.showing.settle()
    ready.showing.hold(True)
    ready.jobs.source.gate.set()
    qtbot.waitUntil(lambda: ready.showing._late is not None, timeout=20000)
    assert shown(ready) is base
    ready.showing.hold(False)
    qtbot.waitUntil(exact(ready), timeout=20000)
    assert ready.showing.value == pytest.approx(0.9)


def test_the_qa_dock_compares_the_pins(ready, qtbot):
    from napari_voxelmorph.gui.qa.qa_dock import QaDock

    dock = QaDock(ready.window.viewer)
    ready.window.viewer.window.add_dock_widget(dock, name="QA")
    ready.widget.slider.dragged.emit(0.7)
    ready.showing.pin("B")  # seen as a preview: its exact result is made for the table
    ready.showing.settle()
    qtbot.waitUntil(exact(ready), timeout=20000)
    ready.widget.slider.dragged.emit(0.2)
    ready.showing.settle()
    qtbot.waitUntil(exact(ready), timeout=20000)
    ready.showing.pin("A")
    found = lambda: dock.pins.comparison  # noqa: E731
    qtbot.waitUntil(lambda: found() is not None and found().other is not None, timeout=20000)
    assert "B (λ 0.7)" in found().help and "A (λ 0.2)" in found().help
    pair = ready.runner.history.present.pair
    moved = shown(ready).warp_labels(pair.moving_labels) == 3
    fixed = pair.fixed_labels.data == 3
    wanted = 2 * (moved & fixed).sum() / (moved.sum() + fixed.sum())
    assert found().base[3] == pytest.approx(wanted) and found().other[3] != found().base[3]
    # What the report tells of other λ.
    curves = ready.tuner.present.lambda_curves()
    assert curves.pins == pytest.approx({"A": 0.2, "B": 0.7})
    assert curves.chosen == pytest.approx(0.2)
    scores = [s for _, s in ready.tuner.scores]
    assert curves.similarity == tuple(s.similarity for s in scores)
    assert curves.mean_dice == pytest.approx([s.mean_dice for s in scores])
    # Another run: the pins are gone, and the comparison with them.
    ready.tuner.began.emit()
    assert found() is None


def test_the_best_overlap_is_suggested_and_said(ready, qtbot):
    scored = ready.tuner.scores
    best = max(scored, key=lambda s: s[1].mean_dice)
    ready.widget._on_suggest()
    assert ready.showing.position == pytest.approx(best[0])
    assert "Suggested" in ready.widget.row.words.text()
    qtbot.waitUntil(exact(ready), timeout=20000)
    told = ready.runner.history.present.registration.provenance["lambda"]
    assert told["chosen"].startswith("suggested: largest mean Dice")


def test_a_structure_can_be_chosen(ready):
    row = ready.widget.row
    assert [row.scopes.itemData(i) for i in range(row.scopes.count())] == ["whole", "box", 3, 4]
    row.scopes.setCurrentIndex(3)
    assert "Dice of structure 4" in {c.name for c in ready.widget.slider.curves}
    ready.widget._on_suggest()
    assert "structure 4" in row.words.text()


def test_structures_are_called_as_their_table_says(strip, qtbot, tmp_path):
    """The table lies with the segmentation's file; a structure that it lacks keeps its number."""
    (tmp_path / "moving.csv").write_text("id,name\n3,Left-Thalamus\n9,Pons\n", encoding="utf-8")
    outcome = outcome_of(labels=True)
    outcome.pair.moving_labels.header["path"] = str(tmp_path / "moving.nii.gz")
    give(strip, outcome)
    qtbot.waitUntil(
        lambda: strip.tuner.knots is not None and not strip.tuner.sweeping, timeout=20000
    )
    row = strip.widget.row
    texts = [row.scopes.itemText(i) for i in range(2, row.scopes.count())]
    assert texts == ["Left-Thalamus (3)", "structure 4"]
    row.scopes.setCurrentIndex(2)
    assert "Dice of Left-Thalamus (3)" in {c.name for c in strip.widget.slider.curves}
    strip.widget._on_suggest()
    assert "Dice of Left-Thalamus (3)" in row.words.text()


def test_a_table_that_cannot_be_read_is_none(tmp_path):
    from napari_voxelmorph.gui.lambda_strip.structure_names import names_beside

    outcome = outcome_of(labels=True)
    assert names_beside(outcome) == {} == names_beside(outcome_of())
    (tmp_path / "labels.csv").write_text("nothing of the kind\n", encoding="utf-8")
    outcome.pair.fixed_labels.header["path"] = str(tmp_path / "fixed.nii.gz")
    assert names_beside(outcome) == {}


def test_a_box_is_asked_for_and_then_looked_into(ready, qtbot):
    viewer = ready.window.viewer
    # napari's quickest way to draw shapes is compiled first.
    get_settings().experimental.triangulation_backend = "pure_python"
    ready.widget.row.scopes.setCurrentIndex(1)
    ready.widget._on_suggest()
    layer = viewer.layers["λ box"]
    assert layer.mode == "add_rectangle" and "Draw a rectangle" in ready.widget.row.words.text()
    layer.add_rectangles(np.array([[4, 5], [4, 18], [16, 18], [16, 5]]))
    ready.widget._on_suggest()
    qtbot.waitUntil(lambda: "in the box" in ready.widget.row.words.text(), timeout=20000)
    qtbot.waitUntil(exact(ready), timeout=20000)
    layer.data = []
    layer.add_rectangles(np.array([[200, 200], [200, 210], [220, 210], [220, 200]]))
    ready.widget._on_suggest()
    assert "outside" in ready.widget.row.words.text()


def test_another_source_is_another_sweep(ready, qtbot):
    ready.tuner.choose_source(1)
    assert ready.tuner.knots is None and ready.tuner.source is ready.jobs.other
    qtbot.waitUntil(lambda: not ready.tuner.sweeping, timeout=20000)
    assert len(ready.tuner.knots.knots) >= 13 and ready.jobs.other.asked


# Things that happen while λ moves ---------------------------------------------------------


def test_a_run_that_begins_stops_everything(ready, qtbot):
    ready.jobs.source.gate.clear()
    ready.widget.slider.dragged.emit(0.8)
    ready.showing.settle()
    ready.tuner.present.set(running=True)
    assert ready.widget.pages.currentIndex() == 0
    assert "running" in ready.widget.empty.text()
    ready.widget.slider.dragged.emit(0.3)  # the mouse is still down
    ready.jobs.source.gate.set()
    qtbot.wait(200)
    assert ready.showing.state == "none" and ready.jobs.measured == 0
    ready.tuner.present.set(running=False)
    assert ready.widget.pages.currentIndex() == 1
    assert not ready.tuner.sweeping and ready.showing.state == "registered"


@pytest.mark.parametrize("role", ["moved", "all"])
def test_a_layer_that_is_taken_away_while_it_moves(ready, qtbot, role):
    viewer = ready.window.viewer
    for step, position in enumerate(np.linspace(0.3, 0.9, 8)):
        ready.widget.slider.dragged.emit(float(position))
        if step == 3:
            for name, layer in ready.view.stack:
                if role in (name, "all"):
                    viewer.layers.remove(layer)
    ready.widget.slider.released.emit()
    qtbot.waitUntil(exact(ready), timeout=20000)
    assert "error" not in (ready.window.dock.message.kind,)


def test_a_new_pair_in_view_is_left_alone(ready, qtbot):
    other = outcome_of(seed=5)
    ready.jobs.source.gate.clear()
    ready.widget.slider.dragged.emit(0.8)
    ready.showing.settle()
    ready.view.show_pair(other.pair.fixed, other.pair.moving)
    scene = ready.view.layers.scene
    ready.jobs.source.gate.set()
    ready.widget.slider.dragged.emit(0.4)
    ready.showing.settle()
    qtbot.waitUntil(lambda: not ready.tuner.engine.works_on("lambda exact"), timeout=20000)
    qtbot.wait(50)
    assert ready.view.layers.scene is scene and ready.jobs.measured == 0


def test_a_new_result_begins_anew(ready, qtbot):
    first = ready.tuner.knots
    ready.widget.slider.dragged.emit(0.8)
    give(ready, outcome_of(seed=7))
    assert ready.tuner.knots is None or ready.tuner.knots is not first
    assert not ready.showing.pins
    qtbot.waitUntil(
        lambda: ready.tuner.knots is not None and not ready.tuner.sweeping, timeout=20000
    )
    assert ready.showing.state == "registered"
    assert {c.name for c in ready.widget.slider.curves} == {"similarity", "folding"}


def test_before_is_put_down_when_lambda_moves(ready):
    ready.view.show_before(True)
    ready.widget.slider.dragged.emit(0.8)
    assert not ready.view.showing_before and isinstance(shown(ready), Preview)


def test_moving_before_there_are_knots(strip, qtbot):
    strip.jobs.source.gate.clear()
    give(strip, outcome_of())
    qtbot.waitUntil(lambda: strip.tuner.source is not None)
    strip.widget.slider.dragged.emit(0.7)
    assert strip.showing.state == "computing"
    strip.jobs.source.gate.set()
    qtbot.waitUntil(exact(strip), timeout=20000)
    assert strip.showing.value == pytest.approx(0.7)


def test_an_error_is_told_and_the_slider_lives_on(ready, qtbot, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(ready.jobs, "exact", fails)
    ready.widget.slider.dragged.emit(0.7)
    ready.showing.settle()
    qtbot.waitUntil(lambda: "memory" in ready.widget.row.words.text().lower(), timeout=20000)
    monkeypatch.undo()
    ready.widget.slider.dragged.emit(0.6)
    ready.showing.settle()
    qtbot.waitUntil(exact(ready), timeout=20000)


def test_closing_the_strip_while_it_moves(ready, qtbot):
    result = ready.runner.history.present.registration
    ready.widget.slider.dragged.emit(0.7)
    ready.window.viewer.window.remove_dock_widget(ready.widget)
    ready.widget.deleteLater()
    qtbot.wait(200)
    assert ready.view.registration is result and shown(ready) is result
    ready.runner.undo()  # whom it followed lives on


def test_closing_the_register_dock_empties_the_strip(ready, qtbot):
    ready.widget.slider.dragged.emit(0.7)
    ready.window.viewer.window.remove_dock_widget(ready.window.dock)
    ready.window.dock.deleteLater()
    qtbot.waitUntil(lambda: ready.widget.pages.currentIndex() == 0, timeout=5000)
    ready.widget.slider.dragged.emit(0.2)


def test_three_axes_too(strip, qtbot):
    strip.jobs.source.ndim = 3
    give(strip, outcome_of(3))
    qtbot.waitUntil(
        lambda: strip.tuner.knots is not None and not strip.tuner.sweeping, timeout=20000
    )
    strip.view.set_overlay("grid", True)
    strip.view.set_overlay("jacobian", True)
    strip.widget.slider.dragged.emit(0.25)
    assert isinstance(shown(strip), Preview)
    for _, layer in strip.view.stack:
        assert np.isfinite(np.asarray(layer.data[3:4])).all()
