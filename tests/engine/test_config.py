"""Parameters out of their bounds are refused."""

from __future__ import annotations

from dataclasses import fields

import pytest

from napari_voxelmorph.engine.config import DEFAULT, PRESETS, RegistrationConfig
from napari_voxelmorph.engine.errors import InputError


@pytest.mark.parametrize(
    "change",
    [
        {"similarity": "ssd"},
        {"affine": None},
        {"transform": ["velocity"]},
        {"start": "headers"},
        {"affine_similarity": "mse"},
        {"smoothness": 0},
        {"smoothness": float("nan")},
        {"smoothness": "1"},
        {"smoothness": True},
        {"radius": 2.5},
        {"radius": 0},
        {"iterations": ()},
        {"iterations": (10, -1)},
        {"iterations": (10.5,)},
        {"iterations": 100},
        {"iterations": "100"},
        {"iterations": (float("inf"),)},
        {"iterations": ("a",)},
        {"resolution": -1},
        {"resolution": None},
        {"tolerance": 1},
        {"symmetric": "yes"},
        {"device": 0},
    ],
)
def test_bad_values_are_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        RegistrationConfig(**change)


def test_good_values_are_taken():
    assert RegistrationConfig(iterations=[100.0, 5]).iterations == (100, 5)
    assert hash(RegistrationConfig(iterations=[3])) is not None
    assert RegistrationConfig(smoothness=2, radius=3, resolution=1).radius == 3


def test_every_parameter_explains_itself():
    for f in fields(DEFAULT):
        assert f.metadata["label"] and f.metadata["help"]
    assert all(words for _, words in PRESETS.values())
