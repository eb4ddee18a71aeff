"""Memory and time of a training: in proportion, and not far from a real step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_voxelmorph.engine.training.config import DEFAULT
from napari_voxelmorph.engine.training.estimate import measure, trial_shape


def finished(steps):
    count = 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as end:
            return end.value, count


@pytest.mark.parametrize("shape", [(16, 16, 16), (160, 192, 224), (48, 64, 48), (512, 512)])
def test_the_trial_is_no_larger_and_of_like_proportions(shape):
    small = trial_shape(shape)
    assert len(small) == len(shape)
    assert all(s <= n for s, n in zip(small, shape, strict=True))
    ratios = [s / n for s, n in zip(small, shape, strict=True)]
    assert max(ratios) < 2 * min(ratios)


def test_a_step_is_measured_and_scaled():
    config = replace(DEFAULT, segmentation_weight=1.0, device="cpu")
    small, count = finished(measure((16, 16, 16), config, labels=2))
    double, _ = finished(measure((16, 16, 16), replace(config, batch=2), labels=2))
    assert 3 <= count <= 10
    assert small.seconds_per_step > 0
    kept, twice = small.bytes - 7e8, double.bytes - 7e8
    assert 0 < kept < twice < 2 * kept  # the weights do not grow with the batch


def test_the_measurement_can_be_stopped():
    steps = measure((16, 16, 16), DEFAULT)
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)
