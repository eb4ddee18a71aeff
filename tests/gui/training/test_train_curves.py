"""Curves of a training: no extreme is lost to the pixels, axes are round, painting is quick."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_voxelmorph.gui.charts.chart import Chart
from napari_voxelmorph.gui.charts.chart_series import Series
from napari_voxelmorph.gui.charts.curve_points import (
    Points,
    in_short,
    log_ticks,
    thinned,
    ticks,
    value_range,
)


def test_the_running_mean_weighs_recent_points_more_and_leaves_nan_out():
    points, values = Points(memory=4), [3.0, -1.0, float("nan"), 2.0, 8.0, float("inf"), 5.0]
    for x, y in enumerate(values):
        points.add(x, y)
    x, y, mean = points.arrays()
    assert x.tolist() == [0, 1, 3, 4, 6] and y.tolist() == [3, -1, 2, 8, 5]
    for n in range(len(y)):
        weights = 0.75 ** np.arange(n, -1, -1)
        assert mean[n] == pytest.approx(np.average(y[: n + 1], weights=weights))


def test_many_points_are_kept_while_the_list_grows():
    points = Points()
    before = points.arrays()[0]
    for n in range(3000):
        points.add(n, n % 7)
    x, y, _ = points.arrays()
    assert len(points) == 3000 and len(before) == 0
    np.testing.assert_array_equal(x, np.arange(3000))
    np.testing.assert_array_equal(y, np.arange(3000) % 7)


@pytest.mark.parametrize("seed", range(3))
def test_every_column_of_pixels_keeps_its_least_and_largest_value(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.choice(100_000, 20_000, replace=False)).astype(float)
    y = rng.normal(size=len(x))
    columns, high = 250, 100_000.0
    thin_x, thin_y = thinned(x, y, 0.0, high, columns)
    assert len(thin_x) <= 2 * columns and (np.diff(thin_x) >= 0).all()
    for c in range(columns):
        inside = (x >= c * high / columns) & (x < (c + 1) * high / columns)
        kept = (thin_x >= c * high / columns) & (thin_x < (c + 1) * high / columns)
        if inside.any():
            assert thin_y[kept].min() == y[inside].min()
            assert thin_y[kept].max() == y[inside].max()


def test_few_points_are_drawn_as_they_are():
    x, y = np.arange(5.0), np.arange(5.0) ** 2
    assert thinned(x, y, 0, 4, 100) == (x, y)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-0.31, -0.17), (0, 4000), (1e-6, 3e-6), (-5, 90)]
)
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high, 5)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in found)
    step = found[1] - found[0]
    assert step / 10.0 ** np.floor(np.log10(step) + 1e-9) == pytest.approx(
        round(step / 10.0 ** np.floor(np.log10(step) + 1e-9)), abs=1e-6
    )
    np.testing.assert_allclose(np.diff(found), step)


def test_logarithmic_ticks_are_powers_of_ten_with_two_and_five():
    assert log_ticks(0.9, 12, 8) == pytest.approx([1, 2, 5, 10])
    assert log_ticks(1e-4, 1e3, 8) == pytest.approx([10.0**n for n in range(-4, 4)])
    assert log_ticks(-1, 1, 8) == []


def test_numbers_on_the_axis_are_short():
    assert [in_short(v) for v in (0, 0.25, -0.3, 12_000, 3e-5, 2e6)] == [
        "0", "0.25", "-0.3", "12k", "3e-5", "2M",
    ]  # fmt: skip


@pytest.mark.parametrize(("low", "high"), [(0.6525, 0.6545), (-0.3, 0.2), (0, 4000), (11, 13)])
def test_neighbours_on_an_axis_are_told_apart(low, high):
    places = ticks(low, high, 5)
    words = [in_short(v, places[1] - places[0]) for v in places]
    assert len(set(words)) == len(words) and max(map(len, words)) <= 6
    np.testing.assert_allclose([float(w.replace("k", "e3")) for w in words], places, atol=1e-9)


def test_an_axis_does_not_blow_up_noise():
    low, high = value_range([np.array([0.7771, 0.7772, 0.7775])])
    assert low < 0.7771 and high > 0.7775
    places = ticks(low, high, 5)
    words = [in_short(v, places[1] - places[0]) for v in places]
    assert len(set(words)) == len(words) > 1 and max(map(len, words)) <= 6
    assert value_range([np.array([0.5, 0.8])]) == (0.5, 0.8)


@pytest.fixture
def chart(qtbot):
    chart = Chart("Loss", "nothing yet")
    qtbot.addWidget(chart)
    chart.resize(360, 132)
    chart.show()
    return chart


def test_an_empty_chart_says_so_and_has_nothing_under_the_mouse(chart):
    picture = chart.grab().toImage()
    assert chart.hover_text(180) == ""
    colors = {picture.pixel(x, y) for x in range(0, 360, 2) for y in range(0, 132, 2)}
    assert len(colors) > 1  # words on the background


def test_the_mouse_reads_the_nearest_points(chart):
    x = np.array([10.0, 20.0, 30.0, 40.0])
    chart.show_series([Series("loss", "#ffffff", x, x / 100, unit=" %"),
                       Series("before", "#ffffff", x, 0 * x, "level")])  # fmt: skip
    chart.grab()
    across = chart._scales[0]
    assert chart.hover_text(float(across(21.0))) == "step 21\nloss: 0.2 %"
    assert chart.hover_text(float(across(40.0))) == "step 40\nloss: 0.4 %"
    assert chart.hover_text(0.0) == ""


def test_the_scale_is_logarithmic_only_while_all_values_are_above_zero(chart):
    x = np.arange(1.0, 5.0)
    chart.set_log(True)
    chart.show_series([Series("loss", "#ffffff", x, 10.0**-x)])
    chart.grab()
    up = chart._scales[1]
    steps = np.diff([float(up(10.0**-n)) for n in range(1, 5)])
    assert chart.can_be_log and np.allclose(steps, steps[0])
    chart.show_series([Series("loss", "#ffffff", x, -(10.0**-x))])
    chart.grab()
    assert not chart.can_be_log and not chart._scales[1].log


def test_a_hundred_thousand_points_are_painted_quickly(chart):
    rng = np.random.default_rng(0)
    x = np.arange(100_000.0)
    y = np.exp(-x / 2e4) + 0.1 * rng.random(len(x))
    costs = []
    for _ in range(7):
        began = time.thread_time()
        chart.show_series([Series("each", "#56b4e9", x, y, "faint"), Series("m", "#56b4e9", x, y)])
        chart.repaint()
        costs.append(time.thread_time() - began)
    # 2.5 ms were measured; a slow machine may take some times that.
    assert np.median(costs) < 0.02
