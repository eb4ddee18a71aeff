"""What the window says of a result."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.register.jobs import Outcome
from napari_voxelmorph.gui.register.result_words import verdict


@pytest.fixture
def outcome(pair_2d):
    def make(reach):
        field = Field(np.full((2, 4, 4), reach, np.float32), np.full(2, 8.0), np.zeros(2))
        metrics = {"similarity_before": 0.4, "similarity_after": 0.6, "ndv_percent": 0.0,
                   "max_displacement_mm": reach}  # fmt: skip
        result = Registration(
            pair_2d.fixed, pair_2d.moving, np.eye(3), field, metrics=metrics, timings={"total": 3.0}
        )
        pair = SimpleNamespace(fixed=pair_2d.fixed, moving=pair_2d.moving)
        return Outcome(result, pair, np.eye(3))

    return make


def test_a_deformation_is_described(outcome):
    text = verdict(outcome(2.5))
    assert "much better" not in text and "better than before" in text
    assert "does not fold" in text and "up to 2.5 mm" in text and "3.0 s" in text


def test_nothing_found_is_said(outcome):
    text = verdict(outcome(0.0))
    assert "No deformation was found" in text and "more iterations" in text
    assert "fold" not in text
