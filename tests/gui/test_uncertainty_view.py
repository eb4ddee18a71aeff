"""The uncertainty map: what it shows, how it is measured behind the window, and what stops it."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.uncertainty.closed_form import closed_form
from napari_voxelmorph.gui.background.engine_thread import EngineThread
from napari_voxelmorph.gui.register import spread_job
from napari_voxelmorph.gui.register.spread_result import SpreadResult
from napari_voxelmorph.gui.views.commit import keep
from napari_voxelmorph.gui.views.overlay_rows import OverlayRows
from napari_voxelmorph.gui.views.spread_row import SpreadRow
from napari_voxelmorph.gui.views.spread_work import SpreadWork
from napari_voxelmorph.gui.views.views import PairView


def with_posterior(result: Registration, deviation: float = 0.4) -> Registration:
    """Surer in the first half of the grid than in the second."""
    d = np.full(result.field.data.shape, deviation, np.float16)
    d[:, : d.shape[1] // 2] /= 8
    config = replace(DEFAULT, iterations=(4, 4, 4), device="cpu")
    field = result.field
    return replace(result, config=config, posterior=Posterior(field, d))


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr("napari_voxelmorph.gui.ticker.QApplication.instance", lambda: None)


@pytest.fixture(params=["RAS", "LIA"])
def pair(request, make_deformed_pair):
    pair = make_deformed_pair(3, request.param)
    pair.plain = pair.result
    pair.result = with_posterior(pair.result)
    return pair


@pytest.fixture
def view(pair, no_waiting):
    view = PairView(ViewerModel())
    view.show_pair(
        pair.fixed, pair.moving, np.eye(4), pair.labels, fixed_landmarks=pair.fixed.center[None]
    )
    return view


def shown(view, role):
    layer = view.stack.get(role)
    return np.asarray(layer.data[...])


def whole(view, pair):
    millimetres = closed_form(pair.result).deviation_block(None, pair.fixed)
    return view.layers.scene.grid.to_display(millimetres)


def test_the_map_is_there_only_with_something_to_show(view, pair):
    assert not view.can_show("uncertainty")
    view.update(pair.plain)
    assert not view.can_show("uncertainty")
    view.update(pair.result)
    assert view.can_show("uncertainty")


def test_the_map_shows_millimetres_and_the_line_its_limit(view, pair):
    view.update(pair.result)
    view.configure(unsure_above=0.2)
    view.set_overlay("uncertainty", True)
    expected = whole(view, pair)
    np.testing.assert_allclose(shown(view, "uncertainty"), expected, rtol=1e-5)
    np.testing.assert_array_equal(shown(view, "unsure"), expected > 0.2)
    assert 0 < shown(view, "unsure").mean() < 1
    layer, line = view.stack.get("uncertainty"), view.stack.get("unsure")
    assert layer.colorbar.visible and "mm" in layer.name and "not error" in layer.name
    assert line.contour == 1 and line.name == "uncertainty > 0.2 mm"
    low, high = layer.contrast_limits
    p95 = closed_form(pair.result).summary(pair.fixed)["p95_mm"]
    assert low == 0 and 1.5 * p95 <= high <= 2.4 * p95
    view.configure(unsure_above=0.35)
    assert line.name == "uncertainty > 0.35 mm"
    np.testing.assert_array_equal(shown(view, "unsure"), expected > 0.35)


def test_one_map_at_a_time_and_the_line_goes_with_it(view, pair):
    view.update(pair.result)
    view.set_overlay("displacement", True)
    view.set_overlay("uncertainty", True)
    assert not view.is_overlay_on("displacement")
    assert view.stack.get("fixed").colormap.name == "gray"
    view.set_overlay("jacobian", True)
    assert not view.stack.is_shown("uncertainty") and not view.stack.is_shown("unsure")


def test_what_is_uncertain_is_hidden_but_kept_whole(view, pair):
    view.update(pair.result)
    plain = shown(view, "moved")
    view.configure(unsure_above=0.2, hide_unsure=True)
    hidden = whole(view, pair) > 0.2
    dark = view.layers.scene.moving_range[0]
    np.testing.assert_allclose(shown(view, "moved"), np.where(hidden, dark, plain))
    assert (shown(view, "moved") != plain).any()
    np.testing.assert_allclose(keep(view, "moved").data, plain)
    view.configure(hide_unsure=False)
    np.testing.assert_allclose(shown(view, "moved"), plain)


def test_a_passing_state_shows_no_uncertainty_of_another_result(view, pair):
    view.update(pair.result)
    view.set_overlay("uncertainty", True)
    view.layers.show(pair.plain, live=True)
    assert not shown(view, "uncertainty").any()
    view.layers.show(pair.result, live=False)
    assert shown(view, "uncertainty").any()


def test_the_map_is_kept_as_a_layer(view, pair):
    view.update(pair.result)
    layer = keep(view, "uncertainty")
    np.testing.assert_allclose(layer.data, whole(view, pair), rtol=1e-5)
    assert "(kept)" in layer.name


# Measuring -----------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")


@pytest.fixture
def panel(view, qtbot):
    """Controls, words and their work, over an engine of their own."""
    engine = EngineThread()
    work = SpreadWork(view, engine)
    widgets = OverlayRows(view), SpreadRow(view, work), SpreadResult(view, work)
    view.changed.connect(widgets[0].sync)
    for widget in widgets:
        qtbot.addWidget(widget)
    yield (view, engine, work, *widgets)
    work.leave()
    engine.close()


def test_samples_take_the_place_of_the_closed_form(panel, pair, at_once):
    view, _, work, rows, row, result = panel
    view.update(pair.result)
    assert work.spread.source == "closed form" and not work.working
    assert row.estimate.isHidden() and not row.limit.isHidden()
    assert "closed form" in result.words.text() and "not the error" in result.words.text()
    rows.boxes["uncertainty"].click()
    assert work.spread.source == "samples" and work.spread.samples == 16
    shown_now = shown(view, "uncertainty")
    expected = view.layers.scene.grid.to_display(work.spread.deviation_block(None, pair.fixed))
    np.testing.assert_allclose(shown_now, expected, rtol=1e-5)
    words = result.words.text()
    assert "16 answers" in words and "mm" in words and "ellipsoid" in words
    assert not result.more.isHidden() and "± " in result.volumes.text()
    assert len(result.volumes.text().splitlines()) == 3  # 0 is no structure
    assert "not the error" in row.legend.text()
    assert "not the error" in rows.boxes["uncertainty"].toolTip()


def test_label_entropy_is_sampled_when_it_is_ticked(panel, pair, at_once):
    view, _, work, rows, row, _ = panel
    box = rows.boxes["label entropy"]
    view.update(pair.plain)
    assert not box.isEnabled() and "Estimate spread" in box.toolTip()
    view.update(pair.result)
    rows.boxes["displacement"].click()
    box.click()
    assert work.spread.source == "samples" and not view.is_overlay_on("displacement")
    found = work.spread.structures
    bits = shown(view, "label entropy")
    np.testing.assert_array_equal(
        bits, view.layers.scene.grid.to_display(found.entropy).astype(np.float32)
    )
    # Where all answers agree there is nothing to doubt, and nowhere else.
    sure = view.layers.scene.grid.to_display(found.probability) == 1
    assert (bits[sure] == 0).all() and (bits[~sure] > 0).all() and not sure.all()
    assert bits.max() <= 2.01  # four labels
    layer = view.stack.get("label entropy")
    assert layer.colorbar.visible and "bits" in layer.name
    assert layer.contrast_limits == [0.0, 1.0]
    assert "0 where all agree" in row.legend.text() and "not the error" in row.legend.text()
    np.testing.assert_array_equal(keep(view, "label entropy").data, bits)
    box.click()
    assert not view.is_overlay_on("label entropy") and "bits" not in row.legend.text()


def test_label_entropy_needs_a_segmentation(pair, no_waiting):
    view = PairView(ViewerModel())
    view.show_pair(pair.fixed, pair.moving, np.eye(4))
    view.update(pair.result)
    assert view.can_show("uncertainty") and not view.can_show("label entropy")


def test_a_spread_measured_before_the_segmentation_is_measured_again(panel, pair, at_once):
    view, _, work, rows, *_ = panel
    view.update(pair.result)
    view.spreads.put(pair.result, replace(closed_form(pair.result), source="samples"))
    rows.boxes["uncertainty"].click()
    assert work.spread.structures is None
    rows.boxes["label entropy"].click()
    assert work.spread.structures is not None


def test_measured_once_also_after_undo(panel, pair, at_once):
    view, _, work, rows, *_ = panel
    view.update(pair.result)
    rows.boxes["uncertainty"].click()
    first = work.spread
    view.update(pair.plain)
    assert work.spread is None
    box = rows.boxes["uncertainty"]
    assert box.isChecked() and box.isEnabled()  # what is on can be put off
    box.click()
    assert not box.isChecked() and not box.isEnabled()
    view.update(pair.result)
    assert work.spread is first and box.isEnabled()


def test_a_tuned_result_gets_its_samples_by_itself(panel, pair, at_once, monkeypatch):
    """A model for every λ at another λ: its posterior is one more pass away, not six runs."""
    view, _, work, rows, *_ = panel
    asked = []
    measuring = "napari_voxelmorph.engine.uncertainty.measuring"
    monkeypatch.setattr(f"{measuring}.has_posterior", lambda result: asked.append(result) or True)
    monkeypatch.setattr(f"{measuring}.with_posterior", lambda result, device: pair.result)
    view.update(pair.result)
    rows.boxes["uncertainty"].click()
    view.update(pair.plain)
    assert work.spread.source == "samples" and view.spreads.is_measured(pair.plain)
    assert asked.count(pair.plain) == 2  # by the window, and by the work itself


def test_a_result_without_a_posterior_is_perturbed_when_asked(panel, pair, at_once):
    view, _, work, rows, row, result = panel
    view.update(replace(pair.plain, config=pair.result.config))
    view.set_overlay("uncertainty", True)
    assert work.spread is None and result.isHidden()
    assert not row.estimate.isHidden() and "posterior" in row.estimate.toolTip()
    row.estimate.click()
    assert work.problem == ""
    assert work.spread.source == "perturbations"
    assert "starts" in result.words.text() and row.estimate.isHidden()
    rows.boxes["uncertainty"].click()
    assert shown(view, "uncertainty").max() > 0
    assert "starts" in row.legend.text()


def test_a_pre_alignment_has_no_spread_to_estimate(panel, pair, at_once):
    view, _, work, _, row, _ = panel
    view.update(replace(pair.plain, field=None))
    assert row.estimate.isHidden()
    work.estimate()
    assert work.spread is None


def test_what_goes_wrong_is_said(panel, pair, at_once):
    view, _, work, _, row, _ = panel
    view.update(replace(pair.plain, config=replace(DEFAULT, model="no such model")))
    row.estimate.click()
    assert "no such model" in row.legend.text()
    assert not work.working and row.estimate.isEnabled()


@pytest.fixture
def held(monkeypatch):
    """A measurement that waits in its middle."""
    gate, entered, closed = threading.Event(), threading.Event(), threading.Event()
    real = spread_job.measured_spread

    def slow(*args):
        steps = real(*args)
        try:
            yield next(steps)
            entered.set()
            assert gate.wait(20)
            return (yield from steps)
        except GeneratorExit:
            closed.set()
            raise

    monkeypatch.setattr(spread_job, "measured_spread", slow)
    yield gate, entered, closed
    gate.set()


def test_another_result_stops_the_measurement(panel, pair, held, qtbot):
    view, _, work, rows, *_ = panel
    gate, entered, closed = held
    view.update(pair.result)
    rows.boxes["uncertainty"].click()
    assert work.working and entered.wait(20)
    view.update(pair.plain)
    assert not work.working and work.progress == ""
    gate.set()
    assert closed.wait(20)
    qtbot.wait(50)
    assert not view.spreads.is_measured(pair.result)


def test_a_run_stops_it_and_it_begins_again_afterwards(panel, pair, held, qtbot):
    view, engine, work, rows, *_ = panel
    gate, entered, closed = held
    view.update(pair.result)
    rows.boxes["uncertainty"].click()
    assert entered.wait(20)
    done = []
    engine.submit(lambda: 1, lane="run", on_done=done.append)
    assert not work.working
    gate.set()
    qtbot.waitUntil(lambda: done == [1], timeout=20_000)
    assert closed.wait(20)
    qtbot.waitUntil(lambda: view.spreads.is_measured(pair.result), timeout=20_000)


def test_a_pair_that_goes_and_a_dock_that_closes_leave_nothing_behind(panel, pair, held, qtbot):
    view, engine, work, rows, *_ = panel
    gate, entered, closed = held
    view.update(pair.result)
    rows.boxes["uncertainty"].click()
    assert entered.wait(20)
    view.clear()
    assert not work.working and not rows.boxes["uncertainty"].isEnabled()
    gate.set()
    assert closed.wait(20)
    work.leave()
    view.show_pair(pair.fixed, pair.moving)
    view.update(pair.result)
    view.set_overlay("uncertainty", True)
    assert not engine.works_on("uncertainty")


def test_the_dock_has_the_controls_and_passes_the_masks_on(window, make_deformed_pair):
    from napari_voxelmorph.gui.register.jobs import Outcome, Pair

    dock = window.dock
    assert dock.runner.masks() == (None, None)
    pair = make_deformed_pair(2)
    result = with_posterior(pair.result)
    mask = pair.fixed.with_data(np.ones(pair.fixed.shape, np.uint8), kind="labels")
    dock.runner.history.add(
        Outcome(result, Pair(pair.moving, pair.fixed, fixed_mask=mask), np.eye(3))
    )
    dock.pair_view.show_pair(pair.fixed, pair.moving)
    dock.pair_view.update(result)
    assert dock.runner.masks() == (None, mask)
    words = dock.result.findChild(SpreadResult).words.text()
    assert words.startswith("Uncertainty: 0.")
    row = dock.view.findChild(SpreadRow)
    row.limit.setValue(0.3)
    row.hide_above.click()
    assert dock.pair_view.settings.unsure_above == 0.3 and dock.pair_view.settings.hide_unsure
