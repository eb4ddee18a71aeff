"""Positions on the slider and λ are the same thing, and the range is kept."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale

SCALES = [LambdaScale(), LambdaScale(balance=1 / 3), LambdaScale(0.2, 10, "log")]


@pytest.mark.parametrize("scale", SCALES)
def test_there_and_back(scale):
    places = np.linspace(0, 1, 33)
    values = np.array([scale.value(s) for s in places])
    assert (np.diff(values) > 0).all()
    assert values[0] == pytest.approx(scale.low) and values[-1] == pytest.approx(scale.high)
    np.testing.assert_allclose([scale.position(v) for v in values], places, atol=1e-12)


def test_equal_steps_on_a_logarithmic_scale_are_equal_factors():
    scale = LambdaScale(0.2, 10, "log")
    values = np.array([scale.value(s) for s in np.linspace(0, 1, 9)])
    np.testing.assert_allclose(np.diff(np.log(values)), np.log(50) / 8)


def test_a_balance_of_a_third_gives_half_of_the_slider_to_the_last_quarter():
    assert LambdaScale(balance=1 / 3).value(0.5) == pytest.approx(0.75)


@pytest.mark.parametrize("value", [-0.01, 1.4, float("nan"), float("inf")])
def test_outside_the_trained_range_is_refused_in_words(value):
    with pytest.raises(InputError, match="0 to 1"):
        LambdaScale().checked(value)


def test_the_ends_and_rounding_beyond_them_are_inside():
    scale = LambdaScale(0.2, 10, "log")
    assert scale.checked(0.2) == 0.2 and scale.checked(10.0 + 1e-12) == 10.0
    assert scale.value(-3) == 0.2 and scale.value(7) == pytest.approx(10.0)


@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (0, float("nan"))])
def test_a_range_that_is_none(bounds):
    with pytest.raises(InputError):
        LambdaScale(*bounds)
    with pytest.raises(InputError):
        LambdaScale(0, 1, "log")
