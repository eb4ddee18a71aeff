"""Memory and time before a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine import estimate as module
from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import NotEnoughMemoryError
from napari_voxelmorph.engine.estimate import check_memory, estimate, work_voxels
from napari_voxelmorph.engine.geometry.volume import Volume

CPU = torch.device("cpu")


def head(shape=(160, 192, 160), dtype=np.int16, spacing=1.0):
    """A volume whose voxels take no memory."""
    return Volume(np.broadcast_to(np.zeros((), dtype), shape), np.diag([spacing] * 3 + [1.0]))


# Peaks of the process in MB, measured on two real brains (oasis 1000 and 1001; int16).
@pytest.mark.parametrize(
    "change, peak",
    [
        ({}, 796),
        ({"similarity": "mse"}, 758),
        ({"similarity": "mi"}, 731),
        ({"similarity": "mind"}, 886),
        ({"symmetric": True}, 913),
        ({"similarity": "mind", "symmetric": True}, 958),
        ({"transform": "none"}, 665),
        ({"similarity": "mind", "resolution": 2.0}, 703),
    ],
)
def test_memory_is_within_a_third_of_what_was_measured(change, peak):
    fixed, moving = head((162, 214, 167)), head((151, 202, 163))
    found = estimate(fixed, moving, replace(DEFAULT, **change), CPU).bytes / 1e6
    assert 0.77 * peak < found < 1.3 * peak


def test_needs_grow_with_the_work():
    small, large = head((80, 96, 80)), head()
    needs = [estimate(v, v, DEFAULT, CPU) for v in (small, large)]
    assert needs[0].bytes < needs[1].bytes and needs[0].seconds < needs[1].seconds
    coarse = estimate(large, large, replace(DEFAULT, resolution=3.0), CPU)
    assert coarse.bytes < needs[1].bytes and coarse.seconds < needs[1].seconds
    wide = estimate(head(dtype=np.float64), large, DEFAULT, CPU)
    assert wide.bytes > needs[1].bytes
    assert work_voxels(large, 2.0) == pytest.approx(large.data.size / 8)
    assert "GB, about" in needs[1].text


def test_too_little_memory_offers_a_grid_that_fits(monkeypatch):
    large = head((700, 700, 700), spacing=0.01)
    need = estimate(large, large, DEFAULT, CPU).bytes
    monkeypatch.setattr(module, "free_memory", lambda device: need * 0.85)
    with pytest.raises(
        NotEnoughMemoryError, match=r"needs about .* GB.*Finest resolution” to 0\.0\d+ mm"
    ):
        check_memory(large, large, DEFAULT, CPU)
    monkeypatch.setattr(module, "free_memory", lambda device: 10)
    with pytest.raises(NotEnoughMemoryError, match="Even a coarse grid does not fit"):
        check_memory(large, large, DEFAULT, CPU)
    monkeypatch.setattr(module, "free_memory", lambda device: 10**15)
    check_memory(large, large, DEFAULT, CPU)
