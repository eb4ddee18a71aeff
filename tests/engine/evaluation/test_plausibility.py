"""What a moved segmentation says about itself, on pairs whose faults are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_voxelmorph.engine.evaluation.flags import Limits, flags_of
from napari_voxelmorph.engine.evaluation.plausibility import (
    Plausibility,
    mean_entropy,
    pieces,
    plausibility,
    sharpness,
)
from napari_voxelmorph.engine.evaluation.structures import Structure, segmented
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

SHAPE = (40, 44, 36)
CENTRES = ((12, 12, 12), (12, 30, 18), (27, 14, 22), (28, 31, 12))


def scan(radii: tuple[float, ...], shift: float = 0.0) -> tuple[Any, Any]:
    """Bright balls on a dark ground, and their labels moved by `shift` voxels."""
    at = np.indices(SHAPE).astype(float)
    image, labels = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    for n, (centre, radius) in enumerate(zip(CENTRES, radii, strict=True), 1):
        away = at - np.array(centre).reshape(3, 1, 1, 1)
        image[np.square(away).sum(axis=0) < radius**2] = 100
        away[0] -= shift if n == 1 else 0
        labels[np.square(away).sum(axis=0) < radius**2] = n
    return ndimage.gaussian_filter(image, 0.7), labels


def run(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def looked_at(fixed: Any, moving: Any, labels: Any, moved: Any = None) -> dict[int, Plausibility]:
    pair = Registration(Volume(fixed), Volume(moving), np.eye(4))
    volume = Volume(labels, kind="labels")
    moved = labels if moved is None else moved
    spacing = (1.0, 1.0, 1.0)
    return run(plausibility(pair, volume, segmented(labels, spacing), segmented(moved, spacing)))


def test_a_pair_that_fits_is_not_flagged() -> None:
    image, labels = scan((7, 6, 7, 6))
    for found in looked_at(image, 3 * image + 5, labels).values():
        assert found.growth == pytest.approx(1) and found.edge == pytest.approx(1, abs=1e-5)
        assert found.pieces == (1, 1) and not found.cut_off and found.entropy == 0
        assert flags_of(None, found) == []


def test_a_surface_beside_the_edge_is_flagged() -> None:
    image, labels = scan((7, 6, 7, 6))
    _, beside = scan((7, 6, 7, 6), shift=5)
    found = looked_at(image, image, labels, beside)
    assert found[1].edge < 0.6 < min(found[n].edge for n in (2, 3, 4))
    assert any("beside the edge" in f for f in flags_of(None, found[1]))
    assert flags_of(None, found[2]) == []


def test_growth_is_measured_against_the_other_structures() -> None:
    small, large = scan((5, 5, 5, 5))[1], scan((7, 7, 7, 5))[1]
    image = scan((7, 7, 7, 5))[0]
    found = looked_at(image, image, small, large)
    assert found[1].growth == pytest.approx(1, rel=0.02)
    assert found[4].growth == pytest.approx((5 / 7) ** 3, rel=0.1)
    assert any("shrank 2." in f for f in flags_of(None, found[4]))


def test_lost_new_broken_and_cut_off() -> None:
    image, labels = scan((7, 6, 7, 6))
    moved = labels.copy()
    moved[labels == 1] = 0
    moved[:, 29:32][labels[:, 29:32] == 2] = 0
    moved[:18, :18, :18] = 5
    moved[25:30, 10:16, 18:] = 3
    found = looked_at(image, image, labels, moved)
    assert "Lost" in flags_of(None, found[1])[0]
    assert found[2].pieces == (1, 2) and any("2 pieces" in f for f in flags_of(None, found[2]))
    assert found[3].cut_off and "cut off" in flags_of(None, found[3])[0]
    assert "New" in flags_of(None, found[5])[0]


def test_entropy_against_shares_that_are_known() -> None:
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[3:9, 3:9, 3:9] = 4
    half = np.eye(4)
    half[0, 3] = 0.5
    pair = Registration(Volume(np.zeros(labels.shape)), Volume(np.zeros(labels.shape)), half)
    volume = Volume(labels, kind="labels")
    entropy = pair.label_entropy(volume)
    assert entropy[2, 5, 5] == entropy[8, 5, 5] == 1 and entropy[5, 5, 5] == 0
    quarter = replace(pair, affine=np.diag([1.0, 1, 1, 1]) + np.pad([[0.25]], ((0, 3), (3, 0))))
    expected = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert quarter.label_entropy(volume)[2, 5, 5] == pytest.approx(expected, rel=1e-5)
    moved = segmented(pair.warp_labels(volume), (1.0, 1.0, 1.0))
    inside = moved.labels == 4
    assert mean_entropy(pair, volume, moved)[4] == pytest.approx(entropy[inside].mean())


def test_sharpness_is_the_mean_gradient() -> None:
    ramp = np.broadcast_to(np.arange(20.0)[:, None, None] * 3, (20, 18, 16))
    labels = np.zeros(ramp.shape, np.uint8)
    labels[4:9, 4:9, 4:9] = 1
    labels[11:16, 4:9, 4:9] = 2
    found = sharpness(Volume(ramp), segmented(labels, (2.0, 1.0, 1.0)))
    assert found == {1: pytest.approx(1), 2: pytest.approx(1)}
    flat = sharpness(Volume(np.ones(labels.shape)), segmented(labels, (1.0, 1.0, 1.0)))
    assert np.isnan(list(flat.values())).all()


def test_a_picture_has_the_same_measures() -> None:
    image, labels = scan((7, 6, 7, 6))
    flat, marks = image[12], labels[12]
    pair = Registration(Volume(flat), Volume(flat), np.eye(3))
    seen = segmented(marks, (1.0, 1.0))
    found = run(plausibility(pair, Volume(marks, kind="labels"), seen, seen))
    assert sorted(found) == [1, 2] and found[1].edge == 1 and not found[1].cut_off
    assert pieces(seen, 9) == 0


def test_every_reason_without_a_fixed_segmentation_has_its_limit() -> None:
    """Growth, edges and entropy: in words beyond the limit, silent within it."""
    fine = Plausibility(5, 2.0, 2.0, 1.0, 0.1, 1.0, 1.0, (1, 1), False)
    assert flags_of(None, fine) == []
    reasons = {
        "grew 2.0 times": (replace(fine, growth=2.0), Limits(growth=2.1)),
        "shrank 2.5 times": (replace(fine, growth=0.4), Limits(growth=2.6)),
        "40 % as sharp": (replace(fine, edge=0.4), Limits(edge=0.3)),
        "belong to a neighbour": (replace(fine, entropy=1.3), Limits(entropy=1.5)),
    }
    for words, (found, wider) in reasons.items():
        (reason,) = flags_of(None, found)
        assert words in reason and reason.endswith((".", ")."))
        assert flags_of(None, found, wider) == []
    # Where no edge marks the surface in the moving scan, none can be missed.
    assert flags_of(None, replace(fine, edge=0.1, sharpness=0.5)) == []
    # A voxel more or less is much for a small structure.
    assert flags_of(None, replace(fine, growth=2.0, moving_size=0.1)) == []


def test_reasons_against_the_fixed_segmentation() -> None:
    good = Structure(3, 0.9, 1.0, 0.3, 10.0, 10.5)
    assert flags_of(good, None) == []
    bad = Structure(3, 0.35, 12.0, 2.3, 10.0, 16.0)
    text = " ".join(flags_of(bad, None))
    assert "Dice 0.35" in text and "12.0 mm" in text and "60 % larger" in text
    assert flags_of(bad, None, Limits(dice=0.3, hd95=13, difference=70)) == []
    nan = float("nan")
    assert "Missing" in flags_of(Structure(3, nan, nan, nan, 2.0, 0.0), None)[0]
    assert "Not in the fixed" in flags_of(Structure(3, nan, nan, nan, 0.0, 2.0), None)[0]
